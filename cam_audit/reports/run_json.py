"""run.json: what a scan says of itself; checked when it is read, as anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cam_audit.findings.codes import FAILING
from cam_audit.reports.fields import (
    by_name,
    listed,
    one_of,
    optional,
    parse_json,
    real,
    system_path,
    table,
    text,
    truth,
    whole,
)

# The largest that overlays can be asked for.
MAX_SIDE = 100_000


def parse(document: str) -> Mapping[str, Any]:
    """What a run.json says, each field that is there as the scan writes it. Raises ValueError where it is none."""
    return _RUN(parse_json(document))  # type: ignore[no-any-return]


_KIND = table({"files": whole(), "example": text})
_RANGE = table({name: real(-1e300, 1e300) for name in ("least", "greatest", "low", "high")})
# a scan that was cut off says little, and other versions say less: no field must be there
_RUN = table(
    {},
    {
        "tool": text,
        "version": text,
        "model": table({"net": text, "sha256": text}, {"path": system_path, "classes": whole(1), "licence": text}),
        "versions": by_name(text),
        "finished": truth,
        "images": whole(),
        "errors": whole(),
        "splits": by_name(table({"images": whole(), "labelled": whole(), "agreeing": whole()})),
        "class_folders": truth,
        "readings": by_name(whole()),
        "value_ranges": by_name(_RANGE),
        "annotations": optional(table({"kind": text, "images": whole(), "of": whole(), "mean_area": optional(real())})),
        "skipped": table(
            {},
            {
                "kinds": by_name(_KIND),
                "excluded": by_name(whole()),
                **{name: whole() for name in ("links", "split", "limit")},
            },
        ),
        "proposed_labels": truth,
        "sampled": whole(),
        "classes_sampled": whole(),
        "uncovered": by_name(text),
        "left_out": listed(text),
        "counterfactual_passes": whole(),
        "findings": by_name(whole()),
        "settings": table(
            {},
            {
                "dataset": system_path,
                "out": system_path,
                "overlays": text,
                "fail_on": one_of(*FAILING),
                "settings": table({}, {"top": whole(1), "overlay_size": whole(1, MAX_SIDE)}),
            },
        ),
        "started": text,
        "seconds": real(0),
        "known": listed(text),
        "part_marks": by_name(text, system_path),
    },
)
