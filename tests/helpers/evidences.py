"""Suspicions, effects and evidence with numbers written by hand, to decide and to tell."""

from __future__ import annotations

import numpy as np

from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import counterfactual
from cam_audit.findings.counterfactual import Effect
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.findings.decision import finding_of
from cam_audit.findings.evidence import Evidence, Group, Groups, Use
from cam_audit.findings.intervals import Estimate
from cam_audit.records import Finding

BOX = (0.1, 0.2, 0.3, 0.4)
DIGESTS = {f"cat/{index:02}.png": f"{index:064x}" for index in range(60)}
# It adds something where the cue is, though so little that the net is not said to look there.
SOME_USE = Use(there=0.01, everywhere=1.0, area=0.5)


def suspicion(finder: str = "duplicates", *, images: int = 30, hits: int = 20, label: str = "cat") -> Suspicion:
    shown = tuple(Hit(f"{label}/{index:02}.png", 1 - index / 100, BOX) for index in range(hits))
    overlay = np.eye(112, dtype=np.float32) if finder == "template" else None
    return Suspicion(finder, label, hits / images, 0.1, images, shown, "a red dot", {"strength": 1 / 3}, BOX, overlay)


def effect(
    test: str = "paste",
    *,
    turned: int = 0,
    control: int = 0,
    images: int = 36,
    flips: tuple[float, float] | None = None,
    gain: tuple[float, float, float] = (-0.1, 0.0, 0.1),
    rank: int | None = 1,
    z: float | None = None,
) -> Effect:
    """`flips`: the ends of the interval, by itself all that can be; `gain`: low, value, high."""
    low, high = flips or (-1.0, 1.0)
    share = Estimate((turned - control) / images, low, high)
    return Effect(test, images, turned, control, share, Estimate(gain[1], gain[0], gain[2]), rank, z)


def turning(test: str = "paste", **changes: object) -> Effect:
    """One that changes predictions, and moves the score."""
    return effect(test, **{"turned": 18, "flips": (0.3, 0.7), "gain": (0.4, 0.5, 0.6), **changes})  # type: ignore[arg-type]


def moving(test: str = "paste", **changes: object) -> Effect:
    """One that moves the score by just more than is worth a word, and changes no prediction."""
    least = counterfactual(test).min_gain + 1e-4
    return effect(test, **{"flips": (-0.1, 0.05), "gain": (least, 0.5, 0.6), **changes})  # type: ignore[arg-type]


def evidence(
    *effects: Effect,
    use: Use | None = SOME_USE,
    images: int = 30,
    finder: str = "duplicates",
    code: str = "CA201",
    changed: dict[str, bool] | None = None,
    groups: Groups | None = None,
    passes: int = 0,
    cause: Cause | None = None,
) -> Evidence:
    cause = cause or Cause(code, suspicion(finder, images=images, hits=min(20, images)))
    return Evidence(cause, 3, use, None, effects, changed or {}, groups, {}, passes)


def groups(
    shown: tuple[int, int] = (20, 18), lacking: tuple[int, int] = (10, 3), others: tuple[int, int] = (2, 1)
) -> Groups:
    """Each as so many images, of which so many are called the class."""
    return Groups(Group(*shown), Group(*lacking), Group(*others), 120)


def found(measured: Evidence, class_name: str = "cat") -> Finding:
    return finding_of(measured, class_name, DIGESTS)
