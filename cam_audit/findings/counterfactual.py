"""Counterfactuals: plant a cue in other classes' images or take it from its own; does the prediction follow?

Each image is its own control: the same kind of edit with nothing of the cue in it. What the tests are worth was
measured (docs/findings.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.codes import MIN_FLIPS, MIN_Z, CounterfactualTest, counterfactual
from cam_audit.findings.cues.records import Hit
from cam_audit.findings.intervals import Estimate, holm, mean_interval, paired_difference
from cam_audit.findings.map_use import margin_of
from cam_audit.records import Edit, ImageSource

# So many images are edited, and if that does not decide, so many in all.
LOOKS = (36, 72)
# The two-sided error that each look may make, by how many there are, for 5 % in all: little at the first, so that the
# last hardly loses (O'Brien and Fleming, Biometrics 35, 1979).
ERROR_AT = {1: (0.05,), 2: (0.0052, 0.0480)}
# With fewer images there is no interval worth the name.
MIN_TARGETS = 4
# From so many classes on, how far a class stands out is told by its distance from the usual one (z).
MANY_CLASSES = 20

Logits = NDArray[np.float32]
# Whether a class is predicted, by logits (K,) and its index.
Predicts = Callable[[Logits, int], bool]


@dataclass(frozen=True, slots=True)
class Roles:
    """The images that an edit is about.

    `hit`: one that shows the cue: the donor of what is planted, or the target from which it is taken. `target`: the
    image that is edited; `donor`: the one whose pixels it gets, if it gets any. `other`: the image of another class
    that takes part: the control's donor, or, where the cue is taken away, the edit's.
    """

    hit: Hit
    target: ImageSource
    donor: ImageSource
    other: ImageSource


EditOf = Callable[[Roles], Edit]


@dataclass(frozen=True)
class CueTest:
    """A test of a cue: the edit that plants it or takes it away, and the one that is its control.

    `name`: that of the `CounterfactualTest` with its words. `hits`: the images that show the cue: donors of what is
    planted, or targets from which it is taken. `edit`, `control`: give the edit for the images that it is about.
    `among`: the names of the images that may take part, None for all.
    """

    name: str
    hits: tuple[Hit, ...]
    edit: EditOf
    control: EditOf
    among: frozenset[str] | None = None

    @property
    def about(self) -> CounterfactualTest:
        """What the table of codes says of it."""
        return counterfactual(self.name)


@dataclass(frozen=True, eq=False)
class MadeEdit:
    """An edit as it was made, with which other image, by its name, and its (width, height), and what the net said."""

    edit: Edit
    donor: str | None
    donor_size: tuple[int, int] | None
    logits: Logits


@dataclass(frozen=True, eq=False)
class Trial:
    """An image of class `class_index`, before, edited, and with the control; logits float32 (K,).

    `size`: (width, height) at which it enters the net.
    """

    source: ImageSource
    class_index: int
    size: tuple[int, int]
    before: Logits
    edited: MadeEdit
    control: MadeEdit


@dataclass(frozen=True)
class Effect:
    """What a test did, over some images.

    `images`: how many; `turned`, `control_turned`: how many became the cue's class, or, where the cue was taken away,
    how many left it. `flips`: the difference of these shares. `gain`: the mean change of (logit of the cue's class -
    logit of the image's own), edited minus control, in correct margins; where the cue was taken away, what (logit of
    the class - largest other) lost. `rank`: the place of the class among all by the mean change of its logit, 1 is the
    first; `z`: how many standard deviations this is above the mean of all others; None where there is nothing to
    compare with, or too little.
    """

    test: str
    images: int
    turned: int
    control_turned: int
    flips: Estimate
    gain: Estimate
    rank: int | None = None
    z: float | None = None

    @property
    def about(self) -> CounterfactualTest:
        """What the table of codes says of the test."""
        return counterfactual(self.test)

    @property
    def takes_away(self) -> bool:
        """Whether the cue was taken from its own images, and not planted in others."""
        return self.about.takes_away

    @property
    def moves(self) -> bool:
        """Whether the score moves by more than the smallest effect worth a word."""
        return self.gain.low > self.about.min_gain and self.flips.high >= 0

    @property
    def turns(self) -> bool:
        """Whether predictions change."""
        return turns(self.flips.value, self.flips.low)

    @property
    def stands_out(self) -> bool:
        """Whether the edit moves this class more than others, and does not just disturb pictures."""
        return stands_out(self.rank, self.z)

    @property
    def is_settled(self) -> bool:
        """Whether more images are not worth their time: it is shown, or so far from it that they would not help."""
        turns = self.turns or self.flips.value < MIN_FLIPS / 2
        moves = self.takes_away or self.moves or self.gain.value < self.about.min_gain / 2
        return turns and moves


def turns(flips: float, low: float) -> bool:
    """Whether predictions change, by the difference of the shares that turn and the low end of its interval."""
    return low > 0 and flips >= MIN_FLIPS


def stands_out(rank: float | None, z: float | None) -> bool:
    """Whether a class comes first, or, where there is a z, far enough from the usual one."""
    if z is not None:
        return z >= MIN_Z
    return rank is None or rank == 1


def is_largest(logits: Logits, class_index: int) -> bool:
    """Whether a class is predicted by a net that predicts the class of the largest logit."""
    return int(logits.argmax()) == class_index


def effects_of(
    tried: Sequence[tuple[str, Sequence[Trial]]],
    class_index: int,
    scale: float,
    error: float,
    predicts: Predicts = is_largest,
) -> tuple[Effect, ...]:
    """What the trials of each test, by its name, come to; `scale` is the median correct margin, in logits.

    predicts: what the net takes for a prediction, as `Model.predicts`. error: how often the intervals of all tests
    together may be wrong, both sides counted, see ERROR_AT. A test with fewer than MIN_TARGETS trials is left out.
    """
    trials_of = dict(tried)
    effects = effects_over([(*each, class_index) for each in tried], scale, error, predicts)
    return tuple(
        replace(effect, rank=rank, z=z)
        for _, effect in effects
        for rank, z in [_standing(effect.test, trials_of[effect.test], class_index)]
    )


def effects_over(
    tried: Sequence[tuple[str, Sequence[Trial], int]], scale: float, error: float, predicts: Predicts = is_largest
) -> list[tuple[int, Effect]]:
    """The same for trials each with the class that is asked about, which is given with its effect.

    Without its rank and z, for which all classes of the net are gone through: these may be as many again as are asked
    about.
    """
    tried = [each for each in tried if len(each[1]) >= MIN_TARGETS]
    if not tried:
        return []
    level = 1 - error
    turned = [_turned(name, trials, class_index, predicts) for name, trials, class_index in tried]
    gains = [_gains(name, trials, class_index, scale) for name, trials, class_index in tried]
    flips = holm([partial(paired_difference, *pair) for pair in turned], [0.0] * len(tried), level)
    moved = holm(
        [partial(mean_interval, values) for values in gains],
        [counterfactual(name).min_gain for name, _, _ in tried],
        level,
    )
    return [
        (
            class_index,
            Effect(name, len(trials), sum(pair[0]), sum(pair[1]), flip, gain),
        )
        for (name, trials, class_index), pair, flip, gain in zip(tried, turned, flips, moved, strict=True)
    ]


def strongest(effects: Iterable[Effect], *, takes_away: bool) -> Effect | None:
    """The test that shows most, of those that plant the cue or of those that take it away."""
    return max((effect for effect in effects if effect.takes_away == takes_away), key=shown, default=None)


def shown(effect: Effect) -> tuple[bool, bool, float]:
    """How much a test shows, for comparison with others."""
    return effect.turns, effect.moves, effect.flips.value if effect.turns else effect.gain.value


def _turned(name: str, trials: Sequence[Trial], class_index: int, predicts: Predicts) -> tuple[list[bool], list[bool]]:
    leaves = counterfactual(name).takes_away

    def turned(logits: Logits) -> bool:
        return predicts(logits, class_index) != leaves

    return [turned(trial.edited.logits) for trial in trials], [turned(trial.control.logits) for trial in trials]


def _gains(name: str, trials: Sequence[Trial], class_index: int, scale: float) -> list[float]:
    if counterfactual(name).takes_away:
        return [
            (margin_of(trial.control.logits, class_index) - margin_of(trial.edited.logits, class_index)) / scale
            for trial in trials
        ]

    def change(trial: Trial, index: int) -> np.float32:
        # of one class, as the net may have ten thousand
        return np.float32(trial.edited.logits[index] - trial.control.logits[index])

    return [float(change(trial, class_index) - change(trial, trial.class_index)) / scale for trial in trials]


def _standing(name: str, trials: Sequence[Trial], class_index: int) -> tuple[int | None, float | None]:
    """Rank and z of the class, see `Effect`.

    The change of another class is taken over the images that are not its own: any edit takes score from an image's own
    class.
    """
    classes = len(trials[0].before)
    if classes < 3:
        return None, None
    direction = -1 if counterfactual(name).takes_away else 1
    changes = direction * np.stack([trial.edited.logits - trial.control.logits for trial in trials])
    foreign = np.ones(changes.shape, bool)
    if direction > 0:
        foreign[np.arange(len(trials)), [trial.class_index for trial in trials]] = False
    counts = foreign.sum(0)
    means = (changes * foreign).sum(0) / np.maximum(counts, 1)
    others = np.delete(means, class_index)[np.delete(counts, class_index) > 0]
    if not others.size:
        return None, None
    rank = 1 + int((others > means[class_index]).sum())
    spread = float(others.std())
    z = float(means[class_index] - others.mean()) / spread if classes >= MANY_CLASSES and spread else None
    return rank, z
