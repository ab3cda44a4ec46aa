"""The thread that runs the net on the newest picture, against the net run by hand."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from pictures import BLUE, GREEN, RED, Rgb
from streams import flat
from tiny_net import colour_net

from cam_audit.errors import ImageError
from cam_audit.live.camera import Frame
from cam_audit.live.pipeline import Newest
from cam_audit.live.watch import Seen, Watcher
from cam_audit.models.model import Model, Prediction


@pytest.fixture
def frames() -> Newest[Frame]:
    return Newest()


@pytest.fixture
def watch(frames: Newest[Frame]) -> Iterator[Callable[..., Watcher]]:
    """Make a running Watcher of `frames`; it is stopped at the end of the test."""
    with ExitStack() as stack:

        def start(model: Model, **options: float) -> Watcher:
            watcher = Watcher(model, frames, **options)
            stack.enter_context(watcher.running())
            return watcher

        yield start


def frame(colour: tuple[int, int, int] | Rgb, number: int = 0) -> Frame:
    return Frame(colour if isinstance(colour, np.ndarray) else flat(colour), number, time.perf_counter())


def taken(watcher: Watcher) -> Seen:
    seen = watcher.seen.take(10)
    assert seen is not None
    return seen


def test_a_picture_is_run_as_a_scan_would(model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]) -> None:
    picture = frame(RED)
    frames.put(picture)
    seen = taken(watch(model))
    assert seen.frame is picture
    assert seen.fitted.shape == (32, 43, 3)
    logits, activations = colour_net().forward(seen.fitted)
    np.testing.assert_allclose(seen.prediction.logits, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.prediction.activations, activations, rtol=1e-4, atol=1e-5)
    assert seen.shown is seen.prediction


def test_a_picture_made_ready_in_time_is_taken_as_it_is_and_at_another_size_fitted_again(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    watcher = watch(model)
    picture = flat(RED)
    ready = watcher.fit(picture)
    np.testing.assert_array_equal(ready.rgb, model.fit(picture))
    frames.put(Frame(picture, 0, 0.0, ready))
    assert taken(watcher).fitted is ready.rgb
    watcher.size = 64
    frames.put(Frame(picture, 1, 0.0, ready))
    np.testing.assert_array_equal(taken(watcher).fitted, model.fit(picture, 64))


def test_smoothed_maps_follow_the_closed_form_and_scores_are_left_alone(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    watcher = watch(model, smooth=0.75)
    expected = None
    for number, colour in enumerate((RED, GREEN, BLUE)):
        frames.put(frame(colour, number))
        seen = taken(watcher)
        _, activations = colour_net().forward(seen.fitted)
        expected = activations if expected is None else 0.75 * expected + 0.25 * activations
        np.testing.assert_allclose(seen.shown.activations, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(seen.prediction.activations, activations, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(seen.shown.logits, seen.prediction.logits)


def test_maps_of_another_size_are_not_smoothed(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    watcher = watch(model, smooth=0.5)
    frames.put(frame(RED))
    assert taken(watcher).shown.activations.shape == (3, 4, 5)
    watcher.size = 64
    frames.put(frame(BLUE, 1))
    seen = taken(watcher)
    assert seen.shown.activations.shape == (3, 8, 10)
    np.testing.assert_array_equal(seen.shown.activations, seen.prediction.activations)


def test_a_held_picture_is_looked_at_again_only_at_another_size_and_new_ones_are_left(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    watcher = watch(model)
    frames.put(frame(RED))
    watcher.held = taken(watcher).frame
    frames.put(frame(BLUE, 1))
    # one that was under way when the picture was held may still come
    while watcher.seen.take(0.3) is not None:
        pass
    watcher.size = 64
    again = taken(watcher)
    assert again.frame is watcher.held
    assert again.fitted.shape[0] == 64
    assert watcher.seen.take(0.3) is None
    frames.put(frame(GREEN, 2))
    watcher.held = None
    assert taken(watcher).frame.number == 2


class Picky:
    """A net that can't be run at one size."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.fit = model.fit

    def run(self, rgb: Rgb, **_: object) -> Prediction:
        if rgb.shape[0] == 64:
            raise RuntimeError("negative dimension")
        return self._model.run(rgb)


def test_a_size_that_the_net_refuses_is_told_and_the_one_before_goes_on(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    watcher = watch(Picky(model))
    frames.put(frame(RED))
    taken(watcher)
    watcher.size = 64
    for number in range(1, 4):
        frames.put(frame(BLUE, number))
        seen = watcher.seen.take(0.5)
    assert seen is not None
    assert seen.fitted.shape[0] == 32
    assert watcher.notice == "the net cannot be run at 85x64: negative dimension"
    watcher.size = 96
    frames.put(frame(BLUE, 4))
    assert taken(watcher).fitted.shape[0] == 96
    assert watcher.notice is None


def test_a_net_that_cannot_be_run_at_all_ends_what_is_seen_with_the_reason(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher]
) -> None:
    frames.put(frame(RED))
    watcher = watch(Picky(model), size=64)
    with pytest.raises(ImageError, match="the net cannot be run at 85x64"):
        watcher.seen.take(10)


@pytest.mark.parametrize("error", [None, ValueError("torn")])
def test_the_end_of_the_pictures_ends_what_is_seen(
    model: Model, frames: Newest[Frame], watch: Callable[..., Watcher], error: Exception | None
) -> None:
    watcher = watch(model)
    frames.put(frame(RED))
    taken(watcher)
    frames.end(error)
    if error is None:
        assert watcher.seen.take(10) is None
        assert watcher.seen.ended
    else:
        with pytest.raises(ValueError, match="torn"):
            watcher.seen.take(10)


def test_a_fixed_net_gets_its_own_size(nets: object, model: Model) -> None:
    assert not model.fixed_size
    assert dataclasses.replace(model, fixed_size=True).fit(flat(RED), None).shape == (32, 32, 3)
