"""What the page's script draws the images from, as JSON that no name in it can break out of."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping

from cam_audit.findings.codes import CODES
from cam_audit.images.png import encode_png
from cam_audit.images.rgb import RgbImage
from cam_audit.overlay import COLORMAPS, JET
from cam_audit.reports.html.parts import Strip
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.sheets import SheetLayout, overlay_bar

# What could end the script element, or begin a comment or an entity in it; in JSON all of it stands within strings.
ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
BAR_WIDTH = 128
FIELDS = (
    *("path", "label", "error", "scores", "labelScore", "wrong", "camClass", "width", "height"),
    *("peakX", "peakY", "border", "area", "inside", "insideArea", "surroundings", "flags", "sheet", "overlay", "split"),
    *("predicted", "even"),
)


def data(report: ScanReport, listed: Iterable[ImageRow], strips: Mapping[str, Strip]) -> Iterator[str]:
    """The images, findings, parts and settings that the script needs, as pieces of JSON safe in a script element.

    strips: by a part's sheet, of all parts.
    """
    names = _Numbers()
    layouts = _Numbers()
    wrong = {image.path for image in report.confused}
    document = {
        "folder": report.folder,
        "model": report.run.get("model", {}).get("sha256", ""),
        "run": report.run.get("started", ""),
        "codes": {code.code: [code.title, code.meaning] for code in CODES.values()},
        "findings": {f.fingerprint: {"class": f.label, "code": f.code} for f in report.findings},
        "boxes": {e.path: e.box for f in reversed(report.findings) for e in f.examples if e.box},
        "parts": [
            {
                "sheet": part.sheet,
                "fingerprint": part.fingerprint,
                "class": part.label,
                "number": part.number,
                "width": strip.width,
                "tiles": strip.tiles,
            }
            for part, strip in ((part, strips[part.sheet]) for part in report.parts)
        ],
        "bar": overlay_colours(report),
        "fields": FIELDS,
    }
    yield f'{_json(document)[:-1]},"images":['
    for number, image in enumerate(listed):
        row = _image(image, report.sheets.get(image.path), image.path in wrong, names, layouts)
        yield f"{',' if number else ''}{_json(row)}"
    # known only when all images have gone through
    yield f'],"names":{_json(names.values)},"sheets":{_json(layouts.values)}}}'


def overlay_colours(report: ScanReport) -> str:
    """The colours of the overlays, from little to most, as the address of a picture; "" where they aren't known."""
    settings = report.run.get("settings", {}).get("settings", {})
    # as it was before there was a choice
    colormap = settings.get("colormap", JET)
    return picture_uri(overlay_bar(BAR_WIDTH, colormap)) if colormap in COLORMAPS else ""


def picture_uri(rgb: RgbImage) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(encode_png(rgb)).decode()}"


def _json(value: object) -> str:
    return ENCODER.encode(value).translate(ESCAPES)


class _Numbers:
    """Numbers for values that come again and again, in the order in which they came first."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._known: dict[object, int] = {}

    def of(self, value: object) -> int:
        number = self._known.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def _image(
    image: ImageRow, layout: SheetLayout | None, wrong: bool, names: _Numbers, layouts: _Numbers
) -> list[object]:
    """One image, in the order of FIELDS; of one that could not be read, the first three."""
    if image.error:
        return [image.path, names.of(image.label), image.error]
    return [
        image.path,
        names.of(image.label),
        "",
        [[names.of(name), score] for name, score in image.top],
        image.label_score,
        wrong,
        names.of(image.cam_class),
        image.width,
        image.height,
        *_rounded((image.cam_peak_x, image.cam_peak_y, image.cam_border_share, image.cam_area)),
        *_rounded((image.inside_share, image.inside_area, image.surroundings_share)),
        list(image.flags),
        None if layout is None else layouts.of(_places(layout)),
        image.overlay,
        image.split,
        names.of(image.predicted),
        *_rounded((image.even_share,)),
    ]


def _places(layout: SheetLayout) -> tuple[object, ...]:
    return layout.sheet_width, layout.sheet_height, layout.top, layout.width, layout.height, layout.lefts


def _rounded(numbers: Iterable[float | None]) -> list[float | None]:
    return [None if number is None else round(number, 4) for number in numbers]
