"""Trials of the study of context that varies, and the Markdown tables that sum them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from detection_table import EFFECTIVE_FROM, SEVERITIES, Found, table
from part_maps import auroc

from cam_audit.findings.foreground import OBJECT, SURROUNDINGS, UNKNOWN

CODE = "CA207"
# Who looks at a sheet sees what was pasted if the part lies on it so much more than anywhere.
SEEN_FROM = 2.0
# A part is truly in the surroundings up to this lift on the object, and truly on it from the other on.
AROUND, ON = 0.7, 1.4
# Of the clean classes, at most so many may have an alarm.
ALARMS = 1 / 50


@dataclass(frozen=True)
class PartSeen:
    """A part that an audit lists, and what is known of it.

    `share`, `beyond`, `where`, `foreground_ratio` as in `cam_audit.records.Part`; `shown`: the share of the images that
    show it; `on_object`: its lift on the object, None without masks. Of the planted class alone: `lift` on what was
    pasted; `presence_auroc`: how well its presence tells images that have it from those that have not, or, where all
    have it, from their originals; `examples_planted`: how many of its six examples have it. `measures`: by name.
    """

    class_name: str
    number: int
    share: float
    beyond: float
    where: str
    foreground_ratio: float | None
    shown: float
    lift: float | None
    presence_auroc: float | None
    examples_planted: int | None
    on_object: float | None
    measures: Mapping[str, float]

    @property
    def is_pasted(self) -> bool:
        """Whether it is what was pasted."""
        return self.lift is not None and self.lift >= SEEN_FROM

    @property
    def truth(self) -> str:
        """Where it lies by the masks; UNKNOWN where that is open."""
        if self.on_object is None or AROUND < self.on_object < ON:
            return UNKNOWN
        return SURROUNDINGS if self.on_object <= AROUND else OBJECT


@dataclass(frozen=True)
class Trial:
    """One audit; `kind` and `class_name` "", and flips None, where nothing was pasted.

    accuracy: share of the clean audited images that the net classifies correctly; flips: the oracle's. together: as
    `presence_auroc`, of the sum of all parts that were pasted. object_cells: by class, AUROC of the foreground's cells,
    of trials without a plant.
    """

    kind: str
    prevalence: int
    seed: int
    classes: tuple[str, ...]
    class_name: str
    accuracy: float
    flips: float | None
    findings: tuple[Found, ...]
    parts: tuple[PartSeen, ...]
    together: float | None
    object_cells: Mapping[str, float] | None

    @property
    def effective(self) -> bool:
        """Whether the net follows what was pasted."""
        return (self.flips or 0.0) >= EFFECTIVE_FROM

    @property
    def best(self) -> PartSeen | None:
        """The planted class's part that lies on what was pasted most."""
        own = [part for part in self.parts if part.lift is not None]
        return max(own, key=lambda part: part.lift or 0.0, default=None)

    @property
    def on_the_sheet(self) -> bool:
        """Whether a part that is shown is what was pasted."""
        return self.best is not None and self.best.is_pasted

    def severity(self, class_name: str) -> str | None:
        """The gravest severity of CODE for a class."""
        found = [each.severity for each in self.findings if each.code == CODE and each.class_name == class_name]
        return max(found, key=SEVERITIES.index, default=None)

    @property
    def clean(self) -> tuple[str, ...]:
        """The classes without a plant."""
        return tuple(name for name in self.classes if name != self.class_name)


def markdown(trials: Sequence[Trial]) -> str:
    """The tables: what was found, alarms in clean classes, where parts lie, and what tells pasted parts."""
    planted = [trial for trial in trials if trial.kind]
    tables = [_found(planted), _alarms(trials), _placement(trials), _object_cells(trials), _measures(planted)]
    return "\n\n".join(filter(None, tables))


COLUMNS = (
    *("pasted", "%", "accuracy", "oracle: flips", "effective", f"{CODE} note+", "warning+", "error"),
    *("on the sheet", "either", "lift", "lowest", "AUROC of presence", "lowest", ">= .9", "of all pasted parts"),
    *("share", "planted examples", "where", "other findings"),
)


def _found(planted: Sequence[Trial]) -> str:
    cells: dict[tuple[str, int], list[Trial]] = {}
    for trial in planted:
        cells.setdefault((trial.kind, trial.prevalence), []).append(trial)
    totals = {("all", share): [t for t in planted if t.prevalence == share] for _, share in cells}
    rows = [[kind, str(share), *_found_in(cell)] for (kind, share), cell in {**cells, **totals}.items()]
    return table(COLUMNS, rows)


def _found_in(cell: Sequence[Trial]) -> list[str]:
    best = [trial.best for trial in cell if trial.best is not None]
    lifts, aurocs = [part.lift or 0.0 for part in best], [part.presence_auroc or 0.0 for part in best]
    examples = [part.examples_planted or 0 for part in best]
    others = Counter(
        f"{found.code} {found.severity}"
        for trial in cell
        for found in trial.findings
        if found.class_name == trial.class_name and found.code != CODE
    )
    return [
        f"{_mean(t.accuracy for t in cell):.2f}",
        f"{_mean(t.flips or 0.0 for t in cell):.2f}",
        _count(cell, lambda t: t.effective),
        *(_count(cell, partial(_is_found, severity=severity)) for severity in SEVERITIES),
        _count(cell, lambda t: t.on_the_sheet),
        _count(cell, lambda t: t.on_the_sheet or _is_found(t, "note")),
        *(f"{np.median(lifts):.1f}", f"{min(lifts):.1f}"),
        *(f"{np.median(aurocs):.2f}", f"{min(aurocs):.2f}", f"{sum(a >= 0.9 for a in aurocs)}/{len(aurocs)}"),
        _median(t.together for t in cell),
        f"{np.median([part.share for part in best]):.2f}",
        f"{_mean(examples):.1f}/6",
        _counted(part.where for part in best),
        _counted(others.elements()),
    ]


def _alarms(trials: Sequence[Trial]) -> str:
    looks = [(trial, name) for trial in trials for name in trial.clean]
    rows = [
        [f"{CODE} {severity}", f"{sum(trial.severity(name) == severity for trial, name in looks)}/{len(looks)}"]
        for severity in SEVERITIES
    ]
    names = Counter(f"{name}: {trial.severity(name)}" for trial, name in looks if trial.severity(name))
    return table(["clean classes", "looks"], rows + [[f"of these, {name}", str(n)] for name, n in names.items()])


def _placement(trials: Sequence[Trial]) -> str:
    """True place by `where`: parts of clean classes, parts that were pasted, and other parts of planted classes."""
    groups: dict[str, list[PartSeen]] = {"clean classes": [], "pasted": [], "beside what was pasted": []}
    for trial in trials:
        for part in trial.parts:
            if part.on_object is not None:
                own = "pasted" if part.is_pasted else "beside what was pasted"
                groups[own if part.class_name == trial.class_name else "clean classes"].append(part)
    rows = []
    for name, group in groups.items():
        known = [part for part in group if part.truth != UNKNOWN]
        for truth in (OBJECT, SURROUNDINGS):
            of_truth = [part for part in known if part.truth == truth]
            counts = [sum(part.where == place for part in of_truth) for place in (OBJECT, SURROUNDINGS, UNKNOWN)]
            rows.append([name, truth, *map(str, counts), f"{len(group) - len(known)} of {len(group)}"])
    columns = ["parts of", "by the masks", *(f"called {place}" for place in (OBJECT, SURROUNDINGS, UNKNOWN))]
    return table([*columns, "place open"], rows) if any(groups.values()) else ""


def _object_cells(trials: Sequence[Trial]) -> str:
    by_class: dict[str, list[float]] = {}
    for trial in trials:
        for name, value in (trial.object_cells or {}).items():
            by_class.setdefault(name, []).append(value)
    rows = [[name, f"{_mean(values):.3f}", str(len(values))] for name, values in by_class.items()]
    return table(["foreground's cells on the object", "AUROC", "sets"], rows) if rows else ""


def _measures(planted: Sequence[Trial]) -> str:
    """How well each measure tells pasted parts from all others, and how many it finds at 1 alarm in 50 classes."""
    parts = [(part, trial) for trial in planted for part in trial.parts]
    if not parts:
        return ""
    values: dict[str, Callable[[PartSeen], float]] = {
        name: partial(_measure, name=name) for name in parts[0][0].measures
    }
    values["beyond"] = lambda part: part.beyond
    values["less foreground ratio"] = lambda part: -(part.foreground_ratio or 0.0)
    rows = []
    for name, value in values.items():
        limit = _limit(planted, value)
        cells = []
        for of_place in (False, True):
            for prevalence in sorted({trial.prevalence for trial in planted}, reverse=True):
                chosen = [p for p, t in parts if t.prevalence == prevalence and (p.where == OBJECT or not of_place)]
                pasted = [value(part) for part in chosen if part.is_pasted]
                cells.append(f"{auroc(pasted, [value(part) for part in chosen if not part.is_pasted]):.2f}")
        found = [p for p, _ in parts if p.is_pasted]
        cells.append(f"{sum(value(part) > limit for part in found)}/{len(found)}")
        rows.append([name, *cells, f"{limit:.2f}"])
    shares = sorted({trial.prevalence for trial in planted}, reverse=True)
    columns = ["measure", *(f"AUROC {s} %" for s in shares), *(f"{s} %, called object" for s in shares)]
    return table([*columns, "found at 1 alarm in 50", "limit"], rows)


def _measure(part: PartSeen, name: str) -> float:
    return part.measures[name]


def _limit(planted: Sequence[Trial], value: Callable[[PartSeen], float]) -> float:
    """The limit that at most ALARMS of the clean classes exceed."""
    highest = [
        max((value(part) for part in trial.parts if part.class_name == name), default=-np.inf)
        for trial in planted
        for name in trial.clean
    ]
    return sorted(highest)[-int(ALARMS * len(highest)) - 1]


def _is_found(trial: Trial, severity: str) -> bool:
    found = trial.severity(trial.class_name)
    return found is not None and SEVERITIES.index(found) >= SEVERITIES.index(severity)


def _count(trials: Sequence[Trial], holds: Callable[[Trial], bool]) -> str:
    return f"{sum(map(holds, trials))}/{len(trials)}"


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{word} x{count}" for word, count in sorted(Counter(words).items())) or "none"


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.median(known):.2f}" if known else "-"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
