"""Whether the overlays of a scan fit on the disk, asked before it starts and not when the disk is full."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.folders import status_in
from cam_audit.images.find import spread
from cam_audit.records import ImageSource
from cam_audit.reports.output_folder import PNG, overlay_name
from cam_audit.scan.image import ScanJob, scan_image

# So many overlays are drawn to see how large they are.
LOOKED_AT = 8
# An overlay has at most so many panels, and beside them so many pixels of title and margin each way.
_PANELS, _AROUND = 4, 200


def require_space(job: ScanJob, sources: Sequence[ImageSource], out: Path) -> None:
    """Raise CamAuditError where the overlays of images, of which a few are drawn, take more than is free.

    Those that `out` has already, of this scan or of one that it replaces, take nothing more. Nothing is drawn where
    the largest that overlays can be would fit.
    """
    free = shutil.disk_usage(next(folder for folder in (out, *out.absolute().parents) if folder.exists())).free
    largest = _PANELS * 3 * (job.settings.overlay_size + _AROUND) ** 2
    if len(sources) * largest <= free:
        return
    drawing = replace(job, out=out, annotations=None)
    drawn = [scan_image(drawing, source).overlay for source in spread(sources, LOOKED_AT)]
    sizes = [len(overlay) for overlay in drawn if overlay]
    new = sum(status_in(out, overlay_name(source.name, job.settings.overlay_format)) is None for source in sources)
    needed = new * sum(sizes) / max(1, len(sizes))
    if needed > free:
        smaller = "--overlay-format jpeg takes an eighth, " if job.settings.overlay_format == PNG else ""
        raise CamAuditError(
            f"{out}: the overlays of {new:,} images will take about {_in_words(needed)}, and {_in_words(free)} are "
            f"free; {smaller}--overlays flagged draws those of flagged images alone, and with a smaller "
            "--overlay-size each takes less"
        )


def _in_words(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
