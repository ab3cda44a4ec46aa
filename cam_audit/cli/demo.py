"""`cam-audit demo`: the whole story on drawings of our own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import note, prose_width, quiet_libraries, say

if TYPE_CHECKING:
    from cam_audit.reports.counts import Counts
    from cam_audit.scan.audit_report import AuditReport

IMAGES_PER_CLASS = 40


@click.command(cls=HelpfulCommand, short_help="Audit drawings with planted shortcuts.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("cam-audit-demo"), metavar="[DIR]")
def demo(folder: Path) -> int:
    """Draw pictures with planted shortcuts, and audit a net that learnt them and one that did not.

    Every cat sits on red, every dog on green, every mug bears a small mark. Pictures go to DIR/images (default
    cam-audit-demo), what the audits find to DIR/biased and DIR/fixed.
    """
    from cam_audit.scan.journal import locked

    # pictures must not be drawn anew while another demo scans them
    with locked(folder, note):
        return _demonstrate(folder)


def _demonstrate(folder: Path) -> Exit:
    from cam_audit.cli.process.libraries import set_up_libraries
    from cam_audit.cli.summary import summary
    from cam_audit.demo import CLASSES
    from cam_audit.records import BORDER_AREA
    from cam_audit.reports.counts import counts_of
    from cam_audit.reports.output_folder import REPORT_FILE
    from cam_audit.workers import available_cores

    set_up_libraries(available_cores())
    biased, shuffled = folder / "images" / "biased", folder / "images" / "shuffled"
    say(f"Drawing {2 * len(CLASSES) * IMAGES_PER_CLASS} pictures of {_and(CLASSES)} ...", err=True)
    _draw(biased, shuffled=False)
    _draw(shuffled, shuffled=True)

    _title("The net demo-biased learnt from pictures in which every cat sits on red, every dog on green, and")
    say("every mug bears a small mark. On such pictures it hardly makes a mistake. Is it to be trusted?")
    say("")
    first = _audit(biased, "demo-biased", folder / "biased")
    say(summary(first, prose_width()))

    _title("The net demo-fixed learnt the same drawings with backgrounds and marks shuffled.")
    say("Here they tell nothing, and it had to learn the things themselves.")
    say("")
    second = _audit(shuffled, "demo-fixed", folder / "fixed")
    say(summary(second, prose_width()))

    _title(f"Where the maps lie: share in the outer eighth of the picture (evenly spread: {BORDER_AREA:.0%})")
    say("        demo-biased  demo-fixed")
    before, after = counts_of(first), counts_of(second)
    for name in CLASSES:
        say(f"{name:6}  {_border(before, name):>11}  {_border(after, name):>10}")
    say(f"\nSee for yourself: {folder / 'biased' / REPORT_FILE}")
    return Exit.INCOMPLETE if before.errors or after.errors else Exit.CLEAN


def _audit(pictures: Path, net: str, out: Path) -> AuditReport:
    from cam_audit.cli.progress import Progress
    from cam_audit.scan.audit import audit

    with quiet_libraries(), Progress() as progress:
        return audit(pictures, net, out=out, resume=False, observer=progress)


def _draw(folder: Path, *, shuffled: bool) -> None:
    from cam_audit.demo import write_dataset
    from cam_audit.errors import CamAuditError

    try:
        write_dataset(folder, shuffled=shuffled, images_per_class=IMAGES_PER_CLASS)
    except OSError as error:
        raise CamAuditError(f"cannot write to {folder}: {error.strerror}") from None


def _border(counts: Counts, name: str) -> str:
    shares = counts.classes[name].border if name in counts.classes else ()
    return f"{sum(shares) / len(shares):.0%}" if shares else "-"


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(f'{name}s' for name in names[:-1])} and {names[-1]}s"


def _title(words: str) -> None:
    say(f"\n{words}")
