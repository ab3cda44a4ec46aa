"""Masks and boxes are found for their images, fit the pictures, and travel; what can't be used is refused."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from annotated import BLOCK, HEIGHT, NAME, WIDTH, block, boxes_of, masks_of, write
from pictures import encode
from PIL import Image

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.find import find_images
from cam_audit.images.mask import read_mask
from cam_audit.scan.annotations import load_annotations


@pytest.mark.parametrize("file", ["horse/a.jpg", "horse/a.png", "horse/a.jpg.png", "horse/a.TIFF"])
def test_a_mask_lies_at_its_images_path_with_any_suffix(file: str, tmp_path: Path) -> None:
    masks = masks_of(tmp_path, [NAME, "horse/b.jpg"], file)
    assert masks
    assert masks.matched == 1
    np.testing.assert_array_equal(masks.mask(NAME, WIDTH, HEIGHT), BLOCK)
    assert masks.mask("horse/b.jpg", WIDTH, HEIGHT) is None


def test_a_mask_that_bears_its_images_full_name_goes_before_one_of_its_stem(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "b.jpg"]
    masks = masks_of(tmp_path, names, "a.jpg.png", "a.png", "b.gif", "b.jpg")
    assert masks is not None
    assert dict(masks.files) == {
        "a.jpg": f"{tmp_path}/a.jpg.png",
        "a.png": f"{tmp_path}/a.png",
        "b.jpg": f"{tmp_path}/b.jpg",
    }


@pytest.mark.parametrize("names", [["cow/a.jpg"], ["a.jpg"], []])
def test_masks_of_which_none_is_at_the_path_of_an_image_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match=r"no image of the data set is annotated here; .* such as"):
        masks_of(tmp_path, names, "horse/a.png")


def test_masks_that_are_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="nowhere: no such folder"):
        load_annotations([NAME], masks=tmp_path / "nowhere")


def test_masks_and_boxes_together_are_refused_and_neither_is_none(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="give one of the two"):
        load_annotations([NAME], masks=tmp_path, boxes=tmp_path)
    assert load_annotations([NAME]) is None


def test_an_empty_mask_is_no_object(tmp_path: Path) -> None:
    write(tmp_path / "horse" / "a.png", encode(BLOCK * 0))
    masks = load_annotations([NAME], masks=tmp_path)
    assert masks
    assert masks.mask(NAME, WIDTH, HEIGHT) is None


@pytest.mark.parametrize("factor", [1 / 4, 1 / 2, 1, 2, 3])
def test_a_mask_is_resized_to_the_picture(factor: float, tmp_path: Path) -> None:
    half = np.zeros((40, 80), np.uint8)
    half[:, :40] = 1
    write(tmp_path / "horse" / "a.png", encode(half))
    masks = load_annotations([NAME], masks=tmp_path)
    assert masks
    mask = masks.mask(NAME, round(80 * factor), round(40 * factor))
    assert mask is not None
    assert (mask.shape, mask.mean()) == ((round(40 * factor), round(80 * factor)), 0.5)
    assert mask[:, : mask.shape[1] // 2].all()


@pytest.mark.parametrize("data", [b"", b"no picture", encode(BLOCK * 255)[:60]])
def test_a_mask_that_cannot_be_read_is_named_when_it_is_asked_for(data: bytes, tmp_path: Path) -> None:
    file = write(tmp_path / "horse" / "a.png", data)
    masks = load_annotations([NAME], masks=tmp_path)
    assert masks
    with pytest.raises(ImageError, match=rf"^{file}: not an image") as error:
        masks.mask(NAME, WIDTH, HEIGHT)
    assert "\n" not in str(error.value)


def test_a_mask_of_another_shape_than_its_picture_is_refused(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, [NAME], "horse/a.png")
    assert masks
    # a picture of 19 x 11 may still be the reduced 20 x 10, one that is turned or square can't
    assert masks.mask(NAME, 19, 11) is not None
    for width, height in ((HEIGHT, WIDTH), (224, 224)):
        with pytest.raises(ImageError, match=r"a\.png: made for a picture of 20x10 pixels"):
            masks.mask(NAME, width, height)


@pytest.mark.parametrize("source", ["masks", "boxes"])
def test_annotations_survive_pickling_and_serve_threads(source: str, tmp_path: Path) -> None:
    names = [f"horse/{index}.jpg" for index in range(8)]
    files = [f"horse/{index}" for index in range(8)]
    if source == "masks":
        annotations = masks_of(tmp_path, names, *(f"{file}.png" for file in files))
    else:
        annotations = boxes_of(tmp_path, {f"{file}.txt": "0 0.35 0.5 0.2 0.6" for file in files}, names)
    copy = pickle.loads(pickle.dumps(annotations))
    with ThreadPoolExecutor(4) as pool:
        masks = list(pool.map(lambda name: copy.mask(name, WIDTH, HEIGHT), names * 4))
    assert len(masks) == 32
    for mask in masks:
        np.testing.assert_array_equal(mask, BLOCK)


@pytest.mark.shared
def test_every_horse_has_a_mask_at_any_reduction(shared: Path) -> None:
    folder = shared / "photos" / "horses"
    names = find_images(folder / "images").names
    masks = load_annotations(names, masks=folder / "masks")
    assert masks
    assert masks.matched == len(names)
    shares = []
    for name in names:
        with Image.open(folder / "images" / name) as image:
            width, height = image.size
        full, half = masks.mask(name, width, height), masks.mask(name, -(-width // 2), -(-height // 2))
        assert full is not None
        assert half is not None
        assert half.mean() == pytest.approx(full.mean(), abs=0.01)
        shares.append(full.mean())
    assert np.mean(shares) == pytest.approx(0.25, abs=0.01)


def test_options_that_have_nothing_to_pick_from_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="--category picks objects of --boxes"):
        load_annotations([NAME], masks=tmp_path, categories=["horse"])
    with pytest.raises(CamAuditError, match="--mask-value says which value of --masks"):
        load_annotations([NAME], boxes=tmp_path, mask_value=1)


def test_masks_are_found_by_a_pattern(tmp_path: Path) -> None:
    names = ["horse/a.jpg", "horse/b.jpg", "cow/c.jpg", "cow/d.jpg", "horse/d.jpg"]
    for file in ("horse/a_seg.png", "c_seg.png", "d_seg.png", "b.png"):
        write(tmp_path / file, encode(BLOCK * 255))
    masks = load_annotations(names, masks=tmp_path / "{stem}_seg.png")
    assert masks is not None
    # d_seg.png could be that of either
    assert dict(masks.files) == {
        "horse/a.jpg": f"{tmp_path}/horse/a_seg.png",
        "cow/c.jpg": f"{tmp_path}/c_seg.png",
    }


@pytest.mark.parametrize("folder", ["", "horse/"])
def test_masks_that_are_called_a_little_otherwise_are_proposed(folder: str, tmp_path: Path) -> None:
    write(tmp_path / f"{folder}a_segmentation.png", encode(BLOCK * 255))
    with pytest.raises(CamAuditError, match=r"or give --masks '.*/\{stem\}_segmentation.png'$") as error:
        load_annotations([NAME], masks=tmp_path)
    pattern = str(error.value).split("'")[-2]
    assert load_annotations([NAME], masks=Path(pattern))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP"])
def test_one_value_of_a_mask_may_be_the_object(file_format: str, tmp_path: Path) -> None:
    trimap = 2 - BLOCK
    trimap[0] = 3
    data = encode(Image.fromarray(trimap), file_format)
    file = write(tmp_path / "horse" / "a.png", data)
    masks = load_annotations([NAME], masks=tmp_path, mask_value=1)
    assert masks
    np.testing.assert_array_equal(masks.mask(NAME, WIDTH, HEIGHT), BLOCK)
    np.testing.assert_array_equal(read_mask(file, 3), block(0, 0, WIDTH, 1))
    np.testing.assert_array_equal(read_mask(file), block(0, 0, WIDTH, HEIGHT))
