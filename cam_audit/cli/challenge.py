"""`cam-audit challenge`: the counterfactual pictures of a scan as a data set."""

from __future__ import annotations

from pathlib import Path

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import note, say
from cam_audit.text import count, printable


@click.command(cls=HelpfulCommand, short_help="Write the edited pictures of a scan as a data set for any net.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "-o", "--output-folder", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
    help="The data set to write; it must be new, or empty.",
)  # fmt: skip
def challenge(out: Path, folder: Path) -> int:
    """Write the edited pictures of the scan in the folder OUT to DIR: cues planted, taken away, and controls.

    They are a data set with one folder for each true class: any net, in any framework, can be measured on it.
    DIR/challenge.csv has the cue, the photos and what the audited net said of each picture; DIR/README.md says how to
    read it. The photos must be where the scan found them; DIR must be new or empty, and not in OUT or among the photos.
    The exit code is 3 if some photos could not be read, and what was made of them is left out.
    """
    from cam_audit.reports.challenge import write_challenge
    from cam_audit.reports.output_folder import read_results

    written = write_challenge(read_results(out), folder)
    if written.left_out:
        photos = count(len(written.left_out), "photo")
        note(f"{photos} could not be read, and what was made of them is left out, such as {written.left_out[0]}")
    say(printable(f"{folder}: {count(written.pictures, 'picture')}"))
    return Exit.INCOMPLETE if written.left_out else Exit.CLEAN
