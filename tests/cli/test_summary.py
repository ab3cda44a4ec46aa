"""The end of a scan in words: findings worst first, what was confused, notes, and where the files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.cli.process.exits import Exit, exit_of
from cam_audit.cli.summary import summary
from cam_audit.findings.codes import CODES, FAILING, severity_counts
from cam_audit.records import ConfusedImage, Disagreement, Example, Finding
from cam_audit.reports.scan_report import ImageRow, ScanReport


def finding(
    severity: str = "error", code: str = "CA203", label: str = "cat", message: str = "'cat' is seen"
) -> Finding:
    return Finding(code, severity, label, message, {"score": 1.0}, (Example(f"{label}/a.png"), Example("b")), "0" * 32)


def report_of(
    *findings: Finding,
    confused: tuple[ConfusedImage, ...] = (),
    notes: tuple[str, ...] = (),
    images: tuple[ImageRow, ...] = (),
    out: Path = Path("out"),
    **run: object,
) -> ScanReport:
    return ScanReport(
        {"seconds": 1.0, "settings": {"out": str(out)}, **run},
        findings,
        frozenset(),
        confused,
        notes,
        images,
        folder=str(out),
    )


def paragraphs(report: ScanReport) -> list[list[str]]:
    """The summary cut at its empty lines."""
    return [paragraph.split("\n") for paragraph in summary(report).split("\n\n")]


def confused(label: str, predicted: str, correlation: float | None) -> ConfusedImage:
    return ConfusedImage(f"{label}/x.png", label, predicted, Disagreement(correlation, (0, 0), (0, 0)))


# one image of a class, so that the summary speaks of classes
LABELLED = (ImageRow("cat/x.png", "cat", top=(("cat", 1.0),), label_score=1.0),)


def test_each_finding_has_its_severity_code_class_title_message_and_an_example() -> None:
    report = report_of(finding(), finding("note", "CA206", "dog", "'dog' has files"), sampled=2)
    assert paragraphs(report)[1:4] == [
        ["2 findings (1 error, 1 note)"],
        [
            f"error    CA203 cat: {CODES['CA203'].title}",
            "         'cat' is seen",
            "         for example cat/a.png",
        ],
        [
            f"note     CA206 dog: {CODES['CA206'].title}",
            "         'dog' has files",
            "         for example dog/a.png",
        ],
    ]


def test_findings_are_counted_gravest_first() -> None:
    report = report_of(*[finding("error")] * 2, finding("warning"), *[finding("note")] * 3, sampled=2)
    assert list(severity_counts(report.findings).items()) == [("error", 2), ("warning", 1), ("note", 3)]
    assert paragraphs(report)[1] == ["6 findings (2 errors, 1 warning, 3 notes)"]
    assert paragraphs(report_of(finding("warning"), sampled=2))[1] == ["1 finding (1 warning)"]
    unsampled = paragraphs(report_of(finding("warning")))
    assert unsampled[1] == ["1 finding (1 warning)", "a cue may have been missed"]


def test_a_long_message_is_wrapped_and_indented_and_loses_nothing() -> None:
    words = [f"word{index}" for index in range(60)]
    (lines,) = paragraphs(report_of(finding(message=" ".join(words))))[2:3]
    assert " ".join(lines[1:-1]).split() == words
    assert len(lines) > 4
    for line in lines[1:-1]:
        assert line.startswith(" " * 9 + "word")
        assert len(line) <= 100


def test_a_finding_without_examples_names_none() -> None:
    bare = Finding("CA205", "note", "cat", "'cat' is", {"score": 1.0}, (), "0" * 32)
    assert len(paragraphs(report_of(bare))[2]) == 2


@pytest.mark.parametrize(
    ("sampled", "first"), [(24, "no findings"), (0, "cues could not be looked for")], ids=["looked", "nothing"]
)
def test_no_findings_and_notes_are_told(sampled: int, first: str) -> None:
    lines = paragraphs(report_of(notes=("too few images", "no folders"), sampled=sampled))[1]
    assert lines[0] == first
    assert lines[1:] == ["note: too few images", "note: no folders"]


def test_a_note_that_is_the_reason_is_said_once() -> None:
    why = "too few images; --labels says where the classes are"
    lines = paragraphs(report_of(notes=("too few images", "no folders"), sampled=0, uncovered={"": why}))[1]
    assert lines == [f"cues could not be looked for: {why}", "note: no folders"]


def test_notes_stand_after_the_findings() -> None:
    assert paragraphs(report_of(finding(), notes=("too few",)))[2][-2:] == [
        "         for example cat/a.png",
        "note: too few",
    ]


def test_confused_pairs_are_told_most_frequent_first_with_the_median_correlation() -> None:
    report = report_of(
        images=LABELLED,
        confused=(
            confused("owl", "cat", 0.5),
            *[confused("cat", "dog", value) for value in (0.1, 0.9, 0.25)],
            *[confused("dog", "cat", value) for value in (-0.5, -0.25, None)],
        ),
    )
    lines = paragraphs(report)[0]
    assert lines[-4:] == [
        "confused pairs (how alike the maps of the two classes are, -1 to 1):",
        "  cat taken for dog 3 x; maps alike 0.25",
        "  dog taken for cat 3 x; maps alike -0.25",
        "  owl taken for cat 1 x; maps alike 0.50",
    ]


def test_only_five_confused_pairs_are_told_and_none_where_nothing_is_confused() -> None:
    many = report_of(images=LABELLED, confused=tuple(confused(f"class {index}", "cat", 0.0) for index in range(9)))
    assert sum("taken for" in line for line in paragraphs(many)[0]) == 5
    assert not any("confused" in line for line in paragraphs(report_of(images=LABELLED))[0])


def test_the_files_are_named_that_are_there(tmp_path: Path) -> None:
    for folder in ("overlays", "maps"):
        (tmp_path / folder).mkdir()
    files = [line.split()[0] for line in paragraphs(report_of(out=tmp_path))[-2]]
    assert files == ["results.csv", "findings.json", "report.html"]
    (tmp_path / "maps" / "a.png").touch()
    first, *others = paragraphs(report_of(out=tmp_path))[-2]
    assert first.split() == ["maps", str(tmp_path / "maps")]
    assert len(others) == 3


@pytest.mark.parametrize("errors", [0, 2])
@pytest.mark.parametrize("fail_on", FAILING)
@pytest.mark.parametrize(
    ("severities", "failing"),
    [
        ([], set()),
        (["note"], set()),
        (["note", "warning"], {"warning"}),
        (["error"], {"warning", "error"}),
        (["note", "error", "warning"], {"warning", "error"}),
    ],
)
def test_the_exit_code(severities: list[str], failing: set[str], fail_on: str, errors: int) -> None:
    code = exit_of(report_of(*map(finding, severities), errors=errors, settings={"fail_on": fail_on}))
    assert code == (Exit.FINDINGS if fail_on in failing else Exit.INCOMPLETE if errors else Exit.CLEAN)
    assert int(code) == (1 if fail_on in failing else 3 if errors else 0)


def test_of_a_few_images_it_prints_what_the_net_says_of_each() -> None:
    image = ImageRow("a.png", "", top=(("cat", 0.904), ("dog", 0.051)))
    torn = ImageRow("b.png", "", error="torn")
    assert paragraphs(report_of(images=(image, torn)))[0][-1:] == ["  a.png: cat 90.4%, dog 5.1%"]
    assert "cat 90.4%" not in summary(report_of(images=(image,) * 9))
