"""The net of --foreground, which tells object from surroundings for the net that is audited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cam_audit.errors import CamAuditError, CannotWriteError
from cam_audit.findings.sample import MIN_IMAGES, classes_of
from cam_audit.models.known import DEFAULT_NET, NETS, find_net
from cam_audit.models.model import Model, load_model
from cam_audit.records import ImageSource
from cam_audit.scan.options import AUTO, NONE, Options


def foreground_of(
    options: Options, model: Model, sources: Sequence[ImageSource], note: Callable[[str], None]
) -> Model | None:
    """The foreground net of a scan, if any; `note` gets the reason where it can't be built.

    AUTO is neither built nor loaded if no class can be taken to parts. Raises CamAuditError as `foreground_net` does.
    """
    sizes = [len(of_class) for of_class in classes_of(sources).values()]
    taken_to_parts = model.separable and len(sizes) > 1 and max(sizes) >= MIN_IMAGES
    if options.foreground == AUTO and not taken_to_parts:
        return None
    try:
        found = foreground_net(options.foreground, model)
    except CannotWriteError as error:
        if options.foreground != AUTO:
            raise
        note(f"there is no foreground net, as it can't be built: {error}")
        return None
    if found and found.fallback not in ("", model.fallback):
        note(f"the foreground net: {found.fallback}")
    return found


def foreground_net(name: str, model: Model) -> Model | None:
    """The net that tells object from surroundings: AUTO is the default net if it is installed, NONE is none.

    It runs where the audited net does.

    Raises CannotWriteError if it can't be built, and CamAuditError if a net that is named is not there or is the
    audited one, which would judge itself.
    """
    if name == NONE:
        return None
    try:
        file = Path(name) if name.endswith(".onnx") else find_net(DEFAULT_NET if name == AUTO else name)
        found = load_model(file, model.providers)
    except CannotWriteError:
        raise
    except CamAuditError:
        if name == AUTO:
            return None
        if name in NETS or name.endswith(".onnx"):
            raise
        raise CamAuditError(
            f"--foreground {name}: there is no such net; name one of {', '.join(NETS)}, a file that ends in .onnx, or "
            "none"
        ) from None
    if found.sha256 == model.sha256:
        if name == AUTO:
            return None
        raise CamAuditError(f"--foreground {name}: this is the net that is audited; name another, or none")
    return found
