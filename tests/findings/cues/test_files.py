"""What a file's header tells, and classes that it gives away."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from pictures import encode, gradient
from PIL import Image
from planted import only

from cam_audit.findings.cues.files import FileFacts, file_facts, find, telling_facts, value_shares
from cam_audit.findings.cues.records import ImageFeatures

RGB = gradient()
CAMERA = "Nikon D40"


def jpeg(camera: str | None = None, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Nikon"
    if camera is not None:
        exif[0x0110] = camera
    return encode(RGB, "JPEG", exif=exif, **options)


@pytest.mark.parametrize(
    ("file_format", "name"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("WEBP", "WebP"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("AVIF", "AVIF"),
        ("JPEG2000", "JPEG 2000"),
        ("PPM", "PNM"),
    ],
)
def test_the_format_is_told_by_the_first_bytes(file_format: str, name: str) -> None:
    facts = file_facts(encode(RGB, file_format), 96, 64)
    assert facts == FileFacts(name, 96, 64, facts.quality, None)
    assert (facts.quality is not None) == (name == "JPEG")


def test_the_quality_of_a_jpeg_is_that_at_which_it_was_saved() -> None:
    assert [file_facts(jpeg(quality=quality), 96, 64).quality for quality in range(1, 101)] == list(range(1, 101))


def test_the_quality_is_told_by_the_table_of_luminance_alone() -> None:
    coarse_colour = [[3] * 64, [90] * 64]
    fine_colour = [[3] * 64, [1] * 64]
    qualities = {
        file_facts(encode(RGB, "JPEG", qtables=tables), 96, 64).quality for tables in (coarse_colour, fine_colour)
    }
    assert len(qualities) == 1
    assert 93 <= qualities.pop() <= 97


@pytest.mark.parametrize("camera", [CAMERA, "G9", None])
@pytest.mark.parametrize("big_endian", [False, True])
def test_the_camera_is_that_of_the_exif_data(camera: str | None, big_endian: bool) -> None:
    data = jpeg(camera)
    if big_endian:
        exif = Image.Exif()
        exif.endian = ">"
        if camera:
            exif[0x0110] = camera
        data = encode(RGB, "JPEG", exif=exif.tobytes())
        assert b"Exif\0\0MM" in data
    assert file_facts(data, 96, 64).camera == camera


def test_a_camera_name_in_blanks_or_strange_bytes_does_no_harm() -> None:
    assert file_facts(jpeg("   "), 96, 64).camera is None
    assert file_facts(jpeg(f"  {CAMERA} "), 96, 64).camera == CAMERA
    strange = jpeg(CAMERA).replace(b"Nikon D40", b"Nikon\xff\xfe40")
    assert file_facts(strange, 96, 64).camera == "Nikon\ufffd\ufffd40"


def test_damaged_files_are_described_without_a_warning() -> None:
    whole = jpeg(CAMERA)
    rng = random.Random(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in range(0, 700):
            file_facts(whole[:size], 1, 1)
        for _ in range(500):
            broken = bytearray(whole)
            for _ in range(rng.randint(1, 30)):
                broken[rng.randrange(2, 400)] = rng.choice((0, 255, rng.randrange(256)))
            file_facts(bytes(broken), 1, 1)
    assert file_facts(b"", 1, 1).format == "other"


def images_with(facts: dict[str, list[FileFacts]]) -> list[ImageFeatures]:
    return [
        ImageFeatures(f"{label}/{index:03}", label, {"file": file})
        for label, files in facts.items()
        for index, file in enumerate(files)
    ]


def usual(rng: random.Random) -> FileFacts:
    """A file as from the web: a few common sizes, many rare ones, some qualities, hardly a camera."""
    width, height = rng.choice([(640, 480), (500, 375), (rng.randint(300, 900), rng.randint(300, 900))])
    return FileFacts(
        "JPEG", width, height, rng.choice([75, 80, 85, 90, 95, 96]), rng.choice([None, None, None, CAMERA])
    )


@pytest.mark.parametrize("share", [1.0, 0.6, 0.35])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "PNG"}, "format PNG in"),
        ({"width": 224, "height": 224}, "size 224x224 in"),
        ({"quality": 50}, "JPEG quality 50 in"),
        ({"camera": "E8800"}, "camera E8800 in"),
    ],
)
def test_a_property_that_only_one_class_has_is_found(change: dict, words: str, share: float) -> None:
    rng = random.Random(1)
    facts = {label: [usual(rng) for _ in range(40)] for label in "abcd"}
    odd = round(share * 40)
    facts["b"][:odd] = [
        FileFacts(**{name: getattr(file, name) for name in FileFacts.__slots__} | change) for file in facts["b"][:odd]
    ]
    suspicion = only(find(images_with(facts)), "b")
    assert suspicion.cue.startswith("its files: ")
    assert f"{words} {odd / 40:.0%} of the images, 0% of the others" in suspicion.cue
    assert {f"b/{index:03}" for index in range(odd)} <= {hit.name for hit in suspicion.hits}
    assert suspicion.score == max(suspicion.numbers.values()) == len(suspicion.hits) / 40


def test_sizes_that_are_never_equal_but_larger_in_one_class_are_found() -> None:
    rng = random.Random(2)
    facts = {
        label: [FileFacts("JPEG", rng.randint(300, 400), rng.randint(300, 400), 90, None) for _ in range(40)]
        for label in "abc"
    }
    facts["b"] = [FileFacts("JPEG", rng.randint(1500, 1900), rng.randint(1500, 1900), 90, None) for _ in range(40)]
    facts["c"] = [FileFacts("JPEG", rng.randint(600, 640), rng.randint(200, 210), 90, None) for _ in range(40)]
    found = {suspicion.label: suspicion for suspicion in find(images_with(facts))}
    assert "megapixels about" in found["b"].cue
    assert "aspect ratio about 3.08 in" in found["c"].cue


def test_classes_of_the_same_files_are_silent() -> None:
    rng = random.Random(3)
    for classes in ("ab", "abcdef"):
        for _ in range(10):
            assert find(images_with({label: [usual(rng) for _ in range(40)] for label in classes})) == []


def test_files_that_are_all_equal_or_all_different_are_silent() -> None:
    same = FileFacts("PNG", 300, 200, None, None)
    assert find(images_with({label: [same] * 30 for label in "ab"})) == []


def test_shares_are_those_of_the_other_images_with_the_same_value() -> None:
    rng = random.Random(6)
    labels = np.repeat([0, 1, 2], [4, 9, 20])
    values = np.array([*rng.choices("xxyyzw", k=len(labels) - 1), "alone"])
    shares = value_shares(values, labels)
    for i, value in enumerate(values):
        others = [j for j in range(len(labels)) if j != i and values[j] == value]
        weights = [sum(labels[j] == k for j in others) / int((labels == k).sum()) for k in range(3)]
        expected = [weight / sum(weights) for weight in weights] if others else [0, 0, 0]
        assert shares[i] == pytest.approx(expected)


def sized(sizes: list[tuple[int, int]]) -> list[FileFacts]:
    return [FileFacts("JPEG", width, height, 90, None) for width, height in sizes]


def test_that_pictures_are_square_is_said_rather_than_which_size_a_few_have() -> None:
    """41 % squares of many sizes, 1200x1200 the commonest, and 2 % in the other classes."""
    rng = random.Random(7)

    def oblong() -> tuple[int, int]:
        width = rng.randint(500, 1500)
        return width, round(width * rng.choice([0.6, 0.7, 0.75, 1.3, 1.5])) + 1

    def squares(count: int) -> list[tuple[int, int]]:
        return [(side, side) for side in (rng.randint(500, 1500) for _ in range(count))]

    facts = {label: sized([*squares(1), *(oblong() for _ in range(49))]) for label in "ab"}
    facts["c"] = sized([(1200, 1200)] * 4 + squares(16) + [oblong() for _ in range(29)])
    cue = only(find(images_with(facts)), "c").cue
    assert cue.startswith(f"its files: shape square in {20 / 49:.0%} of the images, 2% of the others")
    assert "1200x1200" not in cue
    # the same pictures, told once
    assert "aspect ratio" not in cue


def test_a_size_that_the_others_have_and_the_class_lacks_is_said() -> None:
    """The others are 512x512; of this class a tenth is 236x236 and the rest of any size."""
    rng = random.Random(8)
    facts = {label: sized([(512, 512)] * 40) for label in "ab"}
    any_size = [(side, side + rng.choice([0, 0, 5])) for side in (rng.randint(200, 900) for _ in range(35))]
    facts["c"] = sized([(236, 236)] * 4 + [(512, 512)] + any_size)
    found = find(images_with(facts))
    cue = next(suspicion for suspicion in found if suspicion.label == "c").cue
    assert cue.startswith("its files: size 512x512 in only 2% of the images, 100% of the others")
    assert "236x236" not in cue


def test_no_fact_is_told_of_classes_of_the_same_files() -> None:
    """300 looks, at one in a thousand each."""
    rng = random.Random(9)
    labels = np.repeat([0, 1, 2], 40)
    told = 0
    for _ in range(100):
        files = [usual(rng) for _ in labels]
        facts = {
            "size": np.array([f"{file.width}x{file.height}" for file in files]),
            "JPEG quality": np.array([str(file.quality) for file in files]),
            "camera": np.array([str(file.camera) for file in files]),
        }
        told += sum(bool(telling_facts(facts, labels, k)) for k in range(3))
    assert told <= 3
