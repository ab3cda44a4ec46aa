"""`cam_audit.audit`: the whole of `cam-audit scan` for other programs. It prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames
from cam_audit.models.known import DEFAULT_NET, NETS, find_net, locate
from cam_audit.models.model import Model, load_model
from cam_audit.overlay import JET
from cam_audit.reports.output_folder import PNG
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.dataset import require_folder
from cam_audit.scan.image import TARGET_LABEL, TARGET_PREDICTED, ScanSettings
from cam_audit.scan.observer import Observer
from cam_audit.scan.options import ALL, AUTO, Options
from cam_audit.scan.run import run
from cam_audit.workers import available_cores


def audit(
    dataset: str | Path,
    model: Model | str | Path = DEFAULT_NET,
    *,
    out: str | Path | None = None,
    target: str = TARGET_PREDICTED,
    top: int = 3,
    size: int | None = None,
    labels: str | Path | None = None,
    class_level: int | None = None,
    label_pattern: str | None = None,
    split: str = ALL,
    metadata: str | Path | None = None,
    masks: str | Path | None = None,
    mask_value: int | None = None,
    boxes: str | Path | None = None,
    category: str | Sequence[str] = (),
    overlays: str = ALL,
    overlay_size: int = 800,
    overlay_format: str = PNG,
    colormap: str = JET,
    workers: int | None = None,
    limit: int | None = None,
    follow_links: bool = False,
    exclude: str | Sequence[str] = (),
    foreground: str = AUTO,
    fail_on: str = "error",
    select: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    baseline: str | Path | None = None,
    resume: bool | None = None,
    observer: Observer | None = None,
    download: bool = False,
    provider: str | Sequence[str] = (),
    ray: str | None = None,
    embeddings: str | Path | None = None,
) -> AuditReport:
    """Scan the images below a folder and find shortcuts: the whole of `cam-audit scan`, silent.

    dataset: a folder of images, whose classes are told as docs/datasets.md says; model: a `Model`, a CAM-ready ONNX
    file, or the name of a known net. out: the output folder; None writes nothing. The other options are those of the
    command line. resume: what becomes of a scan into `out` that was cut off: True goes on with it, False starts anew,
    None raises. observer: hears of progress, records and notes. download: whether a known net that is absent is
    downloaded.

    Raises CamAuditError for what a user can mend: a data set or a model that can't be used, an option without meaning,
    an output that can't be written.

    Example:
        >>> import cam_audit
        >>> report = cam_audit.audit("photos", "demo-biased")
        >>> for finding in report.findings:
        ...     print(finding.severity, finding.code, finding.label)
        error CA203 cat
    """
    if not str(dataset) or not (out is None or str(out)):
        raise CamAuditError("the name of a folder is empty; the current folder is '.'")
    if resume not in (None, True, False):
        raise CamAuditError(f"resume can't be {resume!r}; it is True, False or None")
    dataset = Path(dataset)
    require_folder(dataset)
    accepted = None
    if baseline is not None:
        from cam_audit.reports.baseline import read_baseline

        accepted = read_baseline(Path(baseline))
    if isinstance(model, Model) and provider:
        raise CamAuditError("a Model has its provider already: cam_audit.load_model(file, provider=...)")
    net = model if isinstance(model, Model) else load_model(_file_of(model, download), _words(provider))
    options = Options(
        dataset=dataset,
        out=_path(out),
        settings=ScanSettings(_target(target, net), top, size, overlay_size, colormap, overlay_format),
        labels=_path(labels),
        class_level=class_level,
        label_pattern=label_pattern,
        split=split,
        metadata=_path(metadata),
        masks=_path(masks),
        mask_value=mask_value,
        boxes=_path(boxes),
        category=_words(category),
        overlays=overlays,
        workers=workers,
        limit=limit,
        follow_links=follow_links,
        exclude=_words(exclude),
        foreground=foreground,
        fail_on=fail_on,
        select=_words(select),
        ignore=_words(ignore),
        provider=net.providers,
        ray=ray,
    )
    if embeddings is not None:
        from cam_audit.scan.embeddings import require_format, write_embeddings

        require_format(Path(embeddings))
    report = run(options, net, accepted=accepted, resume=resume, observer=observer)
    if embeddings is not None:
        write_embeddings(Path(embeddings), report.job, report.sources, workers or available_cores(), observer)
    return report


def _target(word: str, model: Model) -> str | int:
    """Whose map is shown: one of the two words, or the index of the class that is named."""
    if word in (TARGET_PREDICTED, TARGET_LABEL):
        return word
    if not isinstance(word, str):
        raise CamAuditError(f"target can't be {word!r}; it is 'predicted', 'label', or a class's name or index as text")
    return ClassNames(model.class_names, model.class_ids).require(word, "--target")


def _file_of(model: str | Path, download: bool) -> Path:
    """The file of a net: the one that is named, or that of a net known by name."""
    path = Path(model)
    if isinstance(model, Path) or path.suffix == ".onnx":
        return path
    if download and model in NETS and locate(model) is None:
        from cam_audit.models import zoo

        if model in zoo.ZOO:
            return zoo.pull(model, lambda done: None)
    return find_net(model)


def _words(words: str | Sequence[str]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
