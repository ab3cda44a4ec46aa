"""`cam-audit scan`: audit a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.cli.exits import Exit

if TYPE_CHECKING:
    from cam_audit.labels import ClassNames


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--net", metavar="NAME", help="A net known by name, e.g. resnet18.")
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="A CAM-ready ONNX file of your own.")
@click.option(
    "-o", "--output-folder", "out", type=click.Path(path_type=Path), default=Path("cam-audit-out"), show_default=True,
    metavar="OUT", help="Folder for results.csv, run.json and the overlays.",
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
    "--overlays", type=click.Choice(["all", "none"]), default="all", show_default=True, help="Which overlays to draw."
)
@click.option(
    "--overlay-size", type=click.IntRange(64, 4096), default=800, show_default=True, metavar="N",
    help="Longest side of an overlay's panels.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Images under way at once.  [default: cores]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Scan only N images, spread evenly over all.")
@click.option("--follow-links", is_flag=True, help="Also follow symbolic links that lead outside DATASET.")
def scan(
    dataset: Path,
    net: str | None,
    model: Path | None,
    out: Path,
    target: str,
    labels: Path | None,
    top: int,
    size: int | None,
    overlays: str,
    overlay_size: int,
    workers: int | None,
    limit: int | None,
    follow_links: bool,
) -> int:
    """Scan the images below DATASET and write what the net looks at in each.

    Every image gets a row in OUT/results.csv and an overlay below OUT/overlays. The first folder below DATASET
    is taken as the image's label.
    """
    from cam_audit.cli import session
    from cam_audit.labels import ClassNames, read_label_map
    from cam_audit.model import load_model
    from cam_audit.nets import find_net
    from cam_audit.scan import ScanSettings

    if (net is None) == (model is None):
        raise click.UsageError("name the net to audit: either --net NAME or --model FILE")
    session.require_folder(dataset)
    loaded = load_model(model or find_net(str(net)))
    classes = ClassNames(loaded.class_names, loaded.class_ids)
    outcome = session.run(
        dataset,
        loaded,
        out,
        ScanSettings(target=_target(target, classes), top=top, size=size, overlay_size=overlay_size),
        label_map=read_label_map(labels, classes) if labels else {},
        draw=overlays == "all",
        workers=workers,
        limit=limit,
        follow_links=follow_links,
    )
    click.echo(outcome.text())
    return Exit.INCOMPLETE if outcome.tally.errors else Exit.CLEAN


def _target(word: str, classes: ClassNames) -> str | int:
    from cam_audit.scan import TARGET_LABEL, TARGET_PREDICTED

    return word if word in (TARGET_PREDICTED, TARGET_LABEL) else classes.require(word, "--target")
