"""OUT/counterfactuals: the edits of all counterfactuals as a list to make them again, and the pictures of a few.

`edits.json` names for each picture the image, the other image that took part, the edit with its numbers, and what the
net said, so that every picture can be made again without the net.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.findings.codes import counterfactual
from cam_audit.findings.edits import AMOUNTS, EDITS, apply, needs_donor
from cam_audit.folders import leads_outside, read_in
from cam_audit.images.decode import read_image
from cam_audit.images.depth import Ranges
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
from cam_audit.inside import Root
from cam_audit.records import (
    COUNTERFACTUALS_FOLDER,
    Counterfactual,
    Edit,
    EditedPicture,
    Finding,
    Said,
    ShownCounterfactual,
    ShownPicture,
)
from cam_audit.reports import schema
from cam_audit.reports.json_text import json_pieces
from cam_audit.text import as_utf8

EDITS_FILE = f"{COUNTERFACTUALS_FOLDER}/edits.json"
# So many images of a test are shown, the first ones: not those that show most.
SHOWN = 3
# No net takes larger pictures, and who lists them may be anybody.
MAX_SIDE = 20_000


def shown_of(finding: Finding, counterfactuals: Sequence[Counterfactual]) -> Finding:
    """The finding with the counterfactuals whose pictures are to be kept.

    They are the first few of the first test that plants the cue, and of the first that takes it away.
    """
    folder = f"{COUNTERFACTUALS_FOLDER}/{finding.code}-{finding.fingerprint[:12]}"
    first: dict[bool, str] = {}
    shown = []
    for test, of_test in itertools.groupby(counterfactuals, key=lambda each: each.test):
        if first.setdefault(counterfactual(test).takes_away, test) != test:
            continue
        for number, each in enumerate(itertools.islice(of_test, SHOWN), 1):
            said = {"before": each.before, "edited": each.edited.said, "control": each.control.said}
            pictures = {kind: ShownPicture(f"{folder}/{test}-{number}-{kind}.jpg", of) for kind, of in said.items()}
            shown.append(ShownCounterfactual(test, each.path, each.label, **pictures))
    return replace(finding, counterfactuals=tuple(shown))


def pictures_of(
    edited_image: Counterfactual, dataset: Path | Root, needed: int | None, ranges: Ranges | None = None
) -> tuple[RgbImage, RgbImage, RgbImage]:
    """The image as it enters the net, edited, and with the control: uint8 (H, W, 3) each.

    dataset: the folder that its path is below; needed, ranges: as in `decode`, what the scan had. Raises ImageError,
    which names the image, where one can no longer be read.
    """

    def picture(name: str, size: tuple[int, int]) -> RgbImage:
        try:
            return resize(read_image(dataset / name, needed=needed, ranges=ranges)[0], *size)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None

    before = picture(edited_image.path, edited_image.size)

    def made(edited: EditedPicture) -> RgbImage:
        takes_part = edited.donor is not None and edited.donor_size is not None
        donor = picture(edited.donor, edited.donor_size) if takes_part else None  # type: ignore[arg-type]
        return apply(edited.edit, before, donor)

    return before, made(edited_image.edited), made(edited_image.control)


def kept_pictures(
    finding: Finding,
    counterfactuals: Sequence[Counterfactual],
    dataset: Path | Root,
    needed: int | None,
    ranges: Ranges | None = None,
) -> Iterator[tuple[str, RgbImage]]:
    """The pictures that a finding shows, by their path below the output folder; none of images that have gone."""
    by_image = {(each.test, each.path): each for each in counterfactuals}
    for shown in finding.counterfactuals:
        try:
            pictures = pictures_of(by_image[shown.test, shown.path], dataset, needed, ranges)
        except ImageError:
            continue
        yield from zip(shown.files, pictures, strict=True)


def render(
    findings: Sequence[Finding], counterfactuals: Mapping[str, Sequence[Counterfactual]], needed: int | None
) -> Iterator[str]:
    """The text of edits.json, in pieces."""
    edits: dict[str, int] = {}

    def number(edit: Edit) -> int:
        return edits.setdefault(json.dumps(_edit(edit)), len(edits))

    rows = [
        {
            "code": finding.code,
            "class": finding.label,
            "fingerprint": finding.fingerprint,
            "counterfactuals": [_counterfactual(each, number) for each in counterfactuals.get(finding.fingerprint, ())],
        }
        for finding in findings
        if finding.fingerprint in counterfactuals
    ]
    return json_pieces({"needed": needed, "edits": list(map(json.loads, edits)), "findings": rows})


def parse(text: str) -> tuple[dict[str, tuple[Counterfactual, ...]], int | None]:
    """The counterfactuals by the fingerprint of their finding, and what `decode` needs, of an edits.json.

    Raises ValueError where it is none.
    """
    document = json.loads(text)
    try:
        edits = list(map(_parsed_edit, document["edits"]))
        return {
            item["fingerprint"]: tuple(_parsed(each, edits) for each in item["counterfactuals"])
            for item in document["findings"]
        }, document["needed"]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not as cam-audit writes it: {error!r}") from None


def read_edits(out: Path) -> tuple[dict[str, tuple[Counterfactual, ...]], int | None]:
    """What `parse` makes of the edits.json in an output folder; nothing where the scan made no edits.

    Raises CamAuditError where it can't be read, or is damaged.
    """
    file = out / EDITS_FILE
    try:
        return parse(read_in(out, EDITS_FILE, schema.MAX_BYTES).decode())
    except FileNotFoundError:
        return {}, None
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{file}: damaged: {error}; scan again") from None


def said_document(said: Said) -> dict[str, object]:
    """What the net says, as JSON has it."""
    return {
        "class": said.class_name,
        "score": round(said.probability, 6),
        "cue_class_score": round(said.cue_probability, 6),
    }


def parsed_said(item: Mapping[str, Any]) -> Said:
    """What `said_document` made."""
    return Said(as_utf8(item["class"]), float(item["score"]), float(item["cue_class_score"]))


def _counterfactual(each: Counterfactual, number: Any) -> dict[str, object]:
    def picture(edited: EditedPicture) -> dict[str, object]:
        return {
            "edit": number(edited.edit),
            "donor": edited.donor,
            "donor_size": edited.donor_size,
            **said_document(edited.said),
        }

    return {
        "test": each.test,
        "path": each.path,
        "class": each.label,
        "size": each.size,
        "before": said_document(each.before),
        "edited": picture(each.edited),
        "control": picture(each.control),
    }


def below(name: Any) -> str:
    """The name of a file or folder below another; raises ValueError for one that leads outside: it may be anybody's."""
    path = as_utf8(name)
    if leads_outside(path):
        raise ValueError(f"{path!r} leads outside")
    return path


def _size(sides: Any) -> tuple[int, int]:
    width, height = map(int, sides)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"no picture is {width}x{height}")
    return width, height


def _parsed(item: Mapping[str, Any], edits: Sequence[Edit]) -> Counterfactual:
    def picture(part: Mapping[str, Any]) -> EditedPicture:
        donor = None if part["donor"] is None else below(part["donor"])
        size = None if part["donor_size"] is None else _size(part["donor_size"])
        if needs_donor(edits[part["edit"]]) and None in (donor, size):
            raise ValueError("an edit lacks the image that takes part")
        return EditedPicture(edits[part["edit"]], donor, size, parsed_said(part))

    return Counterfactual(
        below(item["test"]),
        below(item["path"]),
        below(item["class"]),
        _size(item["size"]),
        parsed_said(item["before"]),
        picture(item["edited"]),
        picture(item["control"]),
    )


def _edit(edit: Edit) -> dict[str, object]:
    mask = None
    if edit.mask is not None:
        mask = {"shape": edit.mask.shape, "bits": base64.b64encode(np.packbits(edit.mask).tobytes()).decode()}
    return {"name": edit.name, "box": edit.box, "mask": mask, "factors": edit.factors, "amounts": edit.amounts}


def _parsed_edit(item: Mapping[str, Any]) -> Edit:
    box, factors = (tuple(item[key]) if item[key] else None for key in ("box", "factors"))
    # those of earlier versions have none
    amounts = tuple(map(float, item.get("amounts") or ())) or None
    mask: NDArray[np.bool_] | None = None
    if item["mask"]:
        height, width = item["mask"]["shape"]
        bits = np.frombuffer(base64.b64decode(item["mask"]["bits"]), np.uint8)
        mask = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
    needs = {"paste": (box,), "foreign": (box,), "strokes": (mask,), "cast": (factors,), "painted_over": (box, mask)}
    if item["name"] not in EDITS or all(each is None for each in needs.get(item["name"], ("nothing",))):
        raise ValueError(f"{item['name']!r} is no edit that can be made")
    if len(amounts or ()) != AMOUNTS.get(item["name"], 0) or not all(map(math.isfinite, amounts or ())):
        raise ValueError(f"{item['name']!r} takes other amounts")
    return Edit(item["name"], box, mask, factors, amounts)
