"""The one report that every format renders in tests: all that can happen, with names from strangers."""

from __future__ import annotations

from dataclasses import replace

from cam_audit.findings.codes import counterfactual
from cam_audit.records import (
    ConfusedImage,
    Disagreement,
    Example,
    Finding,
    MetadataGroup,
    Part,
    Said,
    ShownCounterfactual,
    ShownPicture,
    WrongLabel,
)
from cam_audit.reports.formats import FORMATS
from cam_audit.reports.scan_report import ImageRow, ScanReport

HOSTILE = "<img src=x onerror=alert(1)>"
# HTML, spreadsheet formula, quotes and separators, XML and CDATA ends, a workflow command, an ANSI escape, line ends
NAMES = (
    f"{HOSTILE}.png",
    "=cmd()|' /C calc'!A0.png",
    'say "cheese", a;b|c.png',
    "]]>&amp;--><script>alert(1)</script>.png",
    "::error file=x::%0Aowned%.png",
    "\x1b[31mred\x1b[0m.png",
    "two\r\nlines.png",
    "Ж/ё 😀 `tick` *star* [link](x).png",
)


def rendered(name: str, report: ScanReport) -> str:
    """What a format makes of a report, as one text."""
    return "".join(FORMATS[name](report))


def finding(code: str, severity: str, label: str, *examples: Example, **evidence: float) -> Finding:
    message = f"{label!r} may be recognised by the same thing. 8 of its 30 images show it. To do: look at them"
    numbers = {"images": 30.0, "hits": 8.0, "score": 0.266667, "threshold": 0.1, **evidence}
    fingerprint = f"{sum(map(ord, code + label)):08x}" * 4
    return Finding(code, severity, label, message, numbers, examples, fingerprint)


def effect(
    prefix: str,
    turned: int,
    control_turned: int,
    flips: tuple[float, float],
    gain: tuple[float, float, float],
    targets: int = 36,
) -> dict[str, float]:
    """The numbers of a test; `flips`: the ends of its interval, `gain`: the value and then the ends."""
    numbers = {
        "gain": gain[0],
        "gain_low": gain[1],
        "gain_high": gain[2],
        "targets": float(targets),
        "turned": float(turned),
        "control_turned": float(control_turned),
        "flips": round((turned - control_turned) / targets, 6),
        "flips_low": flips[0],
        "flips_high": flips[1],
    }
    return {f"{prefix}{name}": value for name, value in numbers.items()}


def shown(found: Finding, test: str, number: int, path: str, label: str) -> ShownCounterfactual:
    """A counterfactual whose image keeps its class with the control, and with the edit gets the cue's or loses it."""
    turned = Said("dog", 0.75, 0.125) if counterfactual(test).takes_away else Said(found.label, 0.75, 0.75)
    place = f"counterfactuals/{found.code}-{found.fingerprint[:12]}/{test}-{number}"
    before, edited, control = (
        ShownPicture(f"{place}-{kind}.jpg", said)
        for kind, said in (
            ("before", Said(label, 0.875, 0.0625)),
            ("edited", turned),
            ("control", Said(label, 0.625, 0.125)),
        )
    )
    return ShownCounterfactual(test, path, label, before, edited, control)


def image(name: str, label: str, *flags: str, predicted: str = "", score: float = 0.75) -> ImageRow:
    path = f"{label}/{name}"
    return ImageRow(
        path=path,
        label=label,
        width=640,
        height=480,
        top=((predicted or label, score), ("dog", (1 - score) / 2), ("owl", (1 - score) / 4)),
        label_score=score if predicted in ("", label) else 0.125,
        cam_class=predicted or label,
        cam_peak_x=0.25,
        cam_peak_y=0.75,
        cam_border_share=0.5,
        cam_area=0.375,
        inside_share=0.2,
        inside_area=0.3,
        flags=flags,
        overlay=f"overlays/{path}.png",
    )


def part(label: str, number: int, share: float, where: str, foreground_ratio: float | None, *paths: str) -> Part:
    return Part(
        label=label,
        number=number,
        share=share,
        beyond=share / 2,
        images=24,
        looked_at=40,
        others=6,
        others_looked_at=120,
        where=where,
        foreground_ratio=foreground_ratio,
        wander=0.2 if where == "object" else 0.1,
        sheet=f"parts/{label}/{number}.jpg",
        examples=tuple(Example(path, (0.125, 0.25, 0.5, 0.75)) for path in paths),
    )


def canonical_report() -> ScanReport:
    """Three classes, one of a hostile name; findings of every severity; parts; flags; an image that can't be read."""
    repeated = finding(
        "CA201",
        "error",
        HOSTILE,
        *(Example(f"{HOSTILE}/{name}", (0.125, 0.25, 0.5, 0.75)) for name in NAMES),
        use=0.4,
        use_everywhere=0.9,
        use_area=0.08,
        **effect("", 30, 3, (0.52, 0.86), (1.5, 1.25, 1.75)),
        **effect("taken_", 4, 0, (0.11, 0.75), (0.8, 0.5, 1.1), targets=8),
        **effect("paste_", 30, 3, (0.52, 0.86), (1.5, 1.25, 1.75)),
        **effect("painted_over_", 4, 0, (0.11, 0.75), (0.8, 0.5, 1.1), targets=8),
        removal_change_rate=0.5,
        others_looked_at=120.0,
        shown_images=8.0,
        shown_called=7.0,
        shown_called_low=0.53,
        shown_called_high=0.98,
        lacking_images=22.0,
        lacking_called=2.0,
        lacking_called_low=0.03,
        lacking_called_high=0.28,
        others_images=0.0,
        others_called=0.0,
        passes=88.0,
    )
    pasted = (
        shown(repeated, "paste", number, path, label)
        for number, (path, label) in enumerate((("cat/1.png", "cat"), ("dog/1.png", "dog"), ("cat/2.png", "cat")), 1)
    )
    painted = shown(repeated, "painted_over", 1, f"{HOSTILE}/{NAMES[0]}", HOSTILE)
    repeated = replace(repeated, counterfactuals=(*pasted, painted))
    border = finding(
        "CA203",
        "warning",
        "cat",
        Example("cat/1.png"),
        use=0.2,
        use_everywhere=0.6,
        use_area=0.4375,
        **effect("", 2, 1, (-0.09, 0.14), (0.4375, 0.3125, 0.5625)),
        **effect("taken_", 1, 3, (-0.19, 0.07), (0.0, -0.125, 0.125), targets=30),
        **effect("surroundings_", 2, 1, (-0.09, 0.14), (0.4375, 0.3125, 0.5625)),
        **effect("surroundings_taken_", 1, 3, (-0.19, 0.07), (0.0, -0.125, 0.125), targets=30),
        rank=1.0,
        passes=132.0,
    )
    files = finding("CA206", "note", "dog", Example("dog/1.png"), size_score=1.0)
    rows = [
        *(image(name, HOSTILE, "CA101" if index % 2 else "CA102") for index, name in enumerate(NAMES)),
        image("1.png", "cat", "CA102"),
        image("2.png", "cat", "CA104", predicted="dog", score=0.5),
        image("1.png", "dog"),
        ImageRow(path="dog/broken.png", label="dog", error="the file is cut off"),
    ]
    return ScanReport(
        run={
            "tool": "cam-audit",
            "version": "0.1.0",
            "schema_version": 1,
            "finished": True,
            "images": len(rows),
            "errors": 1,
            "sampled": 11,
            "skipped": {
                "kinds": {".cr2": {"files": 3, "example": f"{HOSTILE}.cr2"}, "": {"files": 40, "example": "cat/0"}},
                "excluded": {"*<b>*": 2},
                "links": 0,
                "limit": 0,
            },
            "counterfactual_passes": 220,
            "findings": {"error": 1, "warning": 1, "note": 1},
            "model": {"path": "onnx_models/tiny.onnx", "net": "tiny", "sha256": "ab" * 32, "licence": "Apache-2.0"},
            "settings": {
                "dataset": "photos",
                "out": "cam-audit-out",
                "workers": 2,
                "fail_on": "error",
                "settings": {"top": 3},
            },
            "versions": {"python": "3.11.7", "onnxruntime": "1.20.0", "opencv": "5.0.0", "numpy": "2.0.0"},
            "started": "2026-01-02T03:04:05+00:00",
            "seconds": 12.5,
        },
        findings=(repeated, border, files),
        maps=frozenset({repeated.fingerprint}),
        confused=(ConfusedImage("cat/2.png", "cat", "dog", Disagreement(-0.25, (0.1, 0.2), (0.7, 0.8))),),
        notes=("1 of 4 classes has fewer than 12 images, too few to look for cues",),
        images=tuple(sorted(rows, key=lambda row: row.path)),
        folder="cam-audit-out",
        wrong_labels=(
            WrongLabel("cat/2.png", "cat", "dog", 0.98, 0.0021),
            WrongLabel("dog/1.png", "dog", HOSTILE, 0.9, 0.01),
        ),
        groups=(
            MetadataGroup("site", HOSTILE, 8, 8, 2, 0.071, 0.591),
            MetadataGroup("site", "not given", 3, 0, 0, 0.0, 1.0),
            MetadataGroup(NAMES[5], "=1+1", 11, 8, 8, 0.676, 1.0),
        ),
        parts=(
            part("cat", 1, 0.75, "unknown", None, "cat/1.png"),
            part(HOSTILE, 1, 0.5, "surroundings", 0.75, *(f"{HOSTILE}/{name}" for name in NAMES[:6])),
            part(HOSTILE, 2, -0.25, "object", 2.5, f"{HOSTILE}/{NAMES[6]}", f"{HOSTILE}/{NAMES[7]}"),
        ),
    )
