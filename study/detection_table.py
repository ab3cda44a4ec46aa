"""Trials of the detection benchmark, and the Markdown tables that sum them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("note", "warning", "error")
# The share of other classes' images that the true cue turns into its class, or of its own that leave without it.
EFFECTIVE_FROM = 0.1
# The codes of the finders that are there for a kind, and of those that see the same pixels.
EXPECTED = {
    "stampfix": ("CA201", "CA202"),
    "stamprand": ("CA201",),
    "wmark": ("CA202", "CA201"),
    "frame": ("CA203", "CA202"),
    "cast": ("CA204", "CA203"),
    "bgred": ("CA203", "CA204"),
    "ruler": ("CA201",),
    "ctxobj": ("CA201",),
    "blur": ("CA211",),
    "bright": ("CA211", "CA204", "CA203"),
    "foreign": ("CA209",),
    "streaks": ("CA212",),
    "letterbox": ("CA212",),
    "scale": ("CA213",),
    "mixed": ("CA214", "CA211", "CA204", "CA203"),
}


@dataclass(frozen=True)
class Found:
    """A finding about a class, as findings.json has it."""

    code: str
    severity: str
    class_name: str
    message: str
    evidence: dict[str, Any]

    def is_at_least(self, severity: str) -> bool:
        """Whether the finding is of that severity or a worse one."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)


@dataclass(frozen=True)
class Trial:
    """One scan of a planted set; `kind` and `class_name` "", and the oracle's None, where nothing was planted.

    accuracy: share of the clean audit images that the net classifies correctly; gain, flips, leaves: the oracle's, in
    correct margins and as shares of images; planted, flagged: images with the cue, and with CA101 or CA102; hits: with
    both.
    """

    kind: str
    prevalence: int
    seed: int
    classes: int
    class_name: str
    accuracy: float
    gain: float | None
    flips: float | None
    leaves: float | None
    findings: tuple[Found, ...]
    planted: int
    flagged: int
    hits: int

    @property
    def on_target(self) -> tuple[Found, ...]:
        """Findings about the planted class."""
        return tuple(found for found in self.findings if found.class_name == self.class_name)

    @property
    def effective(self) -> bool:
        """Whether the net follows the planted cue."""
        return max(self.flips or 0.0, self.leaves or 0.0) >= EFFECTIVE_FROM

    def detected(self, severity: str) -> bool:
        """Whether the planted class has an expected finding of at least that severity."""
        return any(f.code in EXPECTED[self.kind] and f.is_at_least(severity) for f in self.on_target)

    @property
    def alarming(self) -> tuple[Found, ...]:
        """Warnings and errors about classes without a plant."""
        return tuple(f for f in self.findings if f.class_name != self.class_name and f.is_at_least("warning"))

    @property
    def false_alarms(self) -> int:
        """The number of classes without a plant that have a warning or an error."""
        return len({found.class_name for found in self.alarming})

    @property
    def clean_classes(self) -> int:
        """The number of classes without a plant."""
        return self.classes - bool(self.class_name)


DETECTION_COLUMNS = (
    *("cue", "%", "found", "warning+", "error", "expected", "codes on the class"),
    *("flags: precision", "recall", "effective", "error if effective", "error if not", "accuracy"),
)


def markdown(trials: Sequence[Trial]) -> str:
    """The tables: detection by kind and prevalence, confirmation by effect, false alarms."""
    planted = [trial for trial in trials if trial.kind]
    cells: dict[tuple[str, int], list[Trial]] = {}
    for trial in planted:
        cells.setdefault((trial.kind, trial.prevalence), []).append(trial)
    detection = [_detection_row(kind, share, cell) for (kind, share), cell in cells.items()]
    confirmation = [
        [name, _share(group, lambda t: t.detected("warning")), _share(group, lambda t: t.detected("error"))]
        for name, group in (
            (f"effective (>= {EFFECTIVE_FROM})", [trial for trial in planted if trial.effective]),
            ("not effective", [trial for trial in planted if not trial.effective]),
        )
    ]
    alarms = [
        [name, f"{sum(t.false_alarms for t in group)}/{sum(t.clean_classes for t in group)}"]
        for name, group in (
            ("sets without a plant", [trial for trial in trials if not trial.kind]),
            ("the other classes of planted sets", planted),
        )
    ]
    # so that an association that a set really has can be told from chance
    names = Counter(f"{f.class_name}: {f.code} {f.severity}" for trial in trials for f in trial.alarming)
    alarms += [[f"of these, {name}", str(count)] for name, count in sorted(names.items())]
    return "\n\n".join(
        (
            table(DETECTION_COLUMNS, detection),
            table(["planted cue", "warning or error", "error"], confirmation),
            table(["classes without a plant", "with a warning or error"], alarms),
        )
    )


def _detection_row(kind: str, prevalence: int, cell: Sequence[Trial]) -> list[str]:
    codes = Counter(f"{found.code} {found.severity}" for trial in cell for found in trial.on_target)
    hits = sum(trial.hits for trial in cell)
    effective = [trial for trial in cell if trial.effective]
    others = [trial for trial in cell if not trial.effective]
    return [
        kind,
        str(prevalence),
        *(_share(cell, lambda trial, s=severity: trial.detected(s)) for severity in SEVERITIES),
        ", ".join(EXPECTED[kind]),
        ", ".join(f"{code} x{count}" for code, count in sorted(codes.items())) or "none",
        _ratio(hits, sum(trial.flagged for trial in cell)),
        _ratio(hits, sum(trial.planted for trial in cell)),
        f"{len(effective)}/{len(cell)}",
        _share(effective, lambda trial: trial.detected("error")),
        _share(others, lambda trial: trial.detected("error")),
        f"{sum(trial.accuracy for trial in cell) / len(cell):.2f}",
    ]


def _share(trials: Sequence[Trial], holds: Callable[[Trial], bool]) -> str:
    return f"{sum(holds(trial) for trial in trials)}/{len(trials)}"


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
