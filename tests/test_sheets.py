"""Sheets hold whatever names and sizes come, and maps of a class show the region of the cue."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import gradient

from cam_audit import sheets
from cam_audit.overlay import cam_overlay
from cam_audit.records import ClassMaps, Finding, Score
from cam_audit.sheets import Panel, class_map_layout, class_map_sheet, overlay_sheet, part_sheet

RANDOM = np.random.default_rng(0)
FloatArray = NDArray[np.float64]
SCORES = (Score(0, "tabby cat", 0.71), Score(1, "tiger", 0.2), Score(2, "lynx", 0.01))
CAM = np.float32([[0, 0, 0], [0, 1, 0]])


def sheet(
    rgb: NDArray[np.uint8] | None = None,
    names: tuple[str, ...] = ("tabby cat",),
    captions: tuple[str, ...] = ("image", "predicted: tabby cat"),
    long_side: int = 400,
) -> NDArray[np.uint8]:
    scores = [Score(index, name, 0.5) for index, name in enumerate(names)]
    panels = [Panel(caption, CAM if index else None) for index, caption in enumerate(captions)]
    return overlay_sheet(gradient(300, 200) if rgb is None else rgb, scores, panels, long_side)


def find(picture: NDArray[np.uint8], in_sheet: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """(top, left) of every place where `picture` stands in the sheet, pixel by pixel."""
    height, width = picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(in_sheet[..., 0], width, axis=1)[: -height + 1, :, 0]
    found = np.argwhere(windows == picture[0, 0, 0])
    return [
        (int(top), int(left))
        for top, left in found
        if np.array_equal(in_sheet[top : top + height, left : left + width], picture)
    ]


@pytest.mark.parametrize("panels", [2, 3])
def test_a_sheet_shows_the_image_and_its_maps_side_by_side(panels: int) -> None:
    rgb = gradient(300, 200)
    got = sheet(rgb, captions=("image", "predicted", "folder")[:panels])
    ((top, left),) = find(rgb, got)
    overlays = find(cam_overlay(rgb, CAM), got)
    assert len(overlays) == panels - 1
    assert [place[0] for place in overlays] == [top] * (panels - 1)
    assert left < overlays[0][1]
    assert panels * 300 < got.shape[1] < panels * 300 + 60


def ink(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (picture != sheets.PAPER).any(axis=-1)


def title(in_sheet: NDArray[np.uint8], rgb: NDArray[np.uint8] | None = None) -> NDArray[np.bool_]:
    ((top, _),) = find(gradient(300, 200) if rgb is None else rgb, in_sheet)
    return ink(in_sheet[: top - sheets.CAPTION_HEIGHT])


def test_a_line_of_the_title_for_each_score() -> None:
    heights = [title(sheet(names=("cat",) * count)).shape[0] for count in (1, 2, 3)]
    assert heights[1] - heights[0] == heights[2] - heights[1] == sheets.LINE_HEIGHT
    rows = title(sheet(names=("cat", "dog", "owl"))).any(axis=1)
    starts = np.flatnonzero(np.diff(rows.astype(int)) == 1)
    assert len(starts) >= 3


def test_scores_are_written_as_they_are() -> None:
    rgb = gradient(300, 200)

    def with_score(probability: float) -> NDArray[np.uint8]:
        return overlay_sheet(rgb, [Score(0, "cat", probability)], [Panel("image")], 400)

    np.testing.assert_array_equal(with_score(0.7104), with_score(0.7096))
    assert (with_score(0.71) != with_score(0.72)).any()


@pytest.mark.parametrize("name", ["кошка", "Ærø", "日本"])
def test_names_in_other_scripts_are_drawn_with_their_own_letters(name: str) -> None:
    other = name[:-1] + {"а": "я", "ø": "o", "本": "語"}[name[-1]]
    drawn, drawn_other = title(sheet(names=(name,))), title(sheet(names=(other,)))
    assert drawn.any()
    assert (drawn != drawn_other).any(), "a letter without a glyph would look like any other"


@pytest.mark.parametrize("name", ["line\nbreak", "tab\tand\x00null", "\udcff", "\u202eright to left", ""])
def test_names_with_odd_characters_take_one_line(name: str) -> None:
    plain = sheet(names=("cat", "dog"))
    got = sheet(names=(name, "dog"), captions=("image", f"predicted: {name}"))
    assert got.shape == plain.shape
    second_line = slice(sheets.MARGIN + sheets.LINE_HEIGHT + 2, sheets.MARGIN + 2 * sheets.LINE_HEIGHT - 2)
    np.testing.assert_array_equal(got[second_line], plain[second_line])


@pytest.mark.parametrize("name", ["a" * 500, "Ж" * 500, "very long words " * 40, "i" * 5000])
def test_long_names_are_cut_within_their_place(name: str) -> None:
    rgb = gradient(300, 200)
    got = sheet(rgb, names=(name,), captions=("image", name, "c"))
    assert got.shape == sheet(rgb, names=("cat",), captions=("image", "b", "c")).shape
    words = title(got)
    assert words.any()
    assert not words[:, -sheets.MARGIN // 2 :].any(), "the title ends within the sheet"
    (_, second), (top, third) = find(cam_overlay(rgb, CAM), got)
    captions = ink(got[top - sheets.CAPTION_HEIGHT : top])
    assert captions[:, second : third - sheets.MARGIN].any()
    assert not captions[:, third - sheets.MARGIN + 2 : third].any(), "a caption ends within its panel"
    whole = sheet(rgb, names=("cat",), captions=("image", "b", "c"))
    np.testing.assert_array_equal(
        got[top - sheets.CAPTION_HEIGHT :, third:],
        whole[-got.shape[0] :][top - sheets.CAPTION_HEIGHT :, third:],
    )


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (1, 700), (700, 1), (3, 40_000), (40_000, 3), (2000, 100), (64, 64)])
@pytest.mark.parametrize("long_side", [64, 400])
def test_small_thin_and_long_images_have_a_readable_sheet(size: tuple[int, int], long_side: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 200, (*size[::-1], 3), np.uint8)
    got = sheet(rgb, names=("cat", "dog", "owl"), captions=("image", "predicted", "folder"), long_side=long_side)
    height, width = got.shape[:2]
    assert width >= sheets.MIN_SHEET_WIDTH
    assert width <= max(sheets.MIN_SHEET_WIDTH, 3 * (long_side + sheets.MARGIN) + sheets.MARGIN)
    words = 3 * sheets.LINE_HEIGHT + sheets.CAPTION_HEIGHT + sheets.LEGEND_HEIGHT
    assert height <= words + 2 * sheets.MARGIN + long_side
    assert ink(got).any()


def legend(in_sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What stands below the pictures of a sheet."""
    return in_sheet[-sheets.MARGIN - sheets.LEGEND_HEIGHT : -sheets.MARGIN]


def test_a_bar_below_a_map_has_its_colours_from_the_least_to_the_most() -> None:
    for colormap in ("jet", "cividis"):
        got = legend(overlay_sheet(gradient(300, 200), SCORES, [Panel("image"), Panel("map", CAM)], 400, colormap))
        rising = np.linspace(0, 1, 300, dtype=np.float32)[None]
        bar = cam_overlay(np.full((8, 300, 3), 128, np.uint8), rising, colormap=colormap)
        (place,) = find(bar, got)
        assert place[1] == 2 * sheets.MARGIN + 300, "below the map, and not below the image"


def test_a_legend_tells_the_peak_of_its_map() -> None:
    def of(cam: NDArray[np.float32]) -> NDArray[np.uint8]:
        return legend(overlay_sheet(gradient(300, 200), SCORES, [Panel("image"), Panel("map", cam)], 400))

    assert (of(CAM) != of(CAM * 2)).any()
    np.testing.assert_array_equal(of(CAM), of(CAM * 1.001))
    np.testing.assert_array_equal(of(CAM), of(CAM[::-1]))
    flat = of(np.zeros_like(CAM))
    assert ink(flat).any()
    assert not ink(flat)[sheets.BAR_GAP : sheets.BAR_GAP + sheets.BAR_HEIGHT].any(), "a flat map has no colours"


def test_the_score_of_the_class_stands_over_its_map() -> None:
    def over(probability: float, caption: str = "map") -> NDArray[np.uint8]:
        panels = [Panel("image"), Panel(caption, CAM, probability=probability)]
        return overlay_sheet(gradient(300, 200), SCORES, panels, 400)[: -sheets.LEGEND_HEIGHT - 200 - sheets.MARGIN]

    assert (over(0.88) != over(0.04)).any()
    # however long the name, the score is whole at the right end
    np.testing.assert_array_equal(over(0.04)[:, -50:], over(0.04, "a long name " * 20)[:, -50:])


def test_large_images_are_shown_at_the_long_side_and_small_ones_enlarged() -> None:
    for width, long_side, shown in ((3000, 400, 400), (300, 400, 300), (60, 400, 256), (60, 100, 100)):
        got = sheet(gradient(width, width // 2), captions=("image",) * 2, long_side=long_side)
        picture = ink(got)[-sheets.MARGIN - sheets.LEGEND_HEIGHT - shown // 4]
        assert picture[sheets.MARGIN : sheets.MARGIN + shown].all()
        assert not picture[: sheets.MARGIN].any()
        assert not picture[sheets.MARGIN + shown : 2 * sheets.MARGIN + shown].any()


FINDING = Finding("CA203", "note", "cat", "", {}, (), "0")


def class_maps(own: FloatArray, others: FloatArray, cover: FloatArray) -> list[NDArray[np.uint8]]:
    """The three pictures of a sheet."""
    got = class_map_sheet(FINDING, ClassMaps(own, others, cover))
    layout = class_map_layout(got.shape[1], got.shape[0])
    return [got[layout.top : layout.top + layout.height, left : left + layout.width] for left in layout.lefts]


def region(size: int, cells: slice) -> NDArray[np.bool_]:
    inside = np.zeros((size, size), bool)
    inside[cells, cells] = True
    return inside


def rim(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a region that touch what is not in it."""
    padded = np.pad(inside, 1)
    neighbours = [np.roll(padded, shift, axis)[1:-1, 1:-1] for shift in (1, -1) for axis in (0, 1)]
    return inside & ~np.logical_and.reduce(neighbours)


# of the most that a cell has, more than half belongs to the region, and half does
@pytest.mark.parametrize(("most", "beside", "is_in"), [(1.0, 0.5, True), (0.3, 0.16, True), (0.3, 0.14, False)])
def test_the_region_of_the_cue_is_outlined(most: float, beside: float, is_in: bool) -> None:
    inside = region(8, slice(2, 5))
    cover = np.where(inside, most, 0)
    cover[2, 5] = beside
    inside[2, 5] = is_in
    outline = rim(np.kron(inside, np.ones((32, 32), bool)))
    near = np.zeros_like(outline)
    for row, column in np.argwhere(outline):
        near[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
    for panel in class_maps(RANDOM.normal(size=(8, 8)), np.zeros((8, 8)), cover):
        white = (panel == 255).all(axis=-1)
        assert white[outline].all()
        assert not white[~near].any()


@pytest.mark.parametrize("outside", [0.0, 50.0, -1000.0])
def test_colours_go_from_the_smallest_to_the_largest_value_of_the_region(outside: float) -> None:
    inside = region(16, slice(2, 14))
    own = np.where(inside, 3.0, outside)
    own[2:14, 8:14] = 2
    others = np.where(inside, 1.0, -outside)
    of_own, of_others, difference = class_maps(own, others, np.where(inside, 0.4, 0.1))
    # far enough from the region's end and from the step, in cells, that no other value is mixed in
    middle, left, right = slice(100, 156), slice(76, 84), slice(172, 180)
    # inferno, as published, at its end and in its middle, which has half of its light
    most, half = np.array([252, 255, 164]), np.array([188, 55, 84]) / 2
    assert (np.abs(of_own[middle, left] - most) <= 1).all()
    assert (np.abs(of_own[middle, right] - half) <= 3).all()
    assert (of_others[middle, left] == 0).all()
    # a difference of 2 and of 1, from 0
    assert (np.abs(difference[middle, left] - most) <= 1).all()
    assert (np.abs(difference[middle, right] - half) <= 3).all()


def test_outside_the_region_a_map_is_grey_up_to_what_is_strongest_anywhere() -> None:
    inside = region(16, slice(11, 16))
    own = np.where(inside, 3.0, 1.0)
    own[:5, :5], own[:5, 11:], own[11:, :5] = -5, 9, 3
    others = np.ones((16, 16))
    of_own, of_others, _ = class_maps(own, others, inside.astype(float))
    low, strongest, like_the_cue = slice(0, 32), slice(224, 256), slice(0, 32)
    assert (of_own[:32, low] == 0).all()
    assert (of_own[:32, strongest] == sheets.OUTSIDE).all()
    assert (of_own[224:, like_the_cue] == round(sheets.OUTSIDE * (3 - 1) / (9 - 1))).all()
    assert (of_others[:160, :160] == 0).all()
    outside = of_own[:170].astype(int)
    assert np.ptp(outside, axis=-1).max() == 0


def test_a_sheet_of_a_part_is_a_row_of_pictures_that_are_bright_where_the_part_lies() -> None:
    """Pictures of 150 pixels' height stay as they are; a quarter of the light is left where there is no part."""
    strong, weak = np.zeros((3, 6), np.float32), np.zeros((3, 6), np.float32)
    strong[:, :3] = 4
    weak[:, 3:] = 1
    rgb = np.full((150, 150, 3), (200, 100, 40), np.uint8)
    sheet = part_sheet([(rgb, strong), (rgb, weak)])
    assert (sheet.dtype, sheet.shape) == (np.uint8, (150, 150 + 4 + 150, 3))
    assert (sheet[:, 150:154] == 255).all()
    # at the sides, two cells from where the map changes, the cubic is what the cell holds
    assert sheet[75, 0].tolist() == [200, 100, 40]
    assert sheet[75, 149].tolist() == [50, 25, 10]
    assert sheet[75, 154].tolist() == [50, 25, 10]
    # both maps have one scale: a quarter of the peak is half of its light
    assert sheet[75, -1].tolist() == [round((0.25 + 0.75 * 0.5) * level) for level in (200, 100, 40)]


@pytest.mark.filterwarnings("error")
def test_pictures_of_any_shape_are_as_high_as_the_sheet_and_a_part_that_is_nowhere_is_dark() -> None:
    nowhere = np.zeros((2, 2), np.float32)
    tiles = [(np.full((*shape, 3), 200, np.uint8), nowhere) for shape in ((40, 80), (300, 150), (900, 1))]
    sheet = part_sheet(tiles)
    assert sheet.shape == (150, 300 + 4 + 75 + 4 + 1, 3)
    assert (sheet[:, :300] == 50).all()
    assert (sheet[:, 304:379] == 50).all()
