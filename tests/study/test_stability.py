"""The stability study's own arithmetic: draws, agreement, the tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from stability import CAUSES, Cell, by_class, compared, drawn, gravest, link, markdown

from cam_audit.records import Finding

NAMES = [*(f"a/{index:02d}.jpg" for index in range(20)), *(f"b/x/{index}.jpg" for index in range(5)), "c.jpg"]


def found(code: str, severity: str, label: str = "a") -> Finding:
    return Finding(code, severity, label, "", {}, (), "")


def table_rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line]


def test_a_class_is_the_first_folder() -> None:
    assert {label: len(names) for label, names in by_class(NAMES).items()} == {"a": 20, "b": 5, "": 1}


def test_a_draw_has_the_share_of_every_class_and_depends_on_its_seed_alone() -> None:
    first = drawn(NAMES, 0.9, seed=3)
    assert first == drawn(NAMES, 0.9, seed=3) == sorted(set(first) & set(NAMES))
    # 18 of 20, 4.5 of 5 to the even number, and of a single image no less than that one
    assert {label: len(names) for label, names in by_class(first).items()} == {"a": 18, "b": 4, "": 1}
    assert first != drawn(NAMES, 0.9, seed=4)
    assert drawn(NAMES, 1.0, seed=3) == sorted(NAMES)


def test_every_image_is_drawn_equally_often() -> None:
    """Left out of 400 draws with probability 0.1: 40 times, and 6 standard deviations are 36."""
    left_out = [0] * 20
    for seed in range(400):
        kept = set(drawn(NAMES, 0.9, seed))
        for index in range(20):
            left_out[index] += NAMES[index] not in kept
    assert sum(left_out) == 400 * 2
    assert all(4 < count < 76 for count in left_out)


def test_images_are_linked_under_the_same_names_and_copied_where_no_link_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    (source / "b" / "x").mkdir(parents=True)
    (source / "b" / "x" / "1.jpg").write_bytes(b"one")
    link(["b/x/1.jpg"], source, tmp_path / "linked")
    assert (tmp_path / "linked" / "b" / "x" / "1.jpg").samefile(source / "b" / "x" / "1.jpg")

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr("os.link", refuse)
    link(["b/x/1.jpg"], source, tmp_path / "copied")
    copy = tmp_path / "copied" / "b" / "x" / "1.jpg"
    assert copy.read_bytes() == b"one"
    assert not copy.samefile(source / "b" / "x" / "1.jpg")


def test_the_gravest_severity_of_a_cause_counts_under_whichever_code() -> None:
    findings = [
        found("CA201", "note"),
        found("CA202", "warning"),
        found("CA204", "error"),
        found("CA203", "note"),
        found("CA206", "note", "b"),
    ]
    assert gravest(findings) == {("a", "CA201"): "warning", ("a", "CA203"): "error", ("b", "CA206"): "note"}
    assert gravest([]) == {}


def test_a_cell_counts_the_draws_with_the_same_severity_and_no_finding_is_one() -> None:
    whole = {("a", "CA203"): "error"}
    parts = [{("a", "CA203"): "error"}, {("a", "CA203"): "warning", ("b", "CA201"): "note"}, {}]
    cells = {(cell.class_name, cell.cause): cell for cell in compared(["a", "b"], whole, parts)}
    assert set(cells) == {(label, cause) for label in "ab" for cause in CAUSES}
    assert cells["a", "CA203"] == Cell("a", "CA203", "error", ("error", "warning", "clean"))
    assert cells["a", "CA203"].same == 1
    assert cells["b", "CA201"] == Cell("b", "CA201", "clean", ("clean", "note", "clean"))
    assert cells["b", "CA201"].same == 2
    assert cells["a", "CA206"].same == 3


def test_the_causes_are_those_that_a_scan_without_annotations_can_find() -> None:
    assert CAUSES == ("CA201", "CA203", "CA206", "CA208", "CA209", "CA210", "CA214")


def test_the_tables_have_intervals_and_shares_by_severity() -> None:
    """Wilson's interval in closed form: n / (n + z^2) to 1 where all n agree; of 5 in 10, 0.2366 to 0.7634."""
    rows = table_rows(
        markdown(
            [
                Cell("a", "CA203", "error", ("error",) * 10),
                Cell("b", "CA203", "error", ("error",) * 5 + ("clean", "warning", "warning", "warning", "note")),
                Cell("b", "CA201", "clean", ("clean",) * 9 + ("note",)),
                Cell("c", "CA206", "note", ("clean",) * 10),
            ]
        )
    )
    assert rows[2:6] == [
        ["a", "CA203", "error", "10/10", "0.72 to 1.00", "-"],
        ["b", "CA203", "error", "5/10", "0.24 to 0.76", "warning x3, note x1, clean x1"],
        ["b", "CA201", "clean", "9/10", "0.60 to 0.98", "note x1"],
        ["c", "CA206", "note", "0/10", "0.00 to 0.28", "clean x10"],
    ]
    assert rows[8:] == [
        ["error", "2", "15/20", "0.75"],
        ["warning", "0", "0/0", "-"],
        ["note", "1", "0/10", "0.00"],
        ["clean", "1", "9/10", "0.90"],
    ]
