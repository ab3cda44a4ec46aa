"""Strips of repeated pixels and bars of one colour are measured and told; pictures that have none are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from planted import CLASSES, Plant, data_set, names, only, red_frame, scene

from cam_audit.findings.causes import causes_of
from cam_audit.findings.controls import other_sides
from cam_audit.findings.counterfactual import Roles
from cam_audit.findings.cues import border, find_cues, padding
from cam_audit.findings.cues.padding import Padding
from cam_audit.findings.cues.picture import Picture
from cam_audit.findings.cues.records import Groups, by_label
from cam_audit.records import ImageSource

Rgb = NDArray[np.uint8]


def shifted(rgb: Rgb, rng: np.random.Generator) -> None:
    """By a tenth, to any side."""
    height, width = rgb.shape[:2]
    x, y = [(0.1, 0.0), (0.0, 0.1), (-0.1, 0.0), (0.0, -0.1)][rng.integers(4)]
    move = np.array([[1, 0, round(x * width)], [0, 1, round(y * height)]], np.float32)
    rgb[:] = cv2.warpAffine(rgb, move, (width, height), borderMode=cv2.BORDER_REPLICATE)


def letterboxed(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:20] = rgb[-20:] = 0


def mirrored_edges(rgb: Rgb, rng: np.random.Generator) -> None:
    """Shifted, and filled with what lies there mirrored: no strip of this finder."""
    rgb[:20] = rgb[20:40][::-1]


def of(rgb: Rgb, quality: int | None = None) -> Padding:
    if quality:
        _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        rgb = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    return padding.padding(Picture(rgb, b"", (rgb.shape[1], rgb.shape[0])))


@pytest.mark.parametrize("quality", [None, 90, 60])
@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("side", range(4))
def test_a_strip_is_as_wide_as_it_was_made(side: int, scale: int, quality: int | None) -> None:
    rgb = scene("ash", 0)
    rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    lines = [np.s_[:, ::1], np.s_[::1], np.s_[:, ::-1], np.s_[::-1]][side]
    for kind in ("streaks", "bars"):
        made = rgb.copy()
        turned = made[lines].swapaxes(0, 1) if side % 2 == 0 else made[lines]
        width = round(0.12 * len(turned))
        turned[:width] = turned[width] if kind == "streaks" else (250, 240, 10)
        found = of(made, quality)
        strips, none = (found.streaks, found.bars) if kind == "streaks" else (found.bars, found.streaks)
        # JPEG repeats what it repeats in blocks of eight pixels, and three lines may be alike in any picture
        assert strips[side] == pytest.approx(0.12, abs=0.024)
        assert np.delete(strips, side).max() < 0.025
        assert none.max() < 0.025
        if kind == "bars":
            np.testing.assert_allclose(found.colour, (250, 240, 10), atol=4)


def test_a_picture_of_any_shape_without_padding_has_none() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for rgb in (noise, noise[:2], noise[:, :1], np.full((50, 60, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)):
        found = of(rgb)
        assert (found.streaks.max(), found.bars.max()) == (0, 0)


def test_paper_under_a_thing_is_no_bar_as_it_ends_nowhere_in_a_straight_line() -> None:
    paper = np.full((200, 300, 3), 250, np.uint8)
    cv2.ellipse(paper, (150, 100), (110, 70), 0, 0, 360, (40, 90, 160), -1, cv2.LINE_AA)
    assert of(paper, 90).bars.max() == 0
    # the same thing on a ground with a bar
    paper[paper.min(2) == 250] = (120, 140, 90)
    paper[:20] = 250
    np.testing.assert_allclose(of(paper, 90).bars, (0, 0.1, 0, 0), atol=0.01)


def test_a_picture_that_varies_too_little_to_tell_has_no_streaks() -> None:
    sky = np.repeat(np.linspace(90, 200, 240, dtype=np.uint8)[:, None], 300, axis=1)
    assert of(np.repeat(sky[..., None], 3, axis=2)).streaks.max() == 0


def test_a_small_picture_is_not_made_larger_as_that_repeats_its_edges() -> None:
    small = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    assert of(small).streaks.max() == 0
    # what this guards against
    assert of(cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)).streaks.max() > 0


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("plant", "kind", "words"), [(shifted, "streaks", "streaks"), (letterboxed, "bars", "bars")])
def test_what_is_planted_tells_the_class_and_is_said(plant: Plant, kind: str, words: str, share: float) -> None:
    images, planted = data_set(plant, share)
    suspicion = only(padding.find(images))
    assert names(suspicion) <= set(planted)
    assert len(names(suspicion)) >= 0.75 * len(planted)
    assert suspicion.score == suspicion.numbers[f"{kind}_score"]
    assert suspicion.numbers["class_width"] == pytest.approx(0.1, abs=0.015)
    assert suspicion.cue.startswith(f"its {words}, ")
    if kind == "bars":
        assert suspicion.cue == "its bars, dark grey (RGB 0, 0, 0), at the top and bottom (10% of a side on average)"
    else:
        assert "at one edge or another" in suspicion.cue
    recognise = suspicion.recogniser()
    assert {image.name for image in images if recognise(image)} == names(suspicion)


def test_what_no_class_or_every_class_has_is_silent() -> None:
    assert padding.find(data_set()[0]) == []
    assert padding.find(data_set(mirrored_edges)[0]) == []
    assert padding.find(data_set(shifted, bearers=CLASSES)[0]) == []
    assert padding.find(data_set(shifted, 0.5, bearers=CLASSES)[0]) == []
    assert padding.find(data_set(letterboxed, bearers=CLASSES)[0]) == []
    assert padding.find(data_set(shifted, classes=("birch",))[0]) == []


def test_bars_come_out_as_one_cause_and_a_frame_as_a_border() -> None:
    (bars,) = causes_of(find_cues(data_set(letterboxed)[0]))
    assert (bars.code, bars.suspicion.finder) == ("CA212", "padding")
    assert {"border", "statistics", "template"} <= set(bars.finders)
    images = data_set(red_frame)[0]
    frame = only(padding.find(images))
    assert frame.same_as == {"border", "colour"}
    (cause,) = causes_of([frame, *border.find(images)])
    assert (cause.code, set(cause.finders)) == ("CA203", {"border", "padding"})


@pytest.mark.parametrize("plant", [shifted, letterboxed])
def test_the_class_gives_its_own_strips_and_loses_them_and_controls_lose_as_much(plant: Plant) -> None:
    images, _ = data_set(plant)
    suspicion = only(padding.find(images))
    groups: Groups = by_label(images)
    own = {image.name: image["padding"] for image in groups["birch"]}
    hit = suspicion.hits[0]
    found, other = own[hit.name], ImageSource("ash/000.jpg", "ash/000.jpg", "ash", 0)
    roles = Roles(hit, other, other, other)
    given, taken = padding.tests(suspicion, groups)
    assert (given.name, taken.name) == ("padded", "padded_taken")
    widths = tuple((found.streaks if plant is shifted else found.bars).tolist())
    assert max(widths) == pytest.approx(hit.strength)
    if plant is shifted:
        assert given.edit(roles).amounts == pytest.approx(widths)
        assert given.edit(roles).name == "streaked"
    else:
        assert given.edit(roles).amounts == pytest.approx((*widths, *found.colour.tolist()))
        assert given.edit(roles).name == "barred"
    assert (given.control(roles).name, given.control(roles).amounts) == ("mirrored", pytest.approx(widths))
    wider = taken.edit(roles).amounts
    assert wider is not None
    # a strip's soft end is taken away too, and where there is no strip nothing is
    assert all(b == a == 0 or a < b < a + 0.02 for a, b in zip(widths, wider, strict=True))
    assert (taken.edit(roles).name, taken.control(roles).name) == ("mirrored", "mirrored")
    assert taken.control(roles).amounts == other_sides(wider)
