"""`cam-audit report`: render the results of a scan again."""

from __future__ import annotations

from pathlib import Path

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.outputs import Output, output_option, require_places, write_outputs
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import say
from cam_audit.reports.formats import BINARY, FORMATS


@click.command(cls=HelpfulCommand, short_help="Write a scan's report again.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="OUT")
@output_option(
    (*FORMATS, *BINARY), f"Write {', '.join((*FORMATS, *BINARY))} to FILE instead; `-` is stdout. Repeatable."
)
def report(folder: Path, outputs: tuple[Output, ...]) -> int:
    """Write OUT/report.html again, from the files of the scan in OUT, without scanning.

    It embeds pictures that prove the findings; the grid of all images shows OUT/overlays, which lie beside it.
    """
    from cam_audit.reports.output_folder import REPORT_FILE, read_results

    require_places(outputs)
    page = Output("html", folder / REPORT_FILE)
    write_outputs(read_results(folder), outputs or [page])
    if not outputs:
        say(str(page.file))
    return Exit.CLEAN
