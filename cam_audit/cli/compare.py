"""`cam-audit compare`: two scans side by side."""

from __future__ import annotations

from pathlib import Path

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.outputs import Output, output_option, require_places, to_stdout, write
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import say, terminal_width

FORMATS = ("text", "markdown", "json")


@click.command(cls=HelpfulCommand, short_help="Tell whether better data, or another net, helped.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@output_option(FORMATS, help=f"Write the comparison as {', '.join(FORMATS)}; `-` is stdout. Repeatable.")
def compare(before: Path, after: Path, outputs: tuple[Output, ...]) -> int:
    """Say whether better data, or another net, helped: BEFORE and AFTER are the output folders of two scans.

    Findings are compared by code and class, classes by their folders, images by their paths; data sets and nets may
    differ, and what can't be compared is said. Parts of what the nets look at are compared by where they lie in the
    images that both scans looked at. Findings that are only notes don't decide. The exit code is 0 whatever the answer.
    """
    from cam_audit.reports import comparison as reports
    from cam_audit.reports.compare import compare as compare_reports
    from cam_audit.reports.output_folder import read_results
    from cam_audit.reports.part_maps import read_part_maps

    require_places(outputs)
    reports_of = read_results(before), read_results(after)
    comparison = compare_reports(*reports_of, read_part_maps(before), read_part_maps(after))
    if not to_stdout(outputs):
        say(reports.text(comparison, terminal_width()))
    for output in outputs:
        write(output, [reports.FORMATS[output.format](comparison)])
    return Exit.CLEAN
