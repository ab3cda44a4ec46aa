"""`cam-audit scan`: audit a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cam_audit.cli.exits import FAIL_ON, exit_of
from cam_audit.cli.outputs import Output, parse_outputs, require_places, to_stdout, write_outputs
from cam_audit.reports import FORMATS

if TYPE_CHECKING:
    from cam_audit.labels import ClassNames


@click.command()
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
@click.option(
    "--output", "outputs", multiple=True, callback=parse_outputs, metavar="FORMAT=FILE",
    help=f"Also write the results as {', '.join(FORMATS)}; `-` is stdout. Repeatable.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), default="error", show_default=True,
    help="The least severity of a finding that makes the exit code 1.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Images under way at once.  [default: cores]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Scan only N images, spread evenly over all.")
@click.option("--follow-links", is_flag=True, help="Also follow symbolic links that lead outside DATASET.")
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
    **task: Any,
) -> int:
    """Scan the images below DATASET, write what the net looks at in each, and find shortcuts.

    Every image gets a row in OUT/results.csv and an overlay below OUT/overlays. The first folder below DATASET
    is taken as the image's label; with at least two such classes of 12 images or more, OUT/findings.json tells
    which class a cue gives away, whether the net looks at the cue and whether its prediction follows it.
    """
    from cam_audit.cli import session
    from cam_audit.cli.summary import summary
    from cam_audit.labels import ClassNames
    from cam_audit.model import load_model
    from cam_audit.nets import DEFAULT_NET, find_net
    from cam_audit.results import read_results
    from cam_audit.scan import ScanSettings

    if net is not None and model is not None:
        raise click.UsageError("name the net to audit by either --net NAME or --model FILE")
    session.require_folder(dataset)
    require_places(outputs)
    path = model or find_net(DEFAULT_NET if net is None else net)
    if net is None and model is None:
        click.echo(f"note: no --net and no --model, so {DEFAULT_NET} with ImageNet's classes is taken", err=True)
    loaded = load_model(path)
    classes = ClassNames(loaded.class_names, loaded.class_ids)
    settings = ScanSettings(target=_target(target, classes), top=top, size=size, overlay_size=overlay_size)
    outcome = session.run(session.Task(dataset=dataset, settings=settings, **task), loaded)
    click.echo(summary(outcome), err=to_stdout(outputs))
    if outputs:
        write_outputs(read_results(outcome.out), outputs)
    return exit_of(outcome.report, outcome.tally.errors, fail_on)


def _target(word: str, classes: ClassNames) -> str | int:
    from cam_audit.scan import TARGET_LABEL, TARGET_PREDICTED

    return word if word in (TARGET_PREDICTED, TARGET_LABEL) else classes.require(word, "--target")
