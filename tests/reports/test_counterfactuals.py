"""edits.json says of every counterfactual what its pictures are made of, and they can be made again from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canonical import HOSTILE, finding
from numpy.typing import NDArray
from pictures import GREY, RED, Rgb, encode, gradient, square

from cam_audit.errors import ImageError
from cam_audit.images.decode import read_image
from cam_audit.records import Counterfactual, Edit, EditedPicture, Said
from cam_audit.reports.counterfactuals import kept_pictures, parse, pictures_of, render, shown_of

REPEATED = finding("CA201", "error", "cat")
BORDER = finding("CA203", "warning", "dog")
RANDOM = np.random.default_rng(3)
MASK: NDArray[np.bool_] = RANDOM.random((37, 53)) < 0.3
PASTE = Edit("paste", box=(0.1, 1 / 3, 0.5, 1.0))
CAST = Edit("cast", factors=(1 / 3, 1.0, 1.7))
STROKES = Edit("strokes", mask=MASK)
TEXTURE = Edit("texture", box=(0.1, 1 / 3, 0.5, 1.0), mask=MASK)
PLAIN = Edit("surroundings")


def tried(
    test: str, path: str, edited: Edit, control: Edit, donor: str | None = None, size: tuple[int, int] = (96, 64)
) -> Counterfactual:
    """An image that enters the net at that size; the donors do so turned on their sides."""
    donor_size = None if donor is None else size[::-1]
    return Counterfactual(
        test,
        path,
        path.partition("/")[0],
        size,
        Said("dog", 0.75, 0.125),
        EditedPicture(edited, donor, donor_size, Said("cat", 0.5, 0.5)),
        EditedPicture(control, donor, donor_size, Said("dog", 0.625, 0.000001)),
    )


def plain(counterfactuals: Sequence[Counterfactual]) -> list[dict[str, Any]]:
    """As values that can be compared, masks by their size and bits."""
    documents = [asdict(each) for each in counterfactuals]
    for document in documents:
        for kind in ("edited", "control"):
            edit, mask = document[kind]["edit"], document[kind]["edit"]["mask"]
            edit["mask"] = None if mask is None else (mask.dtype, mask.shape, mask.tobytes())
    return documents


def test_what_was_listed_is_read_back_masks_bit_for_bit() -> None:
    of_repeated = (
        tried("paste", "dog/a.png", PASTE, PASTE, "cat/b.png"),
        tried("strokes", f"dog/{HOSTILE}\n.png", STROKES, Edit("strokes", mask=~MASK), 'cat/"ж"😀.png', (53, 37)),
        tried("painted_over", "cat/c.png", Edit("painted_over", mask=MASK.T), Edit("painted_over", mask=MASK[:1])),
    )
    of_border = (
        tried("cast", "cat/d.png", CAST, Edit("cast", factors=(1.0, 1.0, 1.0))),
        tried("sharpness", "cat/e.png", Edit("sharpness", amounts=(-1 / 3,)), Edit("levels", amounts=(3.0, 0.5))),
        tried("context", "cat/d.png", TEXTURE, replace(TEXTURE, box=(0.0, 0.0, 1 / 7, 0.25)), "dog/e.png"),
        tried("context_taken", "dog/e.png", replace(TEXTURE, mask=~MASK), TEXTURE, "cat/d.png"),
    )
    all_of_them = {REPEATED.fingerprint: of_repeated, BORDER.fingerprint: of_border}
    text = "".join(render((BORDER, REPEATED), all_of_them, 800))
    read, needed = parse(text)
    assert needed == 800
    assert list(read) == [BORDER.fingerprint, REPEATED.fingerprint]
    for fingerprint, counterfactuals in all_of_them.items():
        assert plain(read[fingerprint]) == plain(counterfactuals)
    assert "".join(render((BORDER, REPEATED), read, needed)) == text


def test_an_edit_that_many_images_get_is_listed_once_and_a_finding_without_any_not_at_all() -> None:
    many = tuple(tried("strokes", f"dog/{n}.png", STROKES, replace(STROKES, mask=~MASK), "cat/1.png") for n in range(9))
    document = json.loads("".join(render((REPEATED, BORDER), {REPEATED.fingerprint: many}, None)))
    assert document["needed"] is None
    assert len(document["edits"]) == 2
    (listed,) = document["findings"]
    assert (listed["code"], listed["class"], listed["fingerprint"]) == ("CA201", "cat", REPEATED.fingerprint)
    assert [(each["edited"]["edit"], each["control"]["edit"]) for each in listed["counterfactuals"]] == [(0, 1)] * 9


def test_a_name_that_is_not_utf8_is_read_as_results_csv_has_it() -> None:
    text = "".join(
        render((BORDER,), {BORDER.fingerprint: (tried("surroundings", "\udcff/a", PLAIN, PLAIN, "\udcfe"),)}, 9)
    )
    (read,) = parse(text.encode("utf-8").decode("utf-8"))[0][BORDER.fingerprint]
    assert (read.path, read.label, read.edited.donor) == (r"\udcff/a", r"\udcff", r"\udcfe")


GOOD = json.loads(
    "".join(render((REPEATED,), {REPEATED.fingerprint: (tried("paste", "a/b", PASTE, STROKES, "c"),)}, 9))
)


BAD_AMOUNTS = [
    {"name": name, "box": None, "mask": None, "factors": None, "amounts": amounts}
    for name, amounts in (
        ("levels", [1.0]),
        ("sharpness", None),
        ("saturation", [float("nan")]),
        ("levels", ["a", 1]),
        ("framed", [1.0, 0.5]),
    )
]


def test_an_edits_json_of_before_there_were_amounts_is_read() -> None:
    before = {**GOOD, "edits": [{key: edit[key] for key in edit if key != "amounts"} for edit in GOOD["edits"]]}
    assert before != GOOD
    assert parse(json.dumps(before))[0].keys() == parse(json.dumps(GOOD))[0].keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({**GOOD, "edits": GOOD["edits"][:1]}),
        json.dumps({**GOOD, "findings": [{}]}),
        json.dumps({**GOOD, "edits": [GOOD["edits"][0], {"name": "strokes", "box": None, "mask": 3, "factors": None}]}),
        json.dumps({key: value for key, value in GOOD.items() if key != "needed"}),
        # amounts that are too few, none, or no numbers
        *(json.dumps({**GOOD, "edits": [GOOD["edits"][0], edit]}) for edit in BAD_AMOUNTS),
    ],
    ids=range(12),
)
def test_what_is_no_edits_json_is_a_value_error(text: str) -> None:
    assert parse(json.dumps(GOOD))[1] == 9
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize("name", ["../x", "/abs", "a/../../b", "", "..", ".", "a//b", "a/", "./a", "a\0b"])
@pytest.mark.parametrize("key", ["class", "path", "test", "donor of edited", "donor of control"])
def test_a_name_that_leads_outside_is_a_value_error(key: str, name: str) -> None:
    document = json.loads(json.dumps(GOOD))
    item = document["findings"][0]["counterfactuals"][0]
    what, _, kind = key.partition(" of ")
    (item[kind] if kind else item)[what] = name
    with pytest.raises(ValueError, match="is no test of this version" if key == "test" else "leads outside"):
        parse(json.dumps(document))


def test_dots_within_a_name_lead_nowhere() -> None:
    document = json.loads(json.dumps(GOOD))
    document["findings"][0]["counterfactuals"][0]["path"] = "..a/b../.c/...d"
    ((read,),) = parse(json.dumps(document))[0].values()
    assert read.path == "..a/b../.c/...d"


@pytest.mark.parametrize("name", ["apply", "__class__", "", None])
def test_an_edit_that_is_not_known_is_a_value_error(name: str | None) -> None:
    edits = [GOOD["edits"][0], {**GOOD["edits"][1], "name": name}]
    with pytest.raises(ValueError, match=r"edits\[1\].name: must be "):
        parse(json.dumps({**GOOD, "edits": edits}))


@pytest.mark.parametrize("gone", ["photo.png", "donor.png", "other.png"])
def test_the_photo_that_cannot_be_read_is_the_one_that_is_named(tmp_path: Path, gone: str) -> None:
    for name in {"photo", "donor", "other"} - {gone.removesuffix(".png")}:
        save(tmp_path, **{name: gradient()})
    each = tried("paste", "photo.png", PASTE, PASTE, "donor.png")
    each = replace(each, control=replace(each.control, donor="other.png"))
    with pytest.raises(ImageError, match=rf"^{gone}: "):
        pictures_of(each, photos_in(tmp_path))


def photos_in(folder: Path) -> Callable[[str], Rgb]:
    return lambda name: read_image(folder / name)[0]


def save(folder: Path, **pictures: Rgb) -> None:
    for name, rgb in pictures.items():
        (folder / f"{name}.png").write_bytes(encode(rgb))


def test_a_patch_is_pasted_from_the_donor_as_by_hand(tmp_path: Path) -> None:
    target, donor = gradient(64, 64), RANDOM.integers(0, 256, (64, 64, 3), np.uint8)
    save(tmp_path, target=target, donor=donor)
    half, whole = Edit("paste", box=(0.25, 0.5, 0.75, 1.0)), Edit("paste", box=(0.0, 0.0, 1.0, 1.0))
    before, edited, control = pictures_of(
        tried("paste", "target.png", half, whole, "donor.png", (64, 64)), photos_in(tmp_path)
    )
    by_hand = target.copy()
    by_hand[32:, 16:48] = donor[32:, 16:48]
    np.testing.assert_array_equal(before, target)
    np.testing.assert_array_equal(edited, by_hand)
    np.testing.assert_array_equal(control, donor)


def test_a_donor_takes_part_at_the_size_at_which_it_enters_the_net(tmp_path: Path) -> None:
    fine = np.zeros((192, 128, 3), np.uint8)
    fine[1::2, 1::2] = 200
    save(tmp_path, target=gradient(96, 64), donor=fine)
    each = tried("paste", "target.png", Edit("paste", box=(0.25, 0.25, 0.75, 0.75)), PASTE, "donor.png")
    # of half the size, it is of one grey: of every four pixels one is not black
    assert (pictures_of(each, photos_in(tmp_path))[1][16:48, 24:72] == 50).all()


def test_a_cast_multiplies_the_channels_of_the_image_as_it_enters_the_net(tmp_path: Path) -> None:
    small = gradient(96, 64)
    # each pixel four times, so that half of its size is the small one whatever the filter
    save(tmp_path, target=small.repeat(2, axis=0).repeat(2, axis=1))
    each = tried("cast", "target.png", Edit("cast", factors=(0.5, 1.0, 2.0)), Edit("cast", factors=(2.0, 1.0, 1.0)))
    before, edited, control = pictures_of(each, photos_in(tmp_path))
    np.testing.assert_array_equal(before, small)
    red, green, blue = np.moveaxis(small.astype(int), -1, 0)
    assert np.abs(edited[..., 0] - red / 2).max() <= 0.5
    np.testing.assert_array_equal(edited[..., 1], green)
    np.testing.assert_array_equal(edited[..., 2], np.minimum(255, 2 * blue))
    np.testing.assert_array_equal(control[..., 0], np.minimum(255, 2 * red))


def test_a_texture_of_the_donor_is_mirrored_over_the_masked_half_as_by_hand(tmp_path: Path) -> None:
    target, donor = gradient(64, 64), RANDOM.integers(0, 256, (64, 64, 3), np.uint8)
    save(tmp_path, target=target, donor=donor)
    mask = np.zeros((4, 4), bool)
    mask[:, 2:] = True
    # of the donor, from 8 to 24 pixels on the right and from 16 to 48 down; for the control all of it
    right, whole = Edit("texture", box=(8 / 64, 0.25, 24 / 64, 0.75), mask=mask), Edit("texture", (0, 0, 1, 1), mask)
    each = tried("context", "target.png", right, whole, "donor.png", (64, 64))
    text = "".join(render((REPEATED,), {REPEATED.fingerprint: (each,)}, None))
    ((read,),) = parse(text)[0].values()
    before, edited, control = pictures_of(read, photos_in(tmp_path))
    np.testing.assert_array_equal(before, target)
    unfolded = np.pad(donor[16:48, 8:24], ((16, 16), (8, 40), (0, 0)), mode="symmetric")
    # cells have 16 pixels: the mask rises over 8 before and after the middle, and is blurred by 4 deviations more
    np.testing.assert_array_equal(edited[:, :19], target[:, :19])
    np.testing.assert_array_equal(edited[:, 45:], unfolded[:, 45:])
    np.testing.assert_array_equal(control[:, 45:], donor[:, 45:])


def test_what_is_painted_over_on_one_colour_has_that_colour(tmp_path: Path) -> None:
    save(tmp_path, target=square(RED, 8, 12))
    mask = np.zeros((32, 32), bool)
    mask[11:29, 7:25] = True
    each = tried(
        "painted_over",
        "target.png",
        Edit("painted_over", mask=mask),
        Edit("painted_over", box=(0, 0, 0.2, 0.3)),
        size=(32, 32),
    )
    before, edited, control = pictures_of(each, photos_in(tmp_path))
    assert (before == RED).all(axis=-1).sum() == 16 * 16
    assert np.abs(edited.astype(int) - GREY).max() <= 1
    np.testing.assert_array_equal(control, before)


def test_the_list_alone_gives_the_pictures_that_were_kept(tmp_path: Path) -> None:
    random = [RANDOM.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(2)]
    save(tmp_path, a=random[0], b=random[1])
    (tmp_path / "c.png").write_bytes(encode(random[0].transpose(1, 0, 2)))
    all_of_them = (
        tried("strokes", "a.png", STROKES, replace(STROKES, mask=MASK[::-1]), "c.png"),
        tried("surroundings", "b.png", PLAIN, PLAIN, "c.png"),
        tried("painted_over", "a.png", Edit("painted_over", mask=MASK), Edit("painted_over", box=(0.1, 0.2, 0.3, 0.4))),
    )
    found = shown_of(REPEATED, all_of_them)
    kept = dict(kept_pictures(found, all_of_them, photos_in(tmp_path)))
    assert list(kept) == [file for each in found.counterfactuals for file in each.files]
    read = parse("".join(render((REPEATED,), {REPEATED.fingerprint: all_of_them}, None)))[0][REPEATED.fingerprint]
    again = dict(kept_pictures(found, read, photos_in(tmp_path)))
    assert again.keys() == kept.keys()
    for file, picture in kept.items():
        np.testing.assert_array_equal(again[file], picture)
    assert len({picture.tobytes() for picture in kept.values()}) == 5, "both begin with the same image"


def test_the_first_three_of_the_first_planting_and_of_the_first_taking_away_are_shown() -> None:
    tests = ("surroundings", "cast", "surroundings_taken", "cast_taken")
    all_of_them = [tried(test, f"{test}/{number}.png", PLAIN, PLAIN) for test in tests for number in range(5)]
    shown = shown_of(BORDER, all_of_them).counterfactuals
    assert [each.path for each in shown] == [
        f"{test}/{number}.png" for test in ("surroundings", "surroundings_taken") for number in range(3)
    ]
    assert [each.test for each in shown] == ["surroundings"] * 3 + ["surroundings_taken"] * 3
    place = f"counterfactuals/CA203-{BORDER.fingerprint[:12]}"
    assert shown[4].files == tuple(
        f"{place}/surroundings_taken-2-{kind}.jpg" for kind in ("before", "edited", "control")
    )
    said = shown[0].before.said, shown[0].edited.said, shown[0].control.said
    assert [(each.class_name, each.probability) for each in said] == [("dog", 0.75), ("cat", 0.5), ("dog", 0.625)]
    only_taken = shown_of(BORDER, [each for each in all_of_them if each.test == "cast_taken"][:2]).counterfactuals
    assert [each.path for each in only_taken] == ["cast_taken/0.png", "cast_taken/1.png"]
    assert shown_of(BORDER, ()).counterfactuals == ()


@pytest.mark.parametrize("gone", ["1.png", "donor-1.png"])
def test_the_pictures_of_an_image_that_has_gone_are_left_out(tmp_path: Path, gone: str) -> None:
    for name in ("0", "1", "2", "donor-0", "donor-1", "donor-2"):
        save(tmp_path, **{name: gradient()})
    all_of_them = [tried("paste", f"{n}.png", PASTE, PASTE, f"donor-{n}.png") for n in range(3)]
    found = shown_of(REPEATED, all_of_them)
    (tmp_path / gone).unlink()
    kept = [name for name, _ in kept_pictures(found, all_of_them, photos_in(tmp_path))]
    first, _, third = (each.files for each in found.counterfactuals)
    assert kept == [*first, *third]
