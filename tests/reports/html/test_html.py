"""report.html as text: names stay text, the policy covers what is in it, and the words and numbers are right."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from canonical import HOSTILE, NAMES, canonical_report, effect, finding, image, rendered, shown
from pictures import encode
from PIL import Image

from cam_audit.findings.codes import CODES, FULL_IMAGES
from cam_audit.findings.cues.cielab import to_lab
from cam_audit.images.guards import PNG_SIGNATURE
from cam_audit.records import ConfusedImage, Disagreement, Example, Finding, Said, ShownCounterfactual, ShownPicture
from cam_audit.reports import schema
from cam_audit.reports.counts import counts_of
from cam_audit.reports.html import HERE, number, unbroken
from cam_audit.reports.html.charts import BINS, MAX_CLASSES, MAX_CONFUSED, OTHER, Charts, charts
from cam_audit.reports.html.headline import Headline, headline
from cam_audit.reports.html.steps import caveat, steps
from cam_audit.reports.scan_report import ExamplePicture, FindingPictures, ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.sheets import SheetLayout


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.raw.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = (tag, attributes, text + data)
        else:
            self.words += data

    @property
    def pictures(self) -> list[dict[str, str | None]]:
        """The attributes of all pictures but the sheets of parts."""
        return [a for tag, a in self.elements if tag == "img" and a.get("class") != "part-sheet"]

    def having(self, name: str, value: str) -> list[dict[str, str | None]]:
        """The attributes of elements that have this one, or this class among their classes."""
        return [
            a for _, a in self.elements if value in ((a.get(name) or "").split() if name == "class" else [a.get(name)])
        ]


def data_of(page: Page) -> dict:
    return next(json.loads(text) for _, attributes, text in page.raw if attributes.get("id") == "data")


def by_path(data: dict) -> dict[str, dict]:
    return {row[0]: dict(zip(data["fields"], row, strict=False)) for row in data["images"]}


def charts_of(report: ScanReport) -> Charts:
    return charts(counts_of(report).classes)


def headline_of(report: ScanReport) -> Headline:
    return headline(report, verdict_on(report, counts_of(report)))


def test_names_stay_text() -> None:
    text = rendered("html", canonical_report())
    page = Page(text)
    sheets = [attributes for tag, attributes in page.elements if tag == "img"]
    assert [(set(each), each["class"]) for each in sheets] == 3 * [
        ({*("class", "loading", "src", "alt", "width", "height")}, "part-sheet")
    ]
    assert len(page.raw) == 3, "one style, the data and one script, and none that a name brought in"
    handlers = [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert handlers == []
    assert HOSTILE in page.words
    assert "\x1b" not in text
    assert "<script>alert" not in text


def test_the_data_holds_every_image_as_it_is() -> None:
    report = canonical_report()
    data = data_of(Page(rendered("html", report)))
    assert [row[0] for row in data["images"]] == [row.path for row in report.images]
    images = by_path(data)
    assert images["dog/broken.png"]["error"] == "the file is cut off"
    cat = images["cat/2.png"]
    assert [[data["names"][name], score] for name, score in cat["scores"]] == [
        ["dog", 0.5],
        ["dog", 0.25],
        ["owl", 0.125],
    ]
    assert (cat["labelScore"], cat["wrong"], cat["peakX"], cat["insideArea"]) == (0.125, True, 0.25, 0.3)
    assert images["cat/1.png"]["wrong"] is False
    assert data["boxes"] == {example.path: list(example.box) for example in report.findings[0].examples}
    assert data["findings"][report.findings[1].fingerprint] == {"class": "cat", "code": "CA203"}


@pytest.mark.parametrize("name", ["</script>", "<!--", "\u2028\u2029", "]]>", "a&b", "\x00\r\n\t", '"\\'])
def test_no_name_breaks_out_of_the_data(name: str) -> None:
    report = canonical_report()
    row = replace(report.images[0], path=name)
    data = data_of(Page(rendered("html", replace(report, images=(row,)))))
    assert data["images"][0][0] == name


def test_a_layout_is_told_once_and_numbered() -> None:
    report = canonical_report()
    layout = SheetLayout(500, 300, 100, (8, 200), 180, 160, 184)
    sheets = {"cat/1.png": layout, "cat/2.png": replace(layout, lefts=(8, 200, 392)), "dog/1.png": layout}
    data = data_of(Page(rendered("html", replace(report, sheets=sheets))))
    images = by_path(data)
    assert [images[path]["sheet"] for path in ("cat/1.png", "cat/2.png", "dog/1.png")] == [0, 1, 0]
    assert data["sheets"] == [[500, 300, 100, 180, 160, [8, 200]], [500, 300, 100, 180, 160, [8, 200, 392]]]
    assert {image.get("sheet") for path, image in images.items() if path not in sheets} == {None}


def test_the_policy_allows_exactly_the_two_blocks_that_are_in_the_page() -> None:
    page = Page(rendered("html", canonical_report()))
    (policy,) = (a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in (policy or "").split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in (policy or "")
    for tag, attributes, text in page.raw:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not [a for _, a in page.elements if "style" in a], "an inline style would be blocked"


def test_the_name_of_an_option_stays_in_one_line() -> None:
    assert unbroken("give --label-pattern, <b>--\x1b") == (
        'give <span class="option">--label-pattern</span>, &lt;b&gt;--\ufffd'
    )


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Page(rendered("html", canonical_report()))
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            allowed = "cam-audit-out/parts/" if attributes.get("class") == "part-sheet" and name == "src" else "#"
            assert (attributes.get(name) or allowed).startswith(allowed), (tag, attributes)
    for _, _, text in page.raw[::2]:
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)


def test_findings_come_in_order_each_with_its_words_and_numbers() -> None:
    report = canonical_report()
    page = Page(rendered("html", report))
    cards = [a["data-finding"] for _, a in page.elements if "data-finding" in a]
    assert cards == [finding.fingerprint for finding in report.findings]
    words = " ".join(page.words.split())
    for each in report.findings:
        assert each.message in words
        assert CODES[each.code].limits.replace("`", "") in words
        assert each.fingerprint in words
    assert re.search(r"share of the class that stands out by the cue ?0\.2667", words)
    assert "+0.44 (+0.31 to +0.56)" in words
    assert report.notes[0] in words
    assert "the file is cut off" in words


def test_pictures_of_a_finding_are_embedded_with_the_box_of_the_cue() -> None:
    report = canonical_report()
    repeated = report.findings[0]
    number, row = next(item for item in enumerate(report.images) if item[1].path == repeated.examples[0].path)
    picture = ExamplePicture(repeated.examples[0], 200, 100, b"image", b"overlay", row, number)
    pictures = FindingPictures((picture,), (b"own", b"others", b"difference"))
    page = Page(rendered("html", replace(report, pictures={repeated.fingerprint: pictures})))
    sources = [attributes["src"] for attributes in page.pictures]
    embedded = [base64.b64decode((source or "").partition(";base64,")[2]) for source in sources]
    assert [each for each in embedded if not each.startswith(PNG_SIGNATURE)] == [
        *(b"own", b"others", b"difference"),
        *(b"image", b"overlay"),
    ]
    bars = [Image.open(io.BytesIO(each)) for each in embedded if each.startswith(PNG_SIGNATURE)]
    of_maps, of_overlays = (np.asarray(bar)[0] for bar in bars)
    # inferno ends in a pale yellow, jet in a dark red
    assert of_maps[-1].tolist() == [252, 255, 164]
    assert of_overlays[-1, 0] > 2 * of_overlays[-1, 1:].max()
    frames = page.having("class", "over")
    assert len(frames) == 2
    assert [float(frames[0][side] or 0) for side in ("x", "y", "width", "height")] == [25, 25, 75, 50]
    (pair,) = page.having("class", "pair")
    assert report.images[int(pair["data-row"] or 0)].path == repeated.examples[0].path


def trials_of(page: Page) -> list[tuple[str | None, bytes]]:
    """The pictures of counterfactuals with their words, in their order."""
    return [
        (attributes["alt"], base64.b64decode((attributes["src"] or "").removeprefix("data:image/jpeg;base64,")))
        for attributes in page.pictures
        if (attributes["src"] or "").startswith("data:image/jpeg")
    ]


def with_trials(report: ScanReport, *gone: str) -> ScanReport:
    """The report with a picture of each file of the first finding's counterfactuals, which holds the file's name."""
    first = report.findings[0]
    files = [file for each in first.counterfactuals for file in each.files if file not in gone]
    pictures = FindingPictures((), (), {file: file.encode() for file in files})
    return replace(report, pictures={first.fingerprint: pictures})


def test_a_card_shows_images_before_planted_and_with_the_control_and_then_with_the_cue_taken_away() -> None:
    page = Page(rendered("html", with_trials(canonical_report())))
    place = f"counterfactuals/CA201-{canonical_report().findings[0].fingerprint[:12]}"
    planted = [
        (f"{path}, {words}", f"{place}/paste-{number}-{kind}.jpg".encode())
        for number, path in enumerate(("cat/1.png", "dog/1.png", "cat/2.png"), 1)
        for words, kind in (("as it is", "before"), ("planted", "edited"), ("control", "control"))
    ]
    taken = [
        (f"{HOSTILE}/{NAMES[0]}, {words}", f"{place}/painted_over-1-{kind}.jpg".encode())
        for words, kind in (("as it is", "before"), ("taken away", "edited"), ("control", "control"))
    ]
    assert trials_of(page) == [*planted, *taken]
    words = " ".join(page.words.split())
    first, second = (
        words.index("Pasted in the first 3 images that were tried"),
        words.index("Painted over the first image"),
    )
    told = "as it is {0} 88% this class 6.2% planted {1} 75% control {0} 62% this class 12.5%"
    assert words[first:second].count(told.format("cat", HOSTILE)) == 2
    assert words[first:second].count(told.format("dog", HOSTILE)) == 1
    assert "Control: with another image's patch instead." in words[first:second]
    assert "taken away dog 75% this class 12.5% control" in words[second:]
    assert "Control: with another place painted over instead." in words[second:]


def test_a_caption_has_the_score_of_the_class_that_the_cue_belongs_to_where_the_net_says_another() -> None:
    report = canonical_report()
    said = {"before": Said("cat", 0.9, 0.9), "edited": Said("owl", 0.51, 0.0004), "control": Said("cat", 0.7, 0.7)}
    pictures = {kind: ShownPicture(f"{kind}.jpg", of) for kind, of in said.items()}
    own = ShownCounterfactual("cast_taken", "cat/1.png", "cat", **pictures)
    found = replace(finding("CA204", "error", "cat"), counterfactuals=(own,))
    kept = FindingPictures((), (), dict.fromkeys(own.files, b"picture"))
    page = rendered("html", replace(report, findings=(found,), pictures={found.fingerprint: kept}))
    captions = [" ".join(Page(each).words.split()) for each in re.findall("<figcaption>(.*?)</figcaption>", page)]
    assert captions[:3] == ["as it is cat 90%", "taken away owl 51% this class 0.0%", "control cat 70%"]


def test_a_counterfactual_whose_pictures_have_gone_is_not_spoken_of() -> None:
    report = canonical_report()
    *pasted, painted = report.findings[0].counterfactuals
    page = Page(rendered("html", with_trials(report, *pasted[1].files, *painted.files)))
    assert [alt for alt, _ in trials_of(page)] == [
        f"cat/{number}.png, {words}" for number in (1, 2) for words in ("as it is", "planted", "control")
    ]
    words = " ".join(page.words.split())
    assert "the first 2 images that were tried" in words
    assert words.count("images that were tried") == 1
    assert "images that were tried" not in Page(rendered("html", report)).words


def test_the_counterfactual_of_another_version_is_shown_by_its_name() -> None:
    report = canonical_report()
    odd = replace(report.findings[0], counterfactuals=(shown(report.findings[0], "melted", 1, "cat/1.png", "cat"),))
    page = Page(rendered("html", with_trials(replace(report, findings=(odd,)))))
    assert "melted the first image that was tried" in " ".join(page.words.split())
    assert len(trials_of(page)) == 3


def test_bars_tell_their_intervals_and_counts_to_those_who_cannot_see_them() -> None:
    words = " ".join(Page(rendered("html", canonical_report())).words.split())
    for told in (
        "pasted in +75%, 95% interval +52% to +86%, turned with the cue and with the control: 30 and 3 of 36",
        "painted over +50%, 95% interval +11% to +75%, turned with the cue and with the control: 4 and 0 of 8",
        "background taken away -7%, 95% interval -19% to +7%, turned with the cue and with the control: 1 and 3 of 30",
    ):
        assert told in words


def test_what_a_cue_costs_is_told_of_images_with_it_and_without_it() -> None:
    words = " ".join(re.sub("<[^>]*>", " ", rendered("html", canonical_report())).split())
    assert (
        "What it costs how many images the net calls this class "
        "this class, with the cue 7 of 8 95% interval 53% to 98% "
        "this class, without it 2 of 22 95% interval 3% to 28% other classes, with the cue no such images"
    ) in words
    assert words.count("What it costs") == 1, "where nothing was counted, nothing is told"


def bars_of(page: Page) -> list[list[tuple[str | None, float, float]]]:
    """Of each bar, the class, left and right end of its parts, in percent."""
    bars: list[list[tuple[str | None, float, float]]] = []
    for tag, attributes in page.elements:
        if tag == "svg" and attributes.get("viewbox") == "-100 0 200 10":
            bars.append([])
        elif tag == "rect" and bars and (attributes.get("class") in ("track", "met", "unmet", "tick", "threshold")):
            left = float(attributes["x"] or 0)
            bars[-1].append((attributes["class"], left, left + float(attributes["width"] or 0)))
    return bars


def test_a_bar_is_its_interval_with_the_value_on_it_and_goes_below_zero() -> None:
    numbers = effect("surroundings_", 9, 0, (0.125, 0.5), (0, 0, 0)) | effect(
        "surroundings_taken_", 0, 9, (-0.5, -0.125), (0, 0, 0)
    )
    upwards, downwards = bars_of(Page(rendered("html", report_with(finding("CA203", "note", "cat", **numbers)))))
    track, ticks = ("track", -100, 100), [("tick", -0.5, 0.5), ("threshold", 9.5, 10.5)]
    assert upwards == [track, ("met", 12.5, 50), ("met", 23.5, 26.5), *ticks]
    assert downwards == [track, ("unmet", -50, -12.5), ("unmet", -26.5, -23.5), *ticks]


@pytest.mark.parametrize("flips", [(-1.0, -0.9), (-0.9, 0.2), (0.8, 1.0)])
def test_no_part_of_a_bar_lies_beyond_its_track_or_has_a_negative_width(flips: tuple[float, float]) -> None:
    turned, control = (36, 0) if flips[0] > 0 else (0, 36)
    numbers = effect("cast_", turned, control, flips, (0, 0, 0))
    (bar,) = bars_of(Page(rendered("html", report_with(finding("CA204", "note", "cat", **numbers)))))
    for _, left, right in bar:
        assert -102 < left <= right < 102
    assert bar[1][1:] == (pytest.approx(100 * flips[0]), pytest.approx(100 * flips[1]))


def test_a_report_of_nothing_renders_too() -> None:
    empty = ScanReport({}, (), frozenset(), (), (), ())
    assert "Cues could not be looked for, as" in Page(rendered("html", empty)).words
    assert "Nothing was found" in Page(rendered("html", replace(canonical_report(), findings=()))).words
    unknown = replace(canonical_report().findings[0], code="CA999")
    assert "CA999" in Page(rendered("html", replace(canonical_report(), findings=(unknown,)))).words


def test_a_name_that_is_not_utf_8_can_be_written() -> None:
    report = canonical_report()
    odd = replace(report.findings[0], examples=(Example("cat/\udcff.png", (0, 0, 1, 1)),))
    rendered("html", replace(report, findings=(odd,))).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "written"), [(30.0, "30"), (0.0625, "0.0625"), (0.1234567, "0.1235"), (12345, "12,345"), (None, "–")]
)
def test_numbers_are_written_as_people_do(value: object, written: str) -> None:
    assert number(value) == written


def test_the_script_writes_and_reads_the_reviews_of_this_version() -> None:
    script = (HERE / "review.js").read_text(encoding="utf-8")
    assert re.findall(r"SCHEMA_VERSION = (\d+)", script) == [str(schema.REVIEW)]
    assert len(re.findall(r"schema_version(?:: | <= )SCHEMA_VERSION", script)) == 2


def met(each: Finding) -> list[bool | None]:
    return [step.met for step in steps(each)]


def test_the_three_steps_hold_as_far_as_their_numbers_do() -> None:
    repeated, border, files = canonical_report().findings
    assert met(repeated) == [True, True, True]
    assert met(border) == [True, True, False]
    assert met(files) == [True, None, None]
    cue, use, effect = steps(repeated)
    assert (cue.number, cue.threshold) == ("27%", "")
    assert cue.meaning == (
        "8 of the class's 30 images that were looked at show it. It is reported from 10% of the class on."
    )
    assert (use.number, use.threshold) == ("0.40", "at least 0.10")
    assert "(8% of the map, outlined)" in use.meaning
    assert use.meaning.endswith("The whole map adds 0.90.")
    assert (effect.number, effect.threshold) == (
        "+75",
        "percentage points, +52 to +86; at least 10, and all above 0",
    )
    assert effect.meaning == (
        "With the cue planted, 30 of 36 images of other classes became this class, and 3 with a control. With the cue "
        "taken away, 4 of 8 of its own images left the class, and 0 with a control. Planted, it moves the score by "
        "1.50 of the usual lead (95% interval: 1.25 to 1.75)."
    )


def test_how_many_show_a_cue_is_told_apart_from_how_many_stand_out_by_it() -> None:
    step = steps(finding("CA203", "warning", "cat", images=40.0, hits=30.0, score=0.5, threshold=0.25))[0]
    assert (step.met, step.number) == (True, "75%")
    assert step.meaning == (
        "30 of the class's 40 images that were looked at show it. By the border alone, without the net, 50% of the "
        "class stand out from the other classes; chance would be 2%, and it is reported from 25% on."
    )
    fewer = steps(finding("CA203", "note", "cat", images=40.0, hits=30.0, score=0.24, threshold=0.25))[0]
    assert (fewer.met, fewer.number) == (False, "75%")


# half of the map adds 2.00, so a mean half of it 1.00, of which half is asked for
@pytest.mark.parametrize(("use", "looks"), [(0.51, True), (0.49, False), (0.09, False)])
def test_the_net_does_not_look_where_its_map_is_at_its_weakest(use: float, looks: bool) -> None:
    found = finding("CA203", "warning", "cat", use=use, use_everywhere=2.0, use_area=0.5)
    step = steps(found)[1]
    assert (step.met, step.number) == (looks, f"{use:.2f}")
    weakest = "Spread evenly, the cue's place would have 1.00; it has less than half of that: the map is at its weakest"
    assert (weakest in step.meaning) == (use == 0.49)


def test_the_test_that_confirms_is_the_one_that_is_shown() -> None:
    more, less = effect("paste_", 20, 2, (-0.01, 0.9), (0, 0, 0)), effect("painted_over_", 8, 2, (0.1, 0.5), (0, 0, 0))
    told = steps(finding("CA201", "warning", "cat", **less, **more))[2]
    assert (told.met, told.number) == (True, "+17")
    assert told.threshold == "percentage points, +10 to +50; at least 10, and all above 0"
    assert [(bar.name, bar.value, bar.counts, bar.met) for bar in told.bars] == [
        ("pasted in", 0.5, "20 and 2 of 36", False),
        ("painted over", 0.166667, "8 and 2 of 36", True),
    ]


@pytest.mark.parametrize(
    ("turned", "low", "is_met"), [(10, 0.01, True), (10, 0.0, False), (9, 0.05, False), (100, 0.9, True)]
)
def test_a_test_shows_that_predictions_change_by_a_tenth_and_for_certain(turned: int, low: float, is_met: bool) -> None:
    found = finding("CA204", "note", "cat", **effect("cast_", turned, 0, (low, 1.0), (0, 0, 0), targets=100))
    assert met(found)[2] is is_met


def test_of_many_classes_the_place_of_this_one_is_told() -> None:
    numbers = effect("", 10, 0, (0.1, 0.9), (1, 0.5, 1.5)) | effect("cast_", 10, 0, (0.1, 0.9), (1, 0.5, 1.5))
    told = {
        rank: steps(finding("CA204", "note", "cat", **numbers, rank=rank, z=1.0))[2].meaning.split(". ")[-1]
        for rank in (1.0, 2.0, 3.0, 4.0, 11.0, 12.0, 13.0, 21.0, 1002.0)
    }
    endings = ("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "1,002nd")
    assert list(told.values()) == [
        f"Among all classes' scores this one comes {ending} by how much it rises." for ending in endings
    ]
    assert "all classes' scores" not in steps(finding("CA204", "note", "cat", **numbers, rank=2.0))[2].meaning, (
        "of few, it tells nothing"
    )


def test_evidence_outside_the_object_has_its_own_steps() -> None:
    numbers = {"images": 30.0, "inside_share": 0.2, "inside_area": 0.3, "centre_share": 0.5, "wins_without": 0.6}
    outside = replace(finding("CA205", "error", "cat"), evidence=numbers)
    assert [(step.met, step.number) for step in steps(outside)] == [(True, "30%"), (True, "20%"), (True, "60%")]
    kept = replace(outside, evidence={**numbers, "wins_without": 0.5})
    assert met(kept) == [True, True, False]


def test_a_small_class_is_said_to_be_small() -> None:
    strong = effect("", 36, 0, (0.9, 1.0), (2.0, 1.5, 2.5))
    small = finding("CA203", "note", "cat", images=FULL_IMAGES - 1, **strong)
    assert caveat(small).startswith(f"Classes of fewer than {FULL_IMAGES} images, here {FULL_IMAGES - 1}, stay notes")
    assert headline_of(report_with(small)).advice.startswith(f"A class of fewer than {FULL_IMAGES} images is too small")
    assert caveat(finding("CA203", "note", "cat", images=FULL_IMAGES)) == ""


TURNS, STAYS = (30, 0, (0.6, 0.95), (2.0, 1.5, 2.5)), (1, 1, (-0.1, 0.1), (0.05, -0.1, 0.2))
FALLS = (0, 20, (-0.8, -0.3), (-1.0, -1.5, -0.5))


def both_tests(planted: tuple, taken: tuple) -> dict[str, float]:
    """The numbers of a background that was planted and taken away."""
    return {
        **effect("", *planted),
        **effect("surroundings_", *planted),
        **effect("taken_", *taken),
        **effect("surroundings_taken_", *taken),
    }


ELSEWHERE = "the class's map has no more there than on other classes' images"
OTHERS_MOVE = "other classes' scores move as much"
KEPT = "more images keep the class without the cue than with the control"
ONLY_TAKEN = "planting it moves the score too little"


@pytest.mark.parametrize(
    ("planted", "taken", "numbers", "reason"),
    [
        (TURNS, STAYS, {"use": 0.0}, ELSEWHERE),
        (STAYS, TURNS, {"use": -0.2}, ELSEWHERE),
        (TURNS, STAYS, {"use": 0.3, "rank": 2.0}, OTHERS_MOVE),
        (TURNS, STAYS, {"use": 0.3, "rank": 1.0, "z": 1.99}, OTHERS_MOVE),
        (TURNS, FALLS, {"use": 0.3, "rank": 1.0}, KEPT),
        (TURNS, FALLS, {"use": 0.3, "rank": 3.0, "z": 2.0}, KEPT),
        (STAYS, TURNS, {"use": 0.3, "rank": 1.0, "taken_rank": 1.0}, ONLY_TAKEN),
        (STAYS, TURNS, {"use": 0.3, "rank": 9.0, "z": 2.0, "taken_rank": 9.0, "taken_z": 2.0}, ONLY_TAKEN),
    ],
)
@pytest.mark.parametrize("severity", ["warning", "note"])
def test_where_predictions_change_and_it_is_no_error_the_reason_is_told(
    planted: tuple, taken: tuple, numbers: dict[str, float], reason: str, severity: str
) -> None:
    found = finding("CA203", severity, "cat", **both_tests(planted, taken), **numbers)
    told = caveat(found)
    assert [each for each in (ELSEWHERE, OTHERS_MOVE, KEPT, ONLY_TAKEN) if each in told] == [reason]
    assert told.lower().endswith("no error.")
    assert caveat(replace(found, severity="error")) == ""
    assert told in " ".join(Page(rendered("html", report_with(found))).words.split())
    small = replace(found, evidence={**found.evidence, "images": FULL_IMAGES - 1.0})
    assert ("fewer than" in caveat(small)) == (severity == "note")


@pytest.mark.parametrize("severity", ["warning", "note"])
def test_where_no_prediction_changes_nothing_needs_a_reason(severity: str) -> None:
    assert caveat(finding("CA203", severity, "cat", **both_tests(STAYS, STAYS), use=0.0, rank=2.0)) == ""
    assert caveat(finding("CA206", severity, "cat")) == ""


def test_the_headline_of_notes_whose_tests_changed_predictions_does_not_say_that_nothing_shows() -> None:
    found = finding("CA203", "note", "cat", **both_tests(TURNS, STAYS), use=0.3, rank=2.0)
    assert headline_of(report_with(found)).advice.startswith("Predictions changed in some tests, but")


@pytest.mark.parametrize("rgb", [(132, 31, 38), (0, 0, 0), (255, 255, 255), (52, 99, 42), (10, 200, 250)])
def test_a_swatch_has_the_colour_that_was_measured(rgb: tuple[int, int, int]) -> None:
    lightness, a, b = to_lab(np.full((2, 2, 3), rgb, np.uint8))[0, 0]
    coloured = finding("CA203", "note", "cat", class_L=float(lightness), class_a=float(a), class_b=float(b))
    ((_, colour),) = steps(coloured)[0].swatches
    shown = [int(colour[index : index + 2], 16) for index in (1, 3, 5)]
    assert np.abs(np.subtract(shown, rgb)).max() <= 1


def report_with(*findings: Finding, **run: object) -> ScanReport:
    report = canonical_report()
    return replace(report, findings=findings, run={**report.run, **run})


@pytest.mark.parametrize(
    ("findings", "gravity", "words"),
    [
        (["error", "error", "note"], "error", "in 2 of 3 classes, predictions change with something"),
        (
            ["warning", "note"],
            "warning",
            "in 1 of 3 classes, the net's score moves with something that may not be the thing itself: c0",
        ),
        (["note"], "note", "in 1 of 3 classes, something gives the class away: c0"),
        ([], "clean", "No shortcut was found in 3 classes"),
    ],
)
def test_the_verdict_is_that_of_the_gravest_findings(findings: list[str], gravity: str, words: str) -> None:
    found = [finding("CA203", severity, f"c{index}") for index, severity in enumerate(findings)]
    came = headline_of(report_with(*found))
    assert came.gravity == gravity
    assert words in came.sentence
    assert ("Nothing shows for certain that the net goes by it" in came.advice) == (gravity == "note")


def test_the_verdict_counts_a_class_once_and_names_only_some() -> None:
    twice = headline_of(report_with(finding("CA203", "error", "cat"), finding("CA201", "error", "cat")))
    assert "1 of 3 classes" in twice.sentence
    many = headline_of(report_with(*(finding("CA203", "error", f"c{index}") for index in range(9))))
    assert many.sentence.endswith("c0, c1, c2 and 6 more.")


def test_where_nothing_was_looked_for_nothing_is_called_clean() -> None:
    came = headline_of(report_with(sampled=0))
    assert came.gravity == "unknown"
    assert "too few to look for cues" in came.advice


def grid_of(labels: int, wrong: dict[tuple[str, str], int], right: int = 5) -> ScanReport:
    """Folders c00, c01, ...: `right` images of each predicted rightly, and `wrong` by (folder, prediction)."""
    rows, confused = [], []
    for index in range(labels):
        rows += [image(f"{time}.png", f"c{index:02d}") for time in range(right)]
    for (label, predicted), times in wrong.items():
        for time in range(times):
            row = image(f"{predicted}-{time}.png", label, predicted=predicted)
            rows.append(row)
            confused.append(ConfusedImage(row.path, label, predicted, Disagreement(None, (0, 0), (0, 0))))
    return replace(canonical_report(), findings=(), images=tuple(rows), confused=tuple(confused))


def test_the_confusion_counts_every_image_once() -> None:
    chart = charts_of(grid_of(3, {("c00", "c01"): 4, ("c02", "stranger"): 2})).confusion
    assert chart
    assert chart.rows == ("c00", "c01", "c02")
    assert chart.columns == ("c00", "c01", "c02", "stranger")
    assert chart.counts == ((5, 4, 0, 0), (0, 5, 0, 0), (0, 0, 5, 2))
    assert chart.right == (0, 1, 2)


def test_of_many_classes_the_most_confused_are_shown_and_the_rest_is_one_column() -> None:
    chart = charts_of(grid_of(60, {("c40", "c50"): 9, ("c40", "far away"): 1, ("c41", "c42"): 3})).confusion
    assert chart
    assert {"c40", "c41", "c42", "c50"} <= set(chart.rows)
    assert chart.columns == (*chart.rows, "far away")
    assert len(chart.columns) == MAX_CONFUSED
    assert chart.left_out == 60 - len(chart.rows)
    assert [sum(row) for row in chart.counts] == [
        15 if row == "c40" else 8 if row == "c41" else 5 for row in chart.rows
    ]
    assert chart.counts[chart.rows.index("c40")][-1] == 1


def test_mistakes_that_find_no_column_are_counted_in_one() -> None:
    chart = charts_of(grid_of(2, {("c00", f"stranger {index:02d}"): 20 - index for index in range(20)})).confusion
    assert chart
    assert chart.columns[: MAX_CONFUSED + 1] == (*chart.rows, *(f"stranger {i:02d}" for i in range(13)), OTHER)
    assert chart.counts[0] == (5, *range(20, 7, -1), sum(range(1, 8)))


def test_a_folder_called_by_its_id_is_its_class() -> None:
    report = grid_of(2, {("c00", "tabby"): 1})
    # the images of c01 are rightly predicted as "tabby"
    rows = [replace(row, top=(("tabby", 0.5),)) if row.label == "c01" else row for row in report.images]
    chart = charts_of(replace(report, images=tuple(rows))).confusion
    assert chart
    assert chart.columns == ("c00", "tabby")
    assert chart.counts == ((5, 1), (0, 5))


def test_there_is_no_confusion_without_two_classes_of_the_net() -> None:
    report = grid_of(3, {})
    rows = tuple(replace(row, label_score=None) for row in report.images)
    assert charts_of(replace(report, images=rows)).confusion is None
    assert charts_of(grid_of(1, {})).confusion is None


def test_histograms_count_scores_by_tenths() -> None:
    scores = [0.0, 0.05, 0.1, 0.95, 1.0]
    rows = [image(f"{score}.png", "cat", score=score) for score in scores]
    wrong = ConfusedImage("cat/1.0.png", "cat", "dog", Disagreement(None, (0, 0), (0, 0)))
    report = replace(canonical_report(), images=tuple(rows), confused=(wrong,))
    (chart,) = charts_of(report).histograms
    assert chart.right == (2, 1, 0, 0, 0, 0, 0, 0, 0, 1)
    assert chart.wrong == (0,) * (BINS - 1) + (1,)
    assert (chart.median, chart.highest) == (0.1, 2)


def test_spreads_are_medians_and_quartiles_most_suspicious_first() -> None:
    rows = []
    for label, shares in (("calm", [0.1, 0.2, 0.3, 0.4, 0.5]), ("odd", [0.9]), ("none", [None])):
        rows += [replace(image(f"{s}.png", label), cam_border_share=s, inside_share=s, inside_area=0.3) for s in shares]
    drawn = charts_of(replace(canonical_report(), images=tuple(rows), confused=()))
    assert [spread.label for spread in drawn.border] == ["odd", "calm"]
    assert [spread.label for spread in drawn.inside] == ["calm", "odd"]
    calm = drawn.border[1]
    assert (calm.low, calm.middle, calm.high) == pytest.approx((0.2, 0.3, 0.4))
    assert calm.expected == pytest.approx(1 - (6 / 8) ** 2)
    assert drawn.inside[0].expected == 0.3


def test_charts_of_a_thousand_classes_stay_small() -> None:
    report = grid_of(1000, {(f"c{index:02d}", "c00"): 1 for index in range(1000)}, right=1)
    drawn = charts_of(report)
    assert len(drawn.histograms) == len(drawn.border) == MAX_CLASSES
    assert drawn.left_out == 1000 - MAX_CLASSES
    assert len(rendered("html", report)) < 600_000


def test_images_without_a_class_have_no_confusion_and_the_page_says_so() -> None:
    rows = tuple(replace(row, label="", label_score=None) for row in canonical_report().images)
    report = replace(canonical_report(), findings=(), confused=(), images=rows)
    assert "no folder is a class of the net" in Page(rendered("html", report)).words


def test_example_pictures_may_be_real_jpegs() -> None:
    report = canonical_report()
    picture = ExamplePicture(report.findings[1].examples[0], 4, 4, encode(np.zeros((4, 4, 3), np.uint8)), None)
    page = Page(
        rendered("html", replace(report, pictures={report.findings[1].fingerprint: FindingPictures((picture,), ())}))
    )
    assert "No overlays were drawn" in page.words


def test_the_verdict_on_annotated_objects_alone_says_where_the_maps_lie() -> None:
    report = canonical_report()
    images = tuple(replace(image, inside_share=0.6, inside_area=0.25) for image in report.images[:3])
    alone = replace(report, findings=(), images=images, run={**report.run, "sampled": 0})
    found = headline_of(alone)
    assert "objects more than their size would give: 60% of a map, on 25% of the image" in found.sentence
    assert found.advice.startswith("Medians of 3 images. ")
