"""Columns of metadata: how they are grouped, by hand; what tells a class; how right the net is, by Wilson's formula."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.intervals import share_interval
from cam_audit.findings.metadata import BINS, NOT_GIVEN, Metadata, MetadataTable, grouping
from cam_audit.records import Disagreement, Exif, ImageResult, ImageSource, MapStatistics, MetadataGroup, Score

NAMES = ("cat", "dog")


def result(name: str, *, right: bool = True, exif: Exif | None = None, label_class: int | None = -1) -> ImageResult:
    label = name.partition("/")[0]
    known = NAMES.index(label) if label_class == -1 else label_class
    predicted = (known or 0) if right else 1 - (known or 0)
    return ImageResult(
        ImageSource("", name, label, known),
        8,
        8,
        (Score(predicted, NAMES[predicted], 0.9),),
        0.9,
        NAMES[predicted],
        MapStatistics(0.5, 0.5, None, 0.0),
        None,
        disagreement=None if right else Disagreement(None, (0.5, 0.5), (0.5, 0.5)),
        exif=exif or Exif(),
    )


def counted(table: MetadataTable | None, *records: ImageResult) -> Metadata:
    metadata = Metadata(table, frozenset(record.source.name for record in records))
    for record in records:
        metadata.add(record)
    return metadata


def table(column: str, rows: dict[str, str]) -> MetadataTable:
    return MetadataTable((column,), {name: (value,) for name, value in rows.items()})


def test_words_are_groups_of_their_own_and_an_id_is_none() -> None:
    assert grouping({"north": 20, "south": 12, "": 3}) == {"north": "north", "south": "south", "": NOT_GIVEN}
    assert grouping({f"patient {n}": 1 for n in range(30)}) == {}
    assert grouping({f"patient {n}": 2 for n in range(30)}) == {f"patient {n}": f"patient {n}" for n in range(30)}


def test_many_numbers_are_binned_so_that_each_bin_has_as_many_images() -> None:
    rng = random.Random(1)
    values = Counter(f"{rng.gauss(50, 10):.1f}" for _ in range(800))
    groups = grouping(values)
    sizes = Counter[str]()
    for value, images in values.items():
        sizes[groups[value]] += images
        low, _, high = groups[value].partition(" to ")
        assert float(low) <= float(value) <= float(high or low)
    assert len(sizes) == BINS
    assert max(sizes.values()) - min(sizes.values()) <= 2 * max(values.values())


def test_few_numbers_are_what_they_are_and_whole_ones_that_all_differ_are_an_id() -> None:
    assert grouping({"1": 5, "2": 5, "10": 1}) == {"1": "1", "2": "2", "10": "10"}
    assert grouping({str(n): 1 for n in range(40)}) == {}
    assert len(set(grouping({f"{n}.5": 1 for n in range(40)}).values())) == BINS
    # most of them equal: one bin holds them all
    assert grouping({"7": 500} | {str(n): 3 for n in range(10, 30)})["7"] == "7"


@pytest.mark.parametrize(
    ("dates", "groups"),
    [
        ({"2021-03-04 10:00": 1, "2021-03-04 11:00": 1, "2021-04-05 09:00": 2}, {"2021-03-04", "2021-04-05"}),
        ({f"2021:03:{day:02} 10:00:00": 1 for day in range(1, 29)}, {"2021-03"}),
        ({f"2021/{month:02}/01": 1 for month in range(1, 13)}, {"2021"}),
        ({f"{year}-01-01": 1 for year in range(1990, 2000)}, set()),
    ],
)
def test_dates_are_cut_to_what_several_images_share(dates: dict[str, int], groups: set[str]) -> None:
    assert set(grouping(dates).values()) == groups


def test_the_accuracy_of_each_group_has_wilsons_interval_and_the_worst_comes_first() -> None:
    records = [result(f"cat/{n}.jpg", right=n % 10 != 0) for n in range(40)]
    records += [result(f"dog/{n}.jpg", right=n >= 15) for n in range(20)]
    records.append(result("dog/odd.jpg", right=False))
    sites = {record.source.name: "north" if record.source.label == "cat" else "south" for record in records[:60]}
    groups = counted(table("site", sites), *records).groups()
    south, north, none = share_interval(5, 20), share_interval(36, 40), share_interval(0, 1)
    assert groups == (
        MetadataGroup("site", "south", 20, 20, 5, round(south.low, 6), round(south.high, 6)),
        # of one image nothing is certain
        MetadataGroup("site", NOT_GIVEN, 1, 1, 0, round(none.low, 6), round(none.high, 6)),
        MetadataGroup("site", "north", 40, 40, 36, round(north.low, 6), round(north.high, 6)),
    )
    assert groups[0].share == 0.25


def test_images_without_a_class_of_the_net_are_counted_and_not_judged() -> None:
    records = [result(f"cat/{n}.jpg", label_class=None) for n in range(4)]
    groups = counted(
        table("site", {records[0].source.name: "north", records[1].source.name: "north"}), *records
    ).groups()
    assert {(group.value, group.images, group.labelled, group.share) for group in groups} == {
        ("north", 2, 0, None),
        (NOT_GIVEN, 2, 0, None),
    }


def features(metadata: Metadata, *records: ImageResult) -> list[tuple[str, str]]:
    images = [ImageFeatures(record.source.name, record.source.label, {}) for record in records]
    return [(suspicion.label, suspicion.cue) for suspicion in metadata.suspected(images)]


def test_a_site_of_one_class_alone_tells_it_and_so_does_a_camera() -> None:
    names = [f"{label}/{n:02}.jpg" for label in NAMES for n in range(30)]
    records = [result(name) for name in names]
    sites = {name: "north" if name < "cat/20" else "south" for name in names}
    metadata = counted(table("site", sites), *records)
    told = "the metadata of its images: {} in 67% of the images, 0% of the others"
    assert features(metadata, *records) == [("cat", told.format("site north"))]
    records = [result(name, exif=Exif(camera="Nikon D40" if name < "cat/20" else "")) for name in names]
    assert features(counted(None, *records), *records) == [("cat", told.format("EXIF camera Nikon D40"))]


def test_sites_that_say_nothing_of_the_class_are_silent() -> None:
    rng = random.Random(2)
    for _ in range(20):
        records = [result(f"{label}/{n:02}.jpg") for label in NAMES for n in range(40)]
        sites = {record.source.name: rng.choice("abcde") for record in records}
        assert features(counted(table("site", sites), *records), *records) == []


def test_a_column_with_the_class_itself_and_an_id_are_left_out_and_that_is_told() -> None:
    names = [f"{label}/{n:02}.jpg" for label in NAMES for n in range(20)]
    records = [result(name) for name in names]
    rows = {name: (name[:3].upper(), str(number), "same") for number, name in enumerate(names)}
    metadata = counted(MetadataTable(("species", "number", "lab"), rows), *records)
    assert features(metadata, *records) == []
    assert metadata.groups() == ()
    assert list(metadata.notes()) == [
        "metadata: left out species, number, lab: the same in all images, another in each, or what the class is called"
    ]


def test_images_without_a_row_are_counted() -> None:
    records = [result(f"cat/{n}.jpg") for n in range(4)]
    metadata = counted(table("site", {"cat/0.jpg": "north", "cat/1.jpg": "north"}), *records)
    assert list(metadata.notes()) == ["metadata: 2 of 4 images have no row in the table"]
