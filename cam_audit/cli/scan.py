"""`cam-audit scan`: audit a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cam_audit.cli.configuration import ConfiguredCommand, config_option
from cam_audit.cli.net import download_option, net_file, provider_option
from cam_audit.cli.outputs import (
    Output,
    output_option,
    require_place,
    require_places,
    to_stdout,
    write_outputs,
)
from cam_audit.cli.process.exits import Interrupted, exit_of
from cam_audit.cli.process.forked import be_told
from cam_audit.cli.process.resuming import command_with, resuming_command
from cam_audit.cli.terminal import complain, is_quiet, note, prose_width, quiet_libraries, say
from cam_audit.errors import CamAuditError, CutOffError, OptionError
from cam_audit.findings.codes import FAILING
from cam_audit.reports.formats import BINARY, FIFTYONE, FORMATS
from cam_audit.workers import available_cores


@click.command(cls=ConfiguredCommand, short_help="Audit a folder of images.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--net", metavar="NAME", help="A net known by name, e.g. resnet18.  [default: efficientnet-lite0]")
@download_option
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
    "--labels", type=click.Path(path_type=Path), metavar="FILE",
    help="The classes of images whose folders are not named like a class of the net, its WordNet id or its index: rows "
    "folder,class or path,class, or a list of paths with indices.",
)  # fmt: skip
@click.option(
    "--class-level", type=click.IntRange(1, 64), metavar="N",
    help="Which folder is the class, counted from DATASET.  [default: 1, or 2 below folders train, val or test]",
)  # fmt: skip
@click.option(
    "--label-pattern", metavar="PATTERN",
    help="The class is in the file name: {class} is the class and {} is anything, as in '{class}.{}.jpg'.",
)  # fmt: skip
@click.option(
    "--split", default="all", show_default=True, metavar="NAME|all",
    help="Scan only one part of the data set, as folders (train, val, test) or --labels tell.",
)  # fmt: skip
@click.option(
    "--metadata", type=click.Path(path_type=Path), metavar="CSV",
    help="A table with a header: path, and columns such as site, scanner or date. The scan says which of them give a "
    "class away, and how right the net is for each value.",
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
# as in reports.output_folder and overlay, which are too slow to import for --help; a test holds them together
@click.option(
    "--overlay-format", type=click.Choice(["png", "jpeg"]), default="png", show_default=True,
    help="What overlays are written as; jpeg takes an eighth of the space.",
)  # fmt: skip
@click.option(
    "--colormap", type=click.Choice(["jet", "inferno", "magma", "plasma", "viridis", "cividis"]), default="jet",
    show_default=True,
    help="Colours of the maps in overlays. All but jet get lighter up to the peak, so they can be read in grey and by "
    "colour-blind people.",
)  # fmt: skip
@click.option(
    "--masks", type=click.Path(path_type=Path), metavar="DIR",
    help="Masks of the objects, at the images' relative paths; nonzero is object. Or a pattern of their paths such as "
    "DIR/{stem}_mask.png.",
)  # fmt: skip
@click.option(
    "--mask-value", type=click.IntRange(0, 65535), metavar="N",
    help="The value that is object in a mask, e.g. 1 of a trimap.  [default: all but 0]",
)  # fmt: skip
@click.option(
    "--boxes", type=click.Path(path_type=Path), metavar="FILE",
    help="Boxes of the objects: a COCO json file, or a folder of VOC xml or YOLO txt files.",
)  # fmt: skip
@click.option(
    "--category", multiple=True, metavar="NAME",
    help="Of --boxes, take only the objects of this category. Repeatable.  [default: all]",
)  # fmt: skip
@click.option(
    "--foreground", default="auto", show_default=True, metavar="auto|none|NET",
    help="A net, by name or file, that says whether the audited net looks at an object or beside it; auto takes "
    "efficientnet-lite0 if it is installed.",
)  # fmt: skip
@output_option(
    (*FORMATS, *BINARY, FIFTYONE),
    help=f"Also write the results as {', '.join((*FORMATS, *BINARY, FIFTYONE))}; `-` is stdout. Repeatable.",
)
@click.option(
    "--embeddings", type=click.Path(path_type=Path), metavar="FILE",
    help="Also write what the last layer averages in each image, to an .npz or .parquet file; images are read twice.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(tuple(FAILING)), default="error", show_default=True,
    help="The least severity of a finding that makes the exit code 1.",
)  # fmt: skip
@click.option(
    "--select", multiple=True, metavar="CODES",
    help="Look for these codes alone, such as CA203, or CA2 for all that begin so; commas between. Repeatable.",
)  # fmt: skip
@click.option(
    "--ignore", multiple=True, metavar="CODES",
    help="Don't look for these codes. The verdict says which were left out. Repeatable.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a scan into OUT that was cut off; finished images are kept.")
@click.option("--fresh", is_flag=True, help="Start anew, although a scan into OUT was cut off.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="FILE",
    help="Accepted findings, written by `cam-audit baseline`: only others make the exit code 1.",
)  # fmt: skip
@provider_option
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Images under way at once.  [default: cores]")
@click.option(
    "--ray", metavar="auto|local|ADDRESS",
    help="Scan by Ray: on the cluster at HOST:PORT, on the one that this machine belongs to (auto), or by processes of "
    "this machine (local, and auto where there is no cluster). See docs/scale.md.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Scan only N images, spread evenly over all.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB",
    help="Leave out files and folders of this name or, with a `/`, of this path below DATASET. Repeatable.",
)  # fmt: skip
@click.option(
    "--follow-links/--no-follow-links", help="Also follow symbolic links that lead outside DATASET, or don't.",
)  # fmt: skip
@config_option
def scan(
    dataset: Path,
    net: str | None,
    download: bool,
    model: Path | None,
    out: Path,
    outputs: tuple[Output, ...],
    embeddings: Path | None,
    fail_on: str,
    resume: bool,
    fresh: bool,
    baseline: Path | None,
    workers: int | None,
    **options: Any,
) -> int:
    """Scan the images below DATASET, write what the net looks at in each, and find shortcuts.

    Every image gets a row in OUT/results.csv and an overlay below OUT/overlays. The first folder below DATASET, or
    below its folders train, val and test, is taken as the image's label, unless --labels, --label-pattern or
    --class-level says otherwise; with at least two such classes of 12 images or more, OUT/findings.json tells which
    class a cue gives away, whether the net looks at the cue and whether its prediction follows it.
    """
    if resume and fresh:
        raise click.UsageError("either --resume or --fresh")
    require_places(outputs, out)
    if embeddings:
        require_place(embeddings, out, option="--embeddings")
    from cam_audit.cli.process.libraries import set_up_libraries
    from cam_audit.scan.dataset import require_folder

    # before anything is downloaded
    require_folder(dataset)
    file = net_file(net, model, download=download)
    set_up_libraries(workers or available_cores())
    from cam_audit.cli.progress import Progress
    from cam_audit.cli.summary import limits, summary
    from cam_audit.files import sha256_of
    from cam_audit.reports.output_folder import is_finished, read_results, require_same
    from cam_audit.scan.audit import audit

    if resume and is_finished(out):
        require_same(out, dataset, sha256_of(file))
        note(f"{out}: the scan in this folder is finished, so there is nothing to go on with")
        if embeddings:
            raise CamAuditError(f"{embeddings}: only a scan that runs the net can write embeddings; add --fresh")
        finished = read_results(out)
        write_outputs(finished, outputs)
        return exit_of(finished)
    # not while modules are imported: there, an interruption may be lost, or taken for a fault of theirs
    be_told()
    try:
        with quiet_libraries(), Progress() as progress:
            report = audit(
                dataset,
                file,
                out=out,
                workers=workers,
                embeddings=embeddings,
                fail_on=fail_on,
                baseline=baseline,
                resume=True if resume else False if fresh else None,
                observer=progress,
                **options,
            )
    except KeyboardInterrupt as interruption:
        raise Interrupted(f"interrupted{how_to_go_on(out)}") from interruption
    except OptionError as error:
        raise CamAuditError(f"{error}: {command_with(*error.options)}") from None
    except CutOffError as error:
        raise CamAuditError(f"{error}{how_to_go_on(out)}") from None
    say(summary(report, prose_width()), err=to_stdout(outputs))
    if is_quiet() and (unseen := limits(report)):
        # silence and exit code 0 would be an all-clear
        complain(unseen)
    if baseline and report.judgement:
        from cam_audit.cli.baseline import judgement

        say(judgement(baseline, report.judgement), err=to_stdout(outputs))
    write_outputs(report, outputs)
    return exit_of(report)


def how_to_go_on(out: Path) -> str:
    """The command that goes on with the scan, if it got as far as that."""
    from cam_audit.scan.journal import is_unfinished

    return f"; go on with {resuming_command()}" if is_unfinished(out) else ""
