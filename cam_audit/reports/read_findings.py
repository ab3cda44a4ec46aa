"""findings.json as it is read: checked by tables of fields, as anybody may have written it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from cam_audit.findings.codes import CODES, SEVERITIES, counterfactuals
from cam_audit.findings.foreground import PLACES
from cam_audit.folders import leads_outside
from cam_audit.records import (
    ConfusedImage,
    Disagreement,
    Example,
    Finding,
    MetadataGroup,
    Pair,
    Part,
    ShownCounterfactual,
    ShownPicture,
    WrongLabel,
)
from cam_audit.reports import schema
from cam_audit.reports.counterfactuals import SAID_FIELDS, said_of, test_name
from cam_audit.reports.fields import (
    FieldError,
    by_name,
    listed,
    one_of,
    optional,
    parse_json,
    path_below,
    quoted,
    real,
    system_path,
    table,
    text,
    truth,
    whole,
)
from cam_audit.text import count

_Item = TypeVar("_Item")


class Content(NamedTuple):
    """What a findings.json holds; `maps`: the fingerprints of the findings with maps."""

    findings: tuple[Finding, ...]
    maps: frozenset[str]
    confused: tuple[ConfusedImage, ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    wrong_labels: tuple[WrongLabel, ...]
    groups: tuple[MetadataGroup, ...]


def parse(document: str) -> Content:
    """What a findings.json holds.

    Names that are not UTF-8 come back with escapes, as those in results.csv do.

    Raises ValueError where it is not one, or of another schema version.
    """
    return _DOCUMENT(parse_json(document))  # type: ignore[no-any-return]


def sheet(value: Any) -> str:
    """A check, see `fields`: where a part's sheet is below the output folder, under the name that its file has."""
    path_below(value)
    return system_path(value)


def _inside(value: Any) -> str:
    """A path as `path_below` has it; "" for one that leads outside, and `_content_of` leaves out what has it."""
    path = text(value)
    return "" if leads_outside(path) else path


def _sheet_inside(value: Any) -> str:
    return sheet(value) if _inside(value) else ""


def _code(value: Any) -> str:
    code = text(value)
    if code not in CODES:
        raise FieldError(f"{quoted(code)} is no code of this version of cam-audit")
    return code


def _version(value: Any) -> int:
    if value != schema.FINDINGS:
        raise FieldError(f"is {quoted(value)}, not {schema.FINDINGS}")
    return schema.FINDINGS


def _effects(prefix: str) -> Iterator[tuple[str, ...]]:
    yield tuple(f"{prefix}gain{end}" for end in ("", "_low", "_high"))
    yield tuple(f"{prefix}flips{end}" for end in ("", "_low", "_high"))
    yield tuple(f"{prefix}{name}" for name in ("turned", "control_turned", "targets", "flips"))


# The numbers of the evidence of which none is there without the others.
_TOGETHER = (
    *(names for prefix in ("", "taken_", *(f"{test}_" for test in counterfactuals())) for names in _effects(prefix)),
    *((f"{group}_images", f"{group}_called") for group in ("shown", "lacking", "others")),
    ("inside_share", "inside_area", "wins_without"),
)
# And what else a number needs.
_NEEDS = {"hits": ("images",), "z": ("rank",)}


def _evidence(value: Any) -> dict[str, float]:
    numbers: dict[str, float] = by_name(real())(value)
    needs = [(name, names) for names in _TOGETHER for name in names] + [*_NEEDS.items()]
    for name, needed in needs:
        missing = [other for other in needed if other not in numbers] if name in numbers else []
        if missing:
            raise FieldError(f"is missing, which {name} needs", f".{missing[0]}")
    return numbers


def _finding_of(item: dict[str, Any]) -> Finding:
    if not item["evidence"].keys() & {"inside_share", "pairs"}:
        missing = next((name for name in ("score", "threshold") if name not in item["evidence"]), None)
        if missing:
            raise FieldError("is missing", f".evidence.{missing}")
    return Finding(
        item["code"],
        item["severity"],
        item["class"],
        item["message"],
        item["evidence"],
        item["examples"],
        item["fingerprint"],
        counterfactuals=item.get("counterfactuals", ()),
        pairs=item.get("pairs", ()),
    )


def _part_of(item: dict[str, Any]) -> Part:
    return Part(
        label=item["class"],
        number=item["number"],
        share=item["share"],
        beyond=item["beyond_others"],
        images=item["images"],
        looked_at=item["looked_at"],
        # earlier files do not have these
        others=item.get("others", 0),
        others_looked_at=item.get("others_looked_at", 0),
        where=item["where"],
        foreground_ratio=item["foreground_ratio"],
        wander=item.get("wander", 0),
        sheet=item["sheet"],
        examples=item["examples"],
    )


def _group_of(item: dict[str, Any]) -> MetadataGroup:
    images, labelled, right = (item[name] for name in ("images", "labelled", "right"))
    if not right <= labelled <= images:
        raise FieldError(f"{right} right of {labelled} labelled of {images} images is no group")
    return MetadataGroup(*(item[name] for name in _GROUP_FIELDS))


def _confused_of(item: dict[str, Any]) -> ConfusedImage:
    maps = Disagreement(item["correlation"], item["predicted_peak"], item["class_peak"])
    return ConfusedImage(item["path"], item["class"], item["predicted"], maps)


def _content_of(item: dict[str, Any]) -> Content:
    outside = 0

    def inside(items: Sequence[_Item], paths_of: Callable[[_Item], Sequence[str]]) -> tuple[_Item, ...]:
        nonlocal outside
        kept = tuple(each for each in items if all(paths_of(each)))
        outside += len(items) - len(kept)
        return kept

    def examples_inside(examples: Sequence[Example]) -> tuple[Example, ...]:
        return inside(examples, lambda each: [each.path])

    findings = tuple(
        replace(
            finding,
            examples=examples_inside(finding.examples),
            counterfactuals=inside(finding.counterfactuals, lambda each: [each.path, *each.files]),
            pairs=inside(finding.pairs, lambda each: each.paths),
        )
        for finding in item["findings"]
    )
    # earlier files do not have the last ones
    parts = inside(item.get("parts", ()), lambda each: [each.sheet])
    parts = tuple(replace(part, examples=examples_inside(part.examples)) for part in parts)
    wrong_labels = inside(item.get("wrong_labels", ()), lambda each: [each.path])
    notes = item.get("notes", ())
    if outside:
        notes = (
            *notes,
            f"findings.json names {count(outside, 'picture')} outside the data set and its folder: left out",
        )
    return Content(
        findings,
        frozenset(item.get("maps", ())),
        item.get("confused", ()),
        notes,
        parts,
        wrong_labels,
        item.get("groups", ()),
    )


# Made once by `dataclasses.asdict`, whose names are those of the record.
_GROUP_FIELDS = {
    "column": text,
    "value": text,
    **{name: whole() for name in ("images", "labelled", "right")},
    **{name: real() for name in ("low", "high")},
}
_SCORE = real(0, 1)
_PEAK = listed(real(), 2)
_BOX = listed(real(), 4)
_EXAMPLE = table({"path": _inside, "box": optional(_BOX)}, make=lambda item: Example(item["path"], item["box"] or None))
_PAIR = table(
    {"paths": listed(_inside, 2), "classes": listed(text, 2), "splits": listed(text, 2), "same_pixels": truth},
    make=lambda item: Pair(item["paths"], item["classes"], item["splits"], item["same_pixels"]),
)
_PICTURE = table({"picture": _inside, **SAID_FIELDS}, make=lambda item: ShownPicture(item["picture"], said_of(item)))
_SHOWN_FIELDS = {
    "test": test_name,
    "path": _inside,
    "class": text,
    "before": _PICTURE,
    "edited": _PICTURE,
    "control": _PICTURE,
}
_FINDING = table(
    {
        "code": _code,
        "severity": one_of(*SEVERITIES),
        "class": text,
        "message": text,
        "evidence": _evidence,
        "examples": listed(_EXAMPLE),
        "fingerprint": path_below,
    },
    {
        "counterfactuals": listed(
            table(_SHOWN_FIELDS, make=lambda item: ShownCounterfactual(*map(item.__getitem__, _SHOWN_FIELDS)))
        ),
        "pairs": listed(_PAIR),
    },
    _finding_of,
)
_PART = table(
    {
        "class": text,
        "number": whole(1),
        "share": real(),
        "beyond_others": real(),
        "images": whole(),
        "looked_at": whole(),
        "where": one_of(*PLACES),
        "foreground_ratio": optional(real()),
        "sheet": _sheet_inside,
        "examples": listed(_EXAMPLE),
    },
    {"others": whole(), "others_looked_at": whole(), "wander": real()},
    _part_of,
)
_CONFUSED = table(
    {
        "path": text,
        "class": text,
        "predicted": text,
        "correlation": optional(real()),
        "predicted_peak": _PEAK,
        "class_peak": _PEAK,
    },
    make=_confused_of,
)
_WRONG_LABEL_FIELDS = {"path": _inside, "class": text, "likely": text, "score": _SCORE, "class_score": _SCORE}
_DOCUMENT = table(
    {"schema_version": _version, "findings": listed(_FINDING)},
    {
        "maps": by_name(text),
        "confused": listed(_CONFUSED),
        "notes": listed(text),
        "parts": listed(_PART),
        "wrong_labels": listed(
            table(_WRONG_LABEL_FIELDS, make=lambda item: WrongLabel(*map(item.__getitem__, _WRONG_LABEL_FIELDS)))
        ),
        "groups": listed(table(_GROUP_FIELDS, make=_group_of)),
    },
    _content_of,
)
