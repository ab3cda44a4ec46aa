"""What keys make of the view, and what is drawn of it."""

from __future__ import annotations

import numpy as np
import pytest
from live_views import holds, looked_at, panel_size, shrunk
from pictures import RED, gradient, square
from tiny_net import COLOURS

from cam_audit.live.picture import Status, draw
from cam_audit.live.view import View, press
from cam_audit.live.watch import Seen
from cam_audit.models.model import Model
from cam_audit.overlay import cam_overlay

ORDER = (2, 0, 3, 1)
NAMES = ("tabby", "tiger cat", "tiger", "Egyptian cat")


def pressed(view: View, keys: str, names: tuple[str, ...] = NAMES) -> View:
    for key in keys:
        view = press(view, ord(key), class_names=names, order=ORDER, own_size=224)
    return view


def test_space_freezes_and_goes_on() -> None:
    assert pressed(View(), " ").frozen
    assert pressed(View(), "  ") == View()


def test_1_2_3_choose_the_rank_of_the_map() -> None:
    assert [pressed(View(), key).rank for key in "321"] == [2, 1, 0]
    # two classes have no third
    assert pressed(View(), "3", names=("cat", "dog")).rank == 0


def test_h_shows_and_hides_the_keys() -> None:
    assert pressed(View(), "h").help
    assert not pressed(View(), "hh").help


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ("+", 280),
        ("=", 280),
        ("-", 168),
        ("+++", 392),
        ("+-", 224),
        ("-" * 9, 112),
        ("+" * 30, 896),
        ("-" * 9 + "+", 168),
    ],
)
def test_plus_and_minus_change_the_size_by_quarters_of_the_nets_own(keys: str, size: int) -> None:
    assert pressed(View(), keys).size == size


def test_a_size_asked_for_at_the_start_is_where_plus_and_minus_begin() -> None:
    assert pressed(View(size=448), "+").size == 504


def test_other_keys_change_nothing() -> None:
    for key in (-1, 0, 225, ord("x"), ord("4"), 100000):
        assert press(View(), key, class_names=NAMES, order=ORDER, own_size=224) == View()


@pytest.mark.parametrize(
    ("keys", "compare"),
    [
        # typed: the most probable of those that fit, or the one whose index it is
        ("ctiger\r", 2),
        ("cTIGER C\r", 1),
        ("ccat\r", 3),
        ("ccat\t\r", 1),
        ("ccat\t\t\r", 3),
        ("c3\n", 3),
        ("ctigerx\b\r", 2),
        # cycled, the most probable class first
        ("c\t\r", 2),
        ("c\t\t\t\r", 3),
        # s, q and the digits are letters while a name is typed
        ("cgyp\r", 3),
        # nothing chosen
        ("c\r", None),
        ("ctiger\x1b", None),
        ("ctiger\b\b\b\b\b\b\r", None),
    ],
)
def test_c_chooses_a_class_to_compare_with_by_typing_or_cycling(keys: str, compare: int | None) -> None:
    assert pressed(View(), keys) == View(compare=compare)


def test_a_name_that_no_class_has_is_not_taken_and_escape_keeps_the_class_before() -> None:
    view = pressed(View(compare=1), "czebra\r")
    assert view.prompt is not None
    assert pressed(view, "\x1b") == View(compare=1)
    assert pressed(View(compare=1), "c\r") == View()


@pytest.mark.parametrize("size", [(1100, 560), (700, 420), (1500, 820)])
def test_camera_and_overlay_are_drawn_sharply_at_any_size_of_the_window(model: Model, size: tuple[int, int]) -> None:
    picture = square(RED, 64, 32, 96, width=320, height=240)
    seen = looked_at(model, picture)
    page = draw(model, seen, View(), Status(rate=30), *size)
    assert page.shape == (size[1], size[0], 3)
    image = shrunk(picture, *panel_size(page))
    assert holds(page, image)
    assert holds(page, cam_overlay(image, model.cam(seen.prediction, 0)))


def test_the_chosen_rank_and_the_compared_class_are_what_is_drawn(model: Model) -> None:
    picture = gradient(320, 240)
    seen = looked_at(model, picture)
    order = np.argsort(-seen.prediction.logits, kind="stable")
    for view, classes in (
        (View(), [order[0]]),
        (View(rank=1), [order[1]]),
        (View(rank=1, compare=int(order[0])), [order[1], order[0]]),
    ):
        page = draw(model, seen, view, Status(), 1200, 560)
        image = shrunk(picture, *panel_size(page))
        for index in classes:
            assert holds(page, cam_overlay(image, model.cam(seen.prediction, int(index)))), (view, COLOURS[index])


def test_smoothed_maps_are_drawn_and_scores_are_those_of_the_picture(model: Model) -> None:
    picture, other = square(RED, 0, 0, 96, width=320, height=240), square(RED, 200, 100, 96, width=320, height=240)
    seen = looked_at(model, picture)
    before = looked_at(model, other)
    smoothed = Seen(seen.frame, None, seen.fitted, seen.prediction, before.prediction)
    page = draw(model, smoothed, View(), Status(smooth=0.5), 1100, 560)
    image = shrunk(picture, *panel_size(page))
    assert holds(page, cam_overlay(image, model.cam(before.prediction, 0)))


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (200, 90), (90, 700), (3000, 40)])
@pytest.mark.parametrize("shape", [(640, 480), (1, 1), (30, 900)])
def test_no_size_of_window_or_picture_is_too_odd_to_draw(
    model: Model, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    seen = looked_at(model, gradient(*shape))
    for view in (View(help=True, compare=1), pressed(View(), "cred", names=COLOURS)):
        status = Status(notice="camera 0: no picture; trying again (1 of 5)")
        assert draw(model, seen, view, status, *size).shape == (size[1], size[0], 3)


def test_states_are_written(model: Model) -> None:
    seen = looked_at(model, gradient(320, 240))
    plain = draw(model, seen, View(), Status(), 1100, 560)
    for view, status in (
        (View(frozen=True), Status()),
        (View(help=True), Status()),
        (View(), Status(rate=12.5)),
        (View(), Status(notice="gone")),
        (View(), Status(message="saved")),
        (View(), Status(smooth=0.5)),
        (pressed(View(), "cred", names=COLOURS), Status()),
    ):
        assert not np.array_equal(draw(model, seen, view, status, 1100, 560), plain)
