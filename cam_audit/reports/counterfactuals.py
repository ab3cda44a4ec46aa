"""OUT/counterfactuals: the edits of all counterfactuals as a list to make them again, and the pictures of a few.

`edits.json` names for each picture the image, the other image that took part, the edit with its numbers, and what the
net said, so that every picture can be made again without the net.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.findings.codes import counterfactual, counterfactuals
from cam_audit.findings.edits import AMOUNTS, EDITS, apply, needs_donor
from cam_audit.folders import read_in
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
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
from cam_audit.reports.fields import (
    FieldError,
    listed,
    one_of,
    optional,
    parse_json,
    path_below,
    quoted,
    real,
    table,
    text,
    whole,
)
from cam_audit.reports.json_text import json_pieces

EDITS_FILE = f"{COUNTERFACTUALS_FOLDER}/edits.json"
# So many images of a test are shown, the first ones: not those that show most.
SHOWN = 3
# No net takes larger pictures, and no edit is stronger; who lists them may be anybody.
MAX_SIDE = 20_000
MAX_PIXELS = 50_000_000
MAX_STRENGTH = 1e6


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


def pictures_of(edited_image: Counterfactual, photo: Callable[[str], RgbImage]) -> tuple[RgbImage, RgbImage, RgbImage]:
    """The image as it enters the net, edited, and with the control: uint8 (H, W, 3) each.

    photo: what reads a photo by its path, as the scan did, uint8 (H, W, 3). Raises ImageError, which names the image,
    where one can no longer be read.
    """

    def picture(name: str, size: tuple[int, int]) -> RgbImage:
        try:
            return resize(photo(name), *size)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None

    before = picture(edited_image.path, edited_image.size)

    def made(edited: EditedPicture) -> RgbImage:
        takes_part = edited.donor is not None and edited.donor_size is not None
        donor = picture(edited.donor, edited.donor_size) if takes_part else None  # type: ignore[arg-type]
        return apply(edited.edit, before, donor)

    return before, made(edited_image.edited), made(edited_image.control)


def kept_pictures(
    finding: Finding, counterfactuals: Sequence[Counterfactual], photo: Callable[[str], RgbImage]
) -> Iterator[tuple[str, RgbImage]]:
    """The pictures that a finding shows, by their path below the output folder; none of images that have gone.

    photo: as in `pictures_of`.
    """
    by_image = {(each.test, each.path): each for each in counterfactuals}
    for shown in finding.counterfactuals:
        try:
            pictures = pictures_of(by_image[shown.test, shown.path], photo)
        except ImageError:
            continue
        yield from zip(shown.files, pictures, strict=True)


def render(
    findings: Sequence[Finding], counterfactuals: Mapping[str, Sequence[Counterfactual]], needed: int | None
) -> Iterator[str]:
    """The text of edits.json, in pieces."""
    edits: dict[str, int] = {}

    def numbered(edit: Edit) -> int:
        return edits.setdefault(json.dumps(_edit(edit)), len(edits))

    rows = [
        {
            "code": finding.code,
            "class": finding.label,
            "fingerprint": finding.fingerprint,
            "counterfactuals": [
                _counterfactual(each, numbered) for each in counterfactuals.get(finding.fingerprint, ())
            ],
        }
        for finding in findings
        if finding.fingerprint in counterfactuals
    ]
    return json_pieces({"needed": needed, "edits": list(map(json.loads, edits)), "findings": rows})


def parse(document: str) -> tuple[dict[str, tuple[Counterfactual, ...]], int | None]:
    """The counterfactuals by the fingerprint of their finding, and what `decode` needs, of an edits.json.

    Raises ValueError where it is none.
    """
    content = _DOCUMENT(parse_json(document))
    of_findings = {
        item["fingerprint"]: tuple(_counterfactual_of(each, content["edits"]) for each in item["counterfactuals"])
        for item in content["findings"]
    }
    return of_findings, content["needed"]


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


def said_of(item: Mapping[str, Any]) -> Said:
    """What `said_document` made, once it is checked by SAID_FIELDS."""
    return Said(item["class"], item["score"], item["cue_class_score"])


def test_name(value: Any) -> str:
    """A check, see `fields`: the name of a test that plants a cue or takes it away."""
    if text(value) not in counterfactuals():
        raise FieldError(f"{quoted(value)} is no test of this version of cam-audit")
    return str(value)


def _counterfactual(each: Counterfactual, numbered: Any) -> dict[str, object]:
    def picture(edited: EditedPicture) -> dict[str, object]:
        return {
            "edit": numbered(edited.edit),
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


def _edit(edit: Edit) -> dict[str, object]:
    mask = None
    if edit.mask is not None:
        mask = {"shape": edit.mask.shape, "bits": base64.b64encode(np.packbits(edit.mask).tobytes()).decode()}
    return {"name": edit.name, "box": edit.box, "mask": mask, "factors": edit.factors, "amounts": edit.amounts}


def _size(value: Any) -> tuple[int, int]:
    width, height = listed(whole(1, MAX_SIDE), 2)(value)
    if width * height > MAX_PIXELS:
        raise FieldError(f"no net takes pictures of {width}x{height}")
    return width, height


def _counterfactual_of(item: Mapping[str, Any], edits: Sequence[Edit]) -> Counterfactual:
    def picture(part: Mapping[str, Any]) -> EditedPicture:
        if part["edit"] >= len(edits):
            raise FieldError(f"there is no edit {part['edit']}")
        edit = edits[part["edit"]]
        if needs_donor(edit) and None in (part["donor"], part["donor_size"]):
            raise FieldError("an edit lacks the image that takes part")
        return EditedPicture(edit, part["donor"], part["donor_size"], said_of(part))

    return Counterfactual(
        item["test"],
        item["path"],
        item["class"],
        item["size"],
        item["before"],
        picture(item["edited"]),
        picture(item["control"]),
    )


def _mask_of(item: Mapping[str, Any]) -> NDArray[np.bool_]:
    height, width = item["shape"]
    bits = np.frombuffer(base64.b64decode(item["bits"], validate=True), np.uint8)
    if len(bits) != -(-height * width // 8):
        raise FieldError(f"holds {len(bits)} bytes, not those of a mask of {width}x{height}", ".bits")
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)


def _edit_of(item: Mapping[str, Any]) -> Edit:
    edit = Edit(item["name"], item["box"] or None, item["mask"], item["factors"] or None, item.get("amounts") or None)
    if not all(any(getattr(edit, each) is not None for each in some) for some in NEEDS.get(edit.name, ())):
        raise FieldError(f"{edit.name!r} lacks what it needs")
    if len(edit.amounts or ()) != AMOUNTS.get(edit.name, 0):
        raise FieldError(f"must be {AMOUNTS.get(edit.name, 0)} numbers for {edit.name!r}", ".amounts")
    return edit


# What an edit needs besides its amounts; of several, one is enough.
NEEDS = {
    "paste": (("box",),),
    "foreign": (("box",),),
    "strokes": (("mask",),),
    "texture": (("box",), ("mask",)),
    "cast": (("factors",),),
    "painted_over": (("box", "mask"),),
}
SAID_FIELDS = {"class": text, "score": real(0, 1), "cue_class_score": real(0, 1)}
_STRENGTH = real(-MAX_STRENGTH, MAX_STRENGTH)
_MASK = table({"shape": listed(whole(1, MAX_SIDE), 2), "bits": text}, make=_mask_of)
_EDIT = table(
    {
        "name": one_of(*EDITS),
        "box": optional(listed(_STRENGTH, 4)),
        "mask": optional(_MASK),
        "factors": optional(listed(_STRENGTH, 3)),
    },
    # those of earlier versions have none
    {"amounts": optional(listed(_STRENGTH))},
    _edit_of,
)
_EDITED = table({"edit": whole(), "donor": optional(path_below), "donor_size": optional(_size), **SAID_FIELDS})
_TRIED = table(
    {
        "test": test_name,
        "path": path_below,
        "class": path_below,
        "size": _size,
        "before": table(SAID_FIELDS, make=said_of),
        "edited": _EDITED,
        "control": _EDITED,
    }
)
_DOCUMENT = table(
    {
        "needed": optional(whole(1)),
        "edits": listed(_EDIT),
        "findings": listed(table({"fingerprint": path_below, "counterfactuals": listed(_TRIED)})),
    }
)
