"""The whole audit: a cue that provably decides is proved, no other is."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import pytest
from data_sets import CLASSES, SIDE, STAMP, all_ants, audited, draw, flagged, no_place, sources_of, stamp_anywhere

from cam_audit.findings import sample
from cam_audit.findings.counterfactual import LOOKS
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model
from cam_audit.records import AuditResult, Box, Finding
from cam_audit.scan.audit_report import AuditReport

pytestmark = pytest.mark.usefixtures("described_once")


@pytest.fixture(scope="module")
def framed_by_cheat(framed: Path, cheat: Model) -> AuditResult:
    return audited(cheat, sources_of(framed))


def by_code(report: AuditResult | AuditReport) -> dict[str, Finding]:
    """The findings about ants by their codes; those of the other classes, which hold nothing, are notes at most."""
    assert {finding.severity for finding in report.findings if finding.label != "ant"} <= {"note"}
    ants = [finding for finding in report.findings if finding.label == "ant"]
    assert len({finding.code for finding in ants}) == len(ants)
    return {finding.code: finding for finding in ants}


def test_a_frame_that_decides_is_an_error_and_its_images_are_flagged(
    framed: Path, framed_by_cheat: AuditResult
) -> None:
    found = by_code(framed_by_cheat)
    assert {code: finding.severity for code, finding in found.items() if finding.severity != "note"} == {
        "CA203": "error"
    }
    evidence = found["CA203"].evidence
    for test, images in (("surroundings", LOOKS[0]), ("cast", LOOKS[0]), ("surroundings_taken", 24)):
        assert evidence[f"{test}_turned"] == evidence[f"{test}_targets"] == images
        assert evidence[f"{test}_control_turned"] == 0
        assert evidence[f"{test}_flips_low"] > 0.5
        assert evidence[f"{test}_gain_low"] > 0.3
    # each with a control; what an image was before, the scan has seen
    assert evidence["passes"] == 2 * (3 * LOOKS[0] + 24)
    assert all_ants(framed) <= flagged(framed_by_cheat, "CA102")
    assert set(framed_by_cheat.flags) == all_ants(framed)
    assert framed_by_cheat.sampled == 72
    assert framed_by_cheat.notes == (no_place("ant", "bee", "cow"),)


def test_logits_that_are_not_kept_change_nothing_but_the_passes(
    framed: Path, cheat: Model, framed_by_cheat: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    # of nets with many classes, only which is the largest and by how much
    monkeypatch.setattr(sample, "MAX_LOGITS", 2)
    again = audited(cheat, sources_of(framed))
    for found, before in zip(again.findings, framed_by_cheat.findings, strict=True):
        evidence = {name: number for name, number in before.evidence.items() if name != "passes"}
        assert {name: number for name, number in found.evidence.items() if name != "passes"} == evidence
        assert (found.code, found.message, found.fingerprint) == (before.code, before.message, before.fingerprint)
    assert again.flags == framed_by_cheat.flags


def test_the_use_is_that_of_a_plain_loop_over_the_images(
    framed: Path, cheat: Model, framed_by_cheat: AuditResult
) -> None:
    weight = cheat.cam_weight[0] - cheat.cam_weight.mean(axis=0)
    maps: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    margins = []
    for source in sources_of(framed):
        prediction = cheat.run(read_image(source.path)[0])
        maps[source.label].append(np.einsum("c,chw->hw", weight, prediction.activations.astype(np.float64)))
        logits = prediction.logits
        if logits.argmax() == source.label_class:
            margins.append(logits.max() - np.sort(logits)[-2])
    reference = np.mean(maps["bee"] + maps["cow"], axis=0)
    # the outer eighth of 12 x 12 cells: one and a half of them on each side
    inner = np.array([0, 0.5] + [1] * 8 + [0.5, 0])
    border = 1 - np.outer(inner, inner)
    uses = [((own - reference) * border).sum() / (144 * median(margins)) for own in maps["ant"]]
    finding = by_code(framed_by_cheat)["CA203"]
    assert finding.evidence["use"] == pytest.approx(median(uses), rel=1e-4)
    assert median(uses) > 0.5
    shown = framed_by_cheat.maps[finding.fingerprint]
    np.testing.assert_allclose(shown.own, np.mean(maps["ant"], axis=0), atol=1e-3)
    np.testing.assert_allclose(shown.others, reference, atol=1e-3)
    np.testing.assert_allclose(shown.cover, border, atol=1e-6)
    wholes = [(own - reference).sum() / (144 * median(margins)) for own in maps["ant"]]
    assert finding.evidence["use_everywhere"] == pytest.approx(median(wholes), rel=1e-4)
    assert finding.evidence["use_area"] == pytest.approx(1 - 0.75**2)


def test_the_same_frame_is_no_error_for_a_net_that_ignores_colour(framed: Path, honest: Model) -> None:
    report = audited(honest, sources_of(framed))
    found = by_code(report)
    assert {finding.severity for finding in found.values()} == {"note"}
    evidence = found["CA203"].evidence
    for test in ("surroundings", "cast"):
        assert evidence[f"{test}_turned"] == evidence[f"{test}_control_turned"] == 0
        assert evidence[f"{test}_gain_high"] < 0.15
    assert all_ants(framed) == flagged(report, "CA102")


def holds(box: Box | None, left: int, top: int) -> bool:
    """Whether most of a box is the stamp at (left, top), and most of the stamp in the box."""
    assert box is not None
    x0, y0, x1, y1 = (side * SIDE for side in box)
    shared = max(0, min(x1, left + STAMP) - max(x0, left)) * max(0, min(y1, top + STAMP) - max(y0, top))
    return shared > 0.5 * STAMP**2 and shared > 0.5 * (x1 - x0) * (y1 - y0)


def test_a_stamp_in_the_corner_that_decides_is_one_error_and_its_images_follow_it(
    stamped: Path, stamped_by_cheat: AuditReport
) -> None:
    report = stamped_by_cheat
    found = by_code(report)
    assert "CA201" not in found
    finding = found["CA202"]
    assert finding.severity == "error"
    assert {"duplicates_score", "template_score"} <= finding.evidence.keys()
    assert finding.evidence["flips"] == finding.evidence["taken_flips"] == finding.evidence["removal_change_rate"] == 1
    assert finding.evidence["targets"] == LOOKS[0]
    assert finding.evidence["taken_targets"] == 24
    assert finding.evidence["use"] > 1
    assert all(holds(example.box, 70, 70) for example in finding.examples)
    assert flagged(report, "CA101") == all_ants(stamped)
    assert report.run["counterfactual_passes"] == sum(finding.evidence["passes"] for finding in report.findings)


def test_a_stamp_anywhere_that_decides_is_a_repeated_cue(tmp_path: Path, cheat: Model) -> None:
    report = audited(cheat, sources_of(draw(tmp_path, stamp_anywhere)))
    found = by_code(report)
    assert "CA202" not in found
    assert found["CA201"].severity == "error"
    assert found["CA201"].evidence["paste_flips"] == 1
    assert found["CA201"].evidence["painted_over_turned"] > 20
    places = np.random.default_rng(7)
    corners = {f"ant/{index:02}.png": places.integers(0, SIDE - STAMP, 2).tolist() for index in range(24)}
    assert all(holds(example.box, *corners[example.path]) for example in found["CA201"].examples)
    followers = flagged(report, "CA101")
    assert followers <= all_ants(tmp_path)
    assert (
        len(followers) == round(found["CA201"].evidence["hits"] * found["CA201"].evidence["removal_change_rate"]) > 20
    )


def test_nothing_is_found_in_clean_classes(tmp_path: Path, honest: Model) -> None:
    report = audited(honest, sources_of(draw(tmp_path, None)))
    assert report.findings == ()
    assert (report.passes, report.maps, report.counterfactuals) == (0, {}, {})
    assert {code for codes in report.flags.values() for code in codes} <= {"CA104"}
