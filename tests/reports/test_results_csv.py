"""results.csv holds every name and number in a form that other programs read back."""

from __future__ import annotations

import csv
import dataclasses
import io

import pytest
from canonical import canonical_report, rendered

from cam_audit.records import ImageResult, ImageSource, MapStatistics, ObjectShare, Record, Score, SkippedImage
from cam_audit.reports.results_csv import completed, header, image_row, line, parse, row

RESULT = ImageResult(
    source=ImageSource("/data", "cat/a.jpg", "cat", 3),
    width=640,
    height=480,
    scores=(Score(3, "cat", 2 / 3), Score(1, "dog", 0.25), Score(0, "owl", 1e-9)),
    label_score=2 / 3,
    cam_class="cat",
    cam=MapStatistics(0.5, 0.0625, 1 / 3, 0.1),
    overlay="overlays/cat/a.jpg.png",
)


def parsed(line: str) -> dict[str, str]:
    assert line.endswith("\n")
    (cells,) = csv.DictReader(io.StringIO(header() + line, newline=""))
    assert None not in cells
    assert None not in cells.values()
    return cells


def named(name: str) -> ImageResult:
    return dataclasses.replace(RESULT, source=dataclasses.replace(RESULT.source, name=name))


def test_the_header_is_the_documented_one() -> None:
    assert header() == (
        "path,status,error,width,height,label,top1_class,top1_score,top2_class,top2_score,top3_class,top3_score,"
        "label_score,cam_class,cam_peak_x,cam_peak_y,cam_border_share,cam_area,inside_share,inside_area,flags,overlay,"
        "surroundings_share,split,predicted,even_share\n"
    )


def test_a_scanned_image_has_its_numbers_with_6_decimals() -> None:
    assert row(RESULT) == (
        "cat/a.jpg,ok,,640,480,cat,cat,0.666667,dog,0.250000,owl,0.000000,"
        "0.666667,cat,0.500000,0.062500,0.333333,0.100000,,,,overlays/cat/a.jpg.png,,,,\n"
    )


def test_what_is_not_defined_is_empty() -> None:
    result = dataclasses.replace(
        RESULT, scores=RESULT.scores[:1], label_score=None, cam=MapStatistics(0, 0, None, 0), overlay=None
    )
    assert row(result) == "cat/a.jpg,ok,,640,480,cat,cat,0.666667,,,,,,cat,0.000000,0.000000,,0.000000,,,,,,,,\n"


def test_more_than_three_scores_do_not_shift_the_columns() -> None:
    result = dataclasses.replace(RESULT, scores=RESULT.scores + RESULT.scores)
    assert row(result) == row(RESULT)


def test_an_error_has_its_reason_and_nothing_measured() -> None:
    line = row(SkippedImage(RESULT.source, "the file is empty"))
    assert line == "cat/a.jpg,error,the file is empty,,,cat" + "," * 20 + "\n"


@pytest.mark.parametrize(
    "name",
    [
        "a b.jpg",
        'say "cheese".jpg',
        "a,b;c.jpg",
        "two\nlines.jpg",
        "carriage\rreturn.jpg",
        "both\r\n.jpg",
        "Ж/ё.jpg",
        "😀.jpg",
    ],
)
def test_names_come_back_from_a_csv_reader(name: str) -> None:
    assert parsed(row(named(name)))["path"] == name


def test_a_name_that_is_not_utf8_is_written_as_utf8() -> None:
    line = row(named("cat/\udcff\udcfe.jpg"))
    assert parsed(line.encode("utf-8").decode("utf-8"))["path"] == r"cat/\udcff\udcfe.jpg"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'", "'="])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(start: str) -> None:
    evil = f"{start}HYPERLINK(0)"
    result = dataclasses.replace(
        RESULT,
        source=ImageSource("", evil, evil, None),
        scores=(Score(0, evil, 0.5),) * 3,
        cam_class=evil,
    )
    cells = parsed(row(result))
    for column in ("path", "label", "top1_class", "top2_class", "top3_class", "cam_class"):
        assert cells[column] == f"'{evil}"
    assert parsed(row(SkippedImage(result.source, evil)))["error"] == f"'{evil}"


def test_rows_are_completed_with_the_codes_and_overlays_of_the_whole_audit() -> None:
    odd = named('odd\r"\n,\udcff.jpg')
    plain = dataclasses.replace(RESULT, overlay=None)
    rows = io.StringIO(row(RESULT) + row(odd) + row(plain), newline="")
    lines = list(
        completed(rows, [("CA101", "CA104"), (), ("CA105",)], [1 / 3, None, 0], [None, None, "overlays/\udcff.png"])
    )
    assert parsed(lines[0]) == parsed(row(RESULT)) | {"flags": "CA101;CA104", "surroundings_share": "0.333333"}
    assert lines[1] == row(odd)
    assert parsed(lines[2]) == parsed(row(plain)) | {
        "flags": "CA105",
        "overlay": r"overlays/\udcff.png",
        "surroundings_share": "0",
    }
    for each in lines:
        each.encode("utf-8")


def test_the_share_inside_the_object_is_written_where_there_is_one() -> None:
    cells = parsed(
        row(dataclasses.replace(RESULT, object=ObjectShare(0.25, 1 / 3, 0.5, True), flags=("CA103", "CA104")))
    )
    assert (cells["inside_share"], cells["inside_area"], cells["flags"]) == (
        "0.250000",
        "0.333333",
        "CA103;CA104",
    )


def test_the_columns_that_came_last_come_back() -> None:
    image = dataclasses.replace(
        image_row(RESULT),
        surroundings_share=2 / 3,
        flags=("CA107",),
        split="=val",
        predicted="cat;a;b",
        even_share=0.25,
    )
    text = header() + line(image)
    assert header().rstrip("\n").split(",")[-4:] == ["surroundings_share", "split", "predicted", "even_share"]
    assert line(image).endswith(",0.666667,'=val,cat;a;b,0.250000\n")
    (back,) = parse(io.StringIO(text, newline=""))
    assert (back.surroundings_share, back.flags, back.split) == (0.666667, ("CA107",), "=val")
    assert (back.predicted, back.even_share) == ("cat;a;b", 0.25)
    (none,) = parse(io.StringIO(header() + line(dataclasses.replace(image, surroundings_share=0.0)), newline=""))
    assert none.surroundings_share == 0
    (unasked,) = parse(io.StringIO(header() + row(RESULT), newline=""))
    assert unasked.surroundings_share is None


# As it was before there were shares of surroundings, and splits.
EARLIER = header().replace(",surroundings_share,split,predicted,even_share", "")


def without_the_last(line: str, columns: int = 4) -> str:
    return line.rsplit(",", columns)[0] + "\n"


def test_a_file_without_splits_is_read() -> None:
    image = dataclasses.replace(image_row(RESULT), surroundings_share=0.5)
    (back,) = parse(io.StringIO(without_the_last(header(), 3) + without_the_last(line(image), 3), newline=""))
    assert (back.surroundings_share, back.split) == (0.5, "")


def test_an_earlier_file_is_read_in_which_no_image_has_a_share_of_surroundings() -> None:
    odd, skipped = named('odd\r"\n,=.jpg'), SkippedImage(RESULT.source, "the file is empty")
    records: tuple[Record, ...] = (RESULT, odd, skipped)
    text = EARLIER + "".join(without_the_last(row(record)) for record in records)
    back = list(parse(io.StringIO(text, newline="")))
    assert back == list(parse(io.StringIO(header() + "".join(map(row, records)), newline="")))
    assert [image.surroundings_share for image in back] == [None] * 3
    assert (back[0].overlay, back[1].path) == ("overlays/cat/a.jpg.png", 'odd\r"\n,=.jpg')


@pytest.mark.parametrize(
    "text",
    [
        # rows of the other length, and columns that are others' or in another order
        EARLIER + row(RESULT),
        header() + without_the_last(row(RESULT)),
        EARLIER.replace(",overlay", ""),
        EARLIER.replace("overlay", "surroundings_share"),
        header().replace("overlay,surroundings_share", "surroundings_share,overlay"),
        header().replace("\n", ",more\n"),
    ],
    ids=range(6),
)
def test_other_columns_than_these_or_the_earlier_ones_are_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"cells, not 2|the columns are not those"):
        list(parse(io.StringIO(text, newline="")))


def test_signs_within_a_cell_are_left_alone() -> None:
    assert parsed(row(named("a=b+c-d@e.jpg")))["path"] == "a=b+c-d@e.jpg"


@pytest.mark.parametrize(
    "name", ["cat/a.jpg", "=1.jpg", "'=1.jpg", "''.jpg", 'two\r\nlines,".jpg', "\r.jpg", "ё😀.jpg"]
)
def test_rows_are_read_back_as_they_were(name: str) -> None:
    ok = dataclasses.replace(named(name), flags=("CA103", "CA104"), object=ObjectShare(0.25, 0.5, 0.5, True))
    bare = dataclasses.replace(RESULT, label_score=None, cam=MapStatistics(0, 0, None, 0), overlay=None)
    skipped = SkippedImage(ok.source, "the file is empty")
    text = header() + "".join(map(row, (ok, bare, skipped)))
    back = list(parse(io.StringIO(text, newline="")))
    assert [image.path for image in back] == [name, "cat/a.jpg", name]
    assert back[0].flags == ("CA103", "CA104")
    assert back[0].top == (("cat", 0.666667), ("dog", 0.25), ("owl", 0.0))
    assert (back[1].label_score, back[1].cam_border_share, back[1].overlay) == (None, None, "")
    assert back[2] == image_row(skipped)
    assert header() + "".join(map(line, back)) == text


@pytest.mark.parametrize("text", ["", "a,b\n", header() + '"torn'])
def test_what_is_no_results_csv_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(parse(io.StringIO(text, newline="")))


def test_the_canonical_report_is_read_back_whole() -> None:
    report = canonical_report()
    assert tuple(parse(io.StringIO(rendered("csv", report), newline=""))) == report.images
