"""`cam-audit scan`: audit a folder of images."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cam_audit.cli.configuration import ConfiguredCommand, config_option
from cam_audit.cli.outputs import Output, output_option, require_places, to_stdout, write_outputs
from cam_audit.cli.process.exits import exit_of
from cam_audit.cli.process.forked import be_told
from cam_audit.cli.process.resuming import FRESH, RESUME
from cam_audit.findings.codes import FAILING
from cam_audit.reports import FORMATS

if TYPE_CHECKING:
    from cam_audit.models.class_names import ClassNames


@click.command(cls=ConfiguredCommand, short_help="Audit a folder of images.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--net", metavar="NAME", help="A net known by name, e.g. resnet18.  [default: efficientnet-lite0]")
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="A CAM-ready ONNX file of your own.")
@click.option(
    "-o", "--output-folder", "out", type=click.Path(path_type=Path), default=Path("cam-audit-out"), show_default=True,
    metavar="OUT", help="Folder for report.html, results.csv, findings.json, run.json, overlays and maps.",
)  # fmt: skip
@click.option(
    "--target", default="predicted", show_default=True, metavar="predicted|label|CLASS",
    help="Whose map is described and drawn: the predicted class's, the folder's, or one class's throughout.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path), metavar="CSV",
    help="Rows folder,class for folders that are not named like a class, its WordNet id or its index.",
)  # fmt: skip
@click.option("--top", type=click.IntRange(1, 10), default=3, show_default=True, help="Scores shown on an overlay.")
@click.option(
    "--size", type=click.IntRange(16, 4096), metavar="N",
    help="Shortest side at which images enter the net; larger: finer maps, perhaps worse scores.  [default: the net's]",
)  # fmt: skip
@click.option(
    "--overlays", type=click.Choice(["all", "flagged", "none"]), default="all", show_default=True,
    help="Which overlays to draw; flagged images are read a second time for it.",
)  # fmt: skip
@click.option(
    "--overlay-size", type=click.IntRange(64, 4096), default=800, show_default=True, metavar="N",
    help="Longest side of an overlay's panels.",
)  # fmt: skip
@click.option(
    "--masks", type=click.Path(path_type=Path), metavar="DIR",
    help="Masks of the objects, at the images' relative paths; nonzero is object.",
)  # fmt: skip
@click.option(
    "--boxes", type=click.Path(path_type=Path), metavar="FILE",
    help="Boxes of the objects: a COCO json file, or a folder of VOC xml or YOLO txt files.",
)  # fmt: skip
@output_option(FORMATS, help=f"Also write the results as {', '.join(FORMATS)}; `-` is stdout. Repeatable.")
@click.option(
    "--fail-on", type=click.Choice(tuple(FAILING)), default="error", show_default=True,
    help="The least severity of a finding that makes the exit code 1.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a scan into OUT that was cut off; finished images are kept.")
@click.option("--fresh", is_flag=True, help="Start anew where a scan into OUT was cut off.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="FILE",
    help="Accepted findings, written by `cam-audit baseline`: only others make the exit code 1.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Images under way at once.  [default: cores]")
@click.option("--profile", is_flag=True, help="Also print where the time of the scan went, stage by stage.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Scan only N images, spread evenly over all.")
@click.option(
    "--follow-links/--no-follow-links", help="Also follow symbolic links that lead outside DATASET, or don't.",
)  # fmt: skip
@config_option
def scan(
    dataset: Path,
    net: str | None,
    model: Path | None,
    target: str,
    top: int,
    size: int | None,
    overlay_size: int,
    outputs: tuple[Output, ...],
    fail_on: str,
    resume: bool,
    fresh: bool,
    baseline: Path | None,
    **task: Any,
) -> int:
    """Scan the images below DATASET, write what the net looks at in each, and find shortcuts.

    Every image gets a row in OUT/results.csv and an overlay below OUT/overlays. The first folder below DATASET
    is taken as the image's label; with at least two such classes of 12 images or more, OUT/findings.json tells
    which class a cue gives away, whether the net looks at the cue and whether its prediction follows it.
    """
    from cam_audit.scan.dataset import require_folder

    if resume and fresh:
        raise click.UsageError("either --resume or --fresh")
    require_folder(dataset)
    require_places(outputs, task["out"])
    if baseline:
        from cam_audit.cli.baseline import judgement
        from cam_audit.reports.baseline import judge, read_baseline

        accepted = read_baseline(baseline)
    from cam_audit.cli.net import begin_to_load
    from cam_audit.cli.process.allocation import keep_freed_memory
    from cam_audit.workers import available_cores

    keep_freed_memory(task["workers"] or available_cores())
    loading = begin_to_load(net, model)
    # to load a net takes as long as to import the rest, which leaves no garbage, and needs next to no Python
    gc.disable()
    from cam_audit.cli.summary import stage_table, summary
    from cam_audit.models.class_names import ClassNames
    from cam_audit.reports.folder import REPORT_FILE, add_to_run, read_results
    from cam_audit.scan import run as session
    from cam_audit.scan.image import ScanSettings
    from cam_audit.scan.options import Task

    gc.enable()
    # these last, as they are only needed at the end
    import cam_audit.reports.html  # noqa: F401

    # not while modules are imported: there, an interruption may be lost, or taken for a fault of theirs
    be_told()
    loaded = loading.result()
    classes = ClassNames(loaded.class_names, loaded.class_ids)
    settings = ScanSettings(target=_target(target, classes), top=top, size=size, overlay_size=overlay_size)
    earlier = RESUME if resume else FRESH if fresh else None
    outcome = session.run(Task(dataset=dataset, settings=settings, fail_on=fail_on, **task), loaded, earlier)
    click.echo(summary(outcome), err=to_stdout(outputs))
    if outcome.profile:
        table = stage_table(outcome.profile, outcome.tally.images, outcome.seconds)
        click.echo(f"\n{table}", err=to_stdout(outputs))
    failing = outcome.report
    if baseline:
        judged = judge(accepted, read_results(outcome.out))
        click.echo(judgement(baseline, accepted, judged), err=to_stdout(outputs))
        failing = replace(failing, findings=judged.new)
        # for the formats, now and whenever they are rendered again
        add_to_run(outcome.out, known=[finding.fingerprint for finding in judged.known])
        outputs = (Output("html", outcome.out / REPORT_FILE), *outputs)
    if outputs:
        write_outputs(read_results(outcome.out), outputs)
    return exit_of(failing, outcome.tally.errors, fail_on)


def _target(word: str, classes: ClassNames) -> str | int:
    from cam_audit.scan.image import TARGET_LABEL, TARGET_PREDICTED

    return word if word in (TARGET_PREDICTED, TARGET_LABEL) else classes.require(word, "--target")
