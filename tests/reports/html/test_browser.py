"""report.html in a real browser: a reviewer opens it, looks through the images, marks them and saves the review."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from canonical import HOSTILE, NAMES, canonical_report, part
from finished_scan import OVERLAY_SIZE, PAINT, TRIAL_PAINTS, with_images, write_scan

from cam_audit.reports.output_folder import REPORT_FILE, read_results
from cam_audit.reports.review import read_review
from cam_audit.scan.write_output import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

# Chromium as root, and without the connections that it makes of its own accord.
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
REPEATED, BORDER, FILES = canonical_report().findings
MORE = 130
SHA256 = canonical_report().run["model"]["sha256"]
Open = Callable[..., "Page"]


def rendered_again(folder: Path) -> Path:
    """report.html of a scan that has ended."""
    assert write_report(read_results(folder), folder) is None
    return folder / REPORT_FILE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a scan with names from strangers and three pages of images, and its report."""
    folder = write_scan(tmp_path_factory.mktemp("scanned"), with_images(canonical_report(), MORE))
    assert write_report(read_results(folder), folder) is None
    return folder


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of a user who has never been here; anything that goes wrong in its pages fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    context.on(
        "dialog", lambda dialog: (wrong.append(dialog.message) if dialog.type == "alert" else None, dialog.accept())
    )
    yield context
    context.close()
    assert wrong == []


@pytest.fixture
def open_report(context: BrowserContext, scanned: Path) -> Open:
    def opened(file: Path = scanned / "report.html") -> Page:
        page = context.new_page()
        page.goto(file.as_uri())
        return page

    return opened


def names(page: Page) -> list[str]:
    return page.locator("#grid .tile .name").all_inner_texts()


def found(page: Page) -> str:
    return page.locator("#found").inner_text()


def wait_until(page: Page, expression: str) -> None:
    """As `page.wait_for_function`, which needs a page that lets strings be run as scripts."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def review_of(page: Page, folder: Path) -> dict:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save review.json").click()
    assert download.value.suggested_filename == "review.json"
    file = folder / "review.json"
    download.value.save_as(file)
    text = file.read_text(encoding="utf-8")
    document = json.loads(text)
    keys = [list(part) for part in (document["findings"], document["images"], document["parts"])]
    assert keys == [sorted(part) for part in keys]
    assert text == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return document


def test_the_findings_stand_there_and_nothing_in_a_name_has_run(open_report: Open) -> None:
    page = open_report()
    assert page.title().startswith("Suspicious: in 1 of 4 classes")
    assert page.get_by_role("article").count() == 3
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE in page.get_by_role("article").first.get_by_role("heading", level=3).inner_text()


def test_every_overlay_is_found_beside_the_file_whatever_its_name(open_report: Open) -> None:
    page = open_report()
    page.locator("#by-class").select_option(f"={HOSTILE}")
    tiles = page.locator("#grid .tile")
    assert tiles.count() == len(NAMES)
    for index in range(len(NAMES)):
        tiles.nth(index).scroll_into_view_if_needed()
        pictures = tiles.nth(index).locator("img")
        assert pictures.count() == 2
        pictures.first.evaluate("picture => picture.decode()")
        assert pictures.first.evaluate("picture => picture.naturalWidth") > 2 * OVERLAY_SIZE
    assert page.locator("#missing").is_hidden()


def test_a_panel_of_the_overlay_is_cut_out_exactly(open_report: Open) -> None:
    page = open_report()
    page.locator("#by-name").fill("dog/1.png")
    page.locator("#grid img").first.evaluate("picture => picture.decode()")
    page.wait_for_timeout(100)
    shot = page.locator("#grid .crop").first.screenshot()
    colours = page.evaluate(
        """async (bytes) => {
            const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
            const drawing = canvas.getContext("2d");
            drawing.drawImage(bitmap, 0, 0);
            const pixels = drawing.getImageData(1, 1, bitmap.width - 2, bitmap.height - 2).data;
            const found = new Set();
            for (let at = 0; at < pixels.length; at += 4) found.add(pixels.slice(at, at + 3).join());
            return [...found];
        }""",
        list(shot),
    )
    # neither the sheet's white paper nor its words
    assert colours == ["30,90,200"]


def test_filters_narrow_the_grid_down(open_report: Open) -> None:
    page = open_report()
    total = 12 + MORE
    assert found(page) == f"{total} images"
    page.locator("#by-class").select_option("=cat")
    assert found(page) == f"2 of {total} images"
    page.locator("#by-prediction").select_option("wrong")
    assert names(page) == ["cat/2.png"]
    page.locator("#by-class").select_option("")
    page.locator("#by-prediction").select_option("error")
    assert names(page) == ["dog/broken.png"]
    assert "the file is cut off" in page.locator("#grid .tile").inner_text()
    page.locator("#by-prediction").select_option("right")
    assert found(page) == f"{total - 2} of {total} images"
    page.locator("#by-prediction").select_option("")
    page.locator("#by-flag").select_option("CA101")
    assert found(page) == f"4 of {total} images"
    page.locator("#by-flag").select_option("any")
    assert found(page) == f"10 of {total} images"
    page.locator("#by-name").fill("ONERROR=alert(1)>.png")
    assert names(page) == [f"{HOSTILE}/{HOSTILE}.png"]
    page.locator("#by-name").fill("nothing is called so")
    assert found(page) == f"0 of {total} images"


def test_the_order_is_that_of_the_choice(open_report: Open) -> None:
    page = open_report()
    assert all(HOSTILE in name for name in names(page)[:4]), "images whose prediction follows a cue come first"
    assert "CA101" in page.locator("#grid .tile").first.inner_text()
    page.locator("#sort").select_option("low")
    assert names(page)[0] == "cat/2.png"
    page.locator("#sort").select_option("label")
    assert names(page)[0] == "cat/2.png"
    page.locator("#sort").select_option("name")
    assert names(page)[len(NAMES) : len(NAMES) + 4] == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/broken.png"]
    page.locator("#sort").select_option("high")
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_role("button", name="Next", exact=True).click()
    assert names(page)[-1] == "dog/broken.png", "what has no score comes last"


def test_pages_hold_sixty_images_each(open_report: Open) -> None:
    page = open_report()
    assert len(names(page)) == 60
    seen = names(page)
    page.get_by_role("button", name="Next", exact=True).click()
    seen += names(page)
    page.get_by_role("button", name="Next", exact=True).click()
    seen += names(page)
    assert len(set(seen)) == 12 + MORE
    assert page.get_by_role("button", name="Next", exact=True).is_disabled()
    assert page.locator("#page").inner_text() == "Page 3 of 3"


def test_an_image_opens_large_with_its_numbers_and_arrow_keys_go_on(open_report: Open) -> None:
    page = open_report()
    page.locator("#sort").select_option("name")
    page.locator("#by-class").select_option("=cat")
    page.locator("#grid .tile").nth(1).focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    assert viewer.get_by_role("heading", level=2).inner_text() == "cat/2.png"
    facts = viewer.locator("#viewer-facts").inner_text()
    for words in (
        "dog\n50.0%",
        "dog\n25.0%",
        "owl\n12.5%",
        "CA104 prediction differs from the folder",
        "25%, 75%",
        "640 × 480",
    ):
        assert words in facts
    captions = [words.partition("\n")[0] for words in viewer.locator("figcaption").all_inner_texts()]
    assert captions == ["image", "predicted: dog", "folder: cat"]
    page.keyboard.press("ArrowRight")
    assert viewer.get_by_role("heading", level=2).inner_text() == "cat/2.png", "it is the last"
    page.keyboard.press("ArrowLeft")
    assert viewer.get_by_role("heading", level=2).inner_text() == "cat/1.png"
    assert viewer.locator("#viewer-place").inner_text() == "1 of 2"
    page.keyboard.press("Escape")
    assert viewer.is_hidden()
    # one goes on where one was; a dialog tells of its end a little later
    page.locator(":focus", has_text=re.compile(r"^\s*cat/1\.png")).wait_for()


def test_closing_on_another_page_of_the_grid_turns_to_it(open_report: Open) -> None:
    page = open_report()
    page.locator("#sort").select_option("name")
    page.locator("#grid .tile").last.click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.get_by_text("Page 2 of 3").wait_for()
    assert page.evaluate("document.activeElement.innerText") == page.locator("#grid .tile").first.inner_text()


def test_keys_and_buttons_mark_and_the_review_is_saved_and_kept(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    assert page.get_by_role("button", name="Save review.json").is_disabled()
    card = page.get_by_role("article").first
    card.get_by_role("heading", level=3).click()
    page.keyboard.press("s")
    assert card.get_by_role("button", name="shortcut").get_attribute("aria-pressed") == "true"
    page.get_by_role("article").nth(1).get_by_role("button", name="unsure").click()
    page.locator("#by-class").select_option(f"={HOSTILE}")
    page.locator("#sort").select_option("name")
    for index, key in enumerate("sfusfusf"):
        page.locator("#grid .tile").nth(index).focus()
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.keyboard.press("U")
    page.keyboard.press("Escape")
    assert page.locator("#marks").inner_text() == "10 marked"
    assert page.locator("#grid .tile").last.locator(".mark").inner_text() == "unsure"

    paths = sorted(f"{HOSTILE}/{name}" for name in NAMES)
    verdicts = ["shortcut", "fine", "unsure", "shortcut", "fine", "unsure", "shortcut", "unsure"]
    expected = {
        "schema_version": 3,
        "tool": "cam-audit",
        "model_sha256": SHA256,
        "findings": {
            REPEATED.fingerprint: {"class": HOSTILE, "code": "CA201", "verdict": "shortcut"},
            BORDER.fingerprint: {"class": "cat", "code": "CA203", "verdict": "unsure"},
        },
        "images": dict(zip(paths, verdicts, strict=True)),
        "parts": {},
        "notes": {"findings": {}, "images": {}, "parts": {}},
    }
    assert review_of(page, tmp_path) == expected

    page.reload()
    assert page.locator("#marks").inner_text() == "10 marked"
    assert card.get_by_role("button", name="shortcut").get_attribute("aria-pressed") == "true"
    page.locator("#by-mark").select_option("shortcut")
    assert len(names(page)) == 3
    assert review_of(page, tmp_path) == expected


def test_a_mark_given_once_more_is_taken_away_and_all_can_be_cleared(open_report: Open) -> None:
    page = open_report()
    tile = page.locator("#grid .tile").first
    tile.focus()
    page.keyboard.press("f")
    page.keyboard.press("f")
    assert page.locator("#marks").inner_text() == "nothing marked"
    page.keyboard.press("s")
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#marks").inner_text() == "nothing marked"
    assert tile.locator(".mark").is_hidden()
    page.reload()
    assert page.locator("#marks").inner_text() == "nothing marked"


def test_typing_a_name_marks_nothing(open_report: Open) -> None:
    page = open_report()
    page.locator("#by-name").press_sequentially("suf")
    assert page.locator("#marks").inner_text() == "nothing marked"


def test_a_saved_review_can_be_gone_on_with(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    page.get_by_role("article").nth(2).get_by_role("button", name="fine").click()
    review = review_of(page, tmp_path)
    page.get_by_role("button", name="Clear").click()
    page.locator("#file").set_input_files(tmp_path / "review.json")
    page.get_by_text("1 marked").wait_for()
    assert page.locator("#alert").is_hidden()

    other = tmp_path / "other.json"
    other.write_text(
        json.dumps({**review, "model_sha256": "0" * 64, "images": {"../gone.png": "fine", "cat/1.png": "x"}})
    )
    page.locator("#file").set_input_files(other)
    page.get_by_text("other.json was made about another net").wait_for()
    assert page.locator("#marks").inner_text() == "1 marked", "what is not in this report is left out"
    other.write_text("[]")
    page.locator("#file").set_input_files(other)
    page.get_by_text("other.json is no review.json").wait_for()


def test_a_note_is_kept_saved_and_gone_on_with(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    card = page.get_by_role("article").first
    card.get_by_label("Your note on this finding").press_sequentially("fusses over the logo")
    page.locator("#by-name").fill("dog/1.png")
    page.locator("#grid .tile").first.click()
    page.get_by_label("Your note on this image").fill("look again")
    page.keyboard.press("Escape")
    page.get_by_label("Your note on this part").first.fill("a carpet")
    assert page.locator("#marks").inner_text() == "3 notes", "typing marks nothing"
    review = review_of(page, tmp_path)
    assert review["notes"]["findings"] == {REPEATED.fingerprint: "fusses over the logo"}
    assert review["notes"]["images"] == {"dog/1.png": "look again"}
    assert list(review["notes"]["parts"].values()) == ["a carpet"]
    assert read_review(tmp_path / "review.json").findings == {}
    page.get_by_role("button", name="Clear").click()
    assert card.get_by_label("Your note on this finding").input_value() == ""
    page.locator("#file").set_input_files(tmp_path / "review.json")
    page.get_by_text("3 notes").wait_for()
    page.reload()
    assert card.get_by_label("Your note on this finding").input_value() == "fusses over the logo"
    page.get_by_label("Your note on this part").first.fill(" ")
    assert page.locator("#marks").inner_text() == "2 notes"


def test_all_images_that_are_found_are_marked_at_once(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    page.locator("#by-class").select_option("=cat")
    group = page.get_by_role("group", name="Mark all images that are found")
    group.get_by_role("button", name="fine").click()
    assert review_of(page, tmp_path)["images"] == {"cat/1.png": "fine", "cat/2.png": "fine"}
    page.locator("#by-name").fill("2.png")
    group.get_by_role("button", name="no mark").click()
    assert review_of(page, tmp_path)["images"] == {"cat/1.png": "fine"}
    page.locator("#by-name").fill("nothing is called so")
    assert group.get_by_role("button", name="fine").is_disabled()


def test_arrow_keys_go_through_the_grid_and_on_to_the_next_page(open_report: Open) -> None:
    page = open_report()
    tiles = page.locator("#grid .tile")
    tiles.first.focus()
    focused = "[...document.querySelectorAll('#grid .tile')].indexOf(document.activeElement)"
    below = "tiles => tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop)"
    columns = tiles.evaluate_all(below)
    assert columns > 1
    for key, place in (("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowUp", 1), ("ArrowLeft", 0), ("End", 59)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == place
    page.keyboard.press("ArrowRight")
    assert page.locator("#page").inner_text() == "Page 2 of 3"
    assert page.evaluate(focused) == 0
    page.keyboard.press("ArrowLeft")
    assert page.locator("#page").inner_text() == "Page 1 of 3"
    assert page.evaluate(focused) == 59


def test_the_filter_stands_in_the_address(open_report: Open) -> None:
    page = open_report()
    before = page.url
    page.locator("#by-class").select_option(f"={HOSTILE}")
    page.locator("#sort").select_option("low")
    shown = names(page)
    again = page.context.new_page()
    again.goto(page.url)
    assert names(again) == shown
    assert again.locator("#by-class").input_value() == f"={HOSTILE}"
    again.goto(f"{before}#images?class=gone&flag=CA101")
    assert again.locator("#by-class").input_value() == ""
    assert found(again).startswith("4 of ")


def test_a_finding_leads_to_the_images_of_its_class_and_an_image_to_its_findings(open_report: Open) -> None:
    page = open_report()
    page.get_by_role("article").nth(1).get_by_role("link", name="All 2 images of cat").click()
    assert sorted(names(page)) == ["cat/1.png", "cat/2.png"]
    page.locator("#grid .tile").first.click()
    page.get_by_role("dialog").get_by_role("link", name="CA203").click()
    assert page.get_by_role("dialog").is_hidden()
    wait_until(page, "document.activeElement.id === 'finding-2'")


def test_a_map_is_faded_over_its_image_and_both_are_enlarged_together(open_report: Open) -> None:
    page = open_report()
    page.locator("#by-name").fill("dog/1.png")
    page.locator("#grid .tile").first.click()
    picture = page.locator("#viewer-pictures")
    over = picture.locator(".crop.over")
    assert over.count() == 1
    assert over.evaluate("map => getComputedStyle(map).opacity") == "1"
    page.locator("#opacity").fill("25")
    assert over.evaluate("map => getComputedStyle(map).opacity") == "0.25"
    first = picture.locator(".crop").first
    width = first.bounding_box()["width"]
    for _ in range(2):
        page.keyboard.press("+")
    assert first.bounding_box()["width"] == pytest.approx(2 * width, rel=0.02)
    frames = picture.locator(".frame")
    frames.first.evaluate("frame => { frame.scrollLeft = 40; }")
    wait_until(page, "document.querySelectorAll('#viewer-pictures .frame')[1].scrollLeft === 40")
    page.keyboard.press("0")
    assert first.bounding_box()["width"] == pytest.approx(width, rel=0.02)


def test_on_a_small_screen_the_viewer_can_be_closed(browser: Browser, scanned: Path) -> None:
    page = browser.new_page(viewport={"width": 400, "height": 700})
    page.goto((scanned / "report.html").as_uri())
    page.locator("#grid .tile").first.click()
    for name in ("Close", "Previous image", "Next image", "Larger"):
        box = page.get_by_role("dialog").get_by_role("button", name=name).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 400
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assert page.get_by_role("dialog").is_hidden()
    page.close()


def test_another_run_has_its_own_marks(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    page.get_by_role("article").first.get_by_role("button", name="fine").click()
    report = canonical_report()
    later = write_scan(tmp_path, replace(report, run={**report.run, "started": "2026-02-03T04:05:06+00:00"}))
    assert open_report(rendered_again(later)).locator("#marks").inner_text() == "nothing marked"


def test_a_browser_that_keeps_nothing_says_so_and_still_saves(
    context: BrowserContext, open_report: Open, tmp_path: Path
) -> None:
    context.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })")
    page = open_report()
    page.get_by_role("article").first.get_by_role("button", name="fine").click()
    assert "save review.json before you close it" in page.get_by_role("alert").inner_text()
    assert review_of(page, tmp_path)["findings"][REPEATED.fingerprint]["verdict"] == "fine"


def test_the_policy_stops_a_script_that_got_in(browser: Browser, scanned: Path) -> None:
    page = browser.new_page()
    page.goto((scanned / "report.html").as_uri())
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.owned = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.owned = true'>");
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.owned") is None
    assert sum("Content Security Policy" in text for text in blocked) >= 2
    page.close()


def test_the_file_alone_still_proves_its_findings(browser: Browser, scanned: Path, tmp_path: Path) -> None:
    alone = tmp_path / "mailed.html"
    shutil.copy(scanned / "report.html", alone)
    page = browser.new_page()
    page.goto(alone.as_uri())
    examples = page.get_by_role("article").first.locator(".pair img")
    assert examples.count() == 12
    assert all(examples.nth(index).evaluate("picture => picture.naturalWidth") > 50 for index in range(12))
    page.locator("#grid").scroll_into_view_if_needed()
    page.get_by_text("The overlays are not beside this file").wait_for()
    page.get_by_role("article").first.locator(".pair").first.click()
    pictures = page.get_by_role("dialog").locator("img")
    page.locator("#viewer img.whole").nth(1).wait_for()
    assert pictures.first.evaluate("picture => picture.naturalWidth") > 50
    page.close()


def test_a_card_shows_what_planting_the_cue_did_and_then_what_taking_it_away_did(open_report: Open) -> None:
    card = open_report().get_by_role("article").first
    rows = card.locator(".trials li")
    assert [row.split() for row in rows.all_inner_texts()] == [
        *(
            f"as it is {label} 88% this class 6.2% planted {HOSTILE} 75% control {label} 62% this class 12.5%".split()
            for label in ("cat", "dog", "cat")
        ),
        (
            f"as it is {HOSTILE} 88% this class 6.2% taken away dog 75% this class 12.5% "
            f"control {HOSTILE} 62% this class 12.5%"
        ).split(),
    ]
    pictures = rows.first.locator("img")
    shown = []
    for index in range(3):
        pictures.nth(index).evaluate("picture => picture.decode()")
        shown.append(
            pictures.nth(index).evaluate(
                """picture => {
                    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
                    const drawing = canvas.getContext("2d");
                    drawing.drawImage(picture, 0, 0);
                    return [...drawing.getImageData(9, 9, 1, 1).data.slice(0, 3)];
                }"""
            )
        )
    for colour, paint in zip(shown, TRIAL_PAINTS, strict=True):
        assert max(abs(got - painted) for got, painted in zip(colour, paint, strict=True)) <= 6
    places = [pictures.nth(index).bounding_box() for index in range(3)]
    assert [place["x"] for place in places] == sorted(place["x"] for place in places)
    assert len({place["y"] for place in places}) == 1


def test_an_interval_is_drawn_on_the_side_of_zero_that_it_is_on(open_report: Open) -> None:
    page = open_report()

    def drawn(finding: int, bar: int) -> list[tuple[float, float]]:
        """Left and right end of a bar's interval, value and zero, as shares of its track."""
        rects = page.get_by_role("article").nth(finding).locator(".bars li").nth(bar).locator("rect")
        track, *parts = (rects.nth(index).bounding_box() for index in range(4))
        return [((part["x"] - track["x"]) / track["width"], part["width"] / track["width"]) for part in parts]

    # a track goes from -100% to 100%
    for finding, bar, low, high, value in ((0, 0, 0.52, 0.86, 0.75), (1, 1, -0.19, 0.07, -2 / 30)):
        interval, marker, zero = drawn(finding, bar)
        assert interval == pytest.approx(((1 + low) / 2, (high - low) / 2), abs=0.01)
        assert marker[0] + marker[1] / 2 == pytest.approx((1 + value) / 2, abs=0.01)
        assert zero[0] + zero[1] / 2 == pytest.approx(1 / 2, abs=0.01)


def test_an_example_opens_in_the_viewer_which_goes_through_the_examples(open_report: Open) -> None:
    page = open_report()
    page.get_by_role("article").first.locator(".pair").nth(1).click()
    viewer = page.get_by_role("dialog")
    assert viewer.locator("#viewer-place").inner_text() == "2 of 6"
    assert viewer.locator("rect.over").count() == 2, "the cue is framed in the image and in the map"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "pair"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_any_width_and_is_accessible(browser: Browser, scanned: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto((scanned / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for state in ("page", "viewer"):
        if state == "viewer":
            page.locator("#grid .tile").first.click()
            page.keyboard.press("s")
        violations = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    context.close()


def test_without_scripts_the_findings_and_charts_are_there(browser: Browser, scanned: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((scanned / "report.html").as_uri())
    assert page.get_by_role("article").count() == 3
    assert page.get_by_role("img", name="Confusion").is_visible()
    assert page.get_by_text("scripts are switched off").is_visible()
    assert page.get_by_role("button", name="Save review.json").is_hidden()
    context.close()


PARTS = [part.fingerprint for part in canonical_report().parts]


def focused(page: Page) -> str:
    """What has the focus: a part's number, a finding's fingerprint, or the words of a class."""
    here = page.evaluate("(({dataset, innerText}) => ({...dataset, innerText}))(document.activeElement)")
    return here.get("part") or here.get("finding") or here["innerText"].split("\n")[0]


def test_keys_go_from_finding_to_part_and_mark_it(open_report: Open, tmp_path: Path) -> None:
    page = open_report()
    # the parts of the hostile class, then those of the cat
    order = [*(finding.fingerprint for finding in canonical_report().findings), "1", "2", "0"]
    seen = []
    for _ in range(len(order) + 1):
        page.keyboard.press("j")
        seen.append(focused(page))
    assert seen == [*order, "0"]
    page.keyboard.press("k")
    page.keyboard.press("s")
    part = page.locator("[data-part='2']")
    assert part.get_by_role("button", name="shortcut").get_attribute("aria-pressed") == "true"
    assert part.evaluate("part => getComputedStyle(part).boxShadow") != "none", "the focus is seen"
    page.locator("[data-part='0']").get_by_role("button", name="fine").click()
    # what is typed into the search marks nothing and goes nowhere
    page.locator("#by-name").press_sequentially("jksf")
    assert page.locator("#marks").inner_text() == "2 marked"
    assert page.locator(".class-marks").all_inner_texts() == [", 1 marked", ", 1 marked"]
    expected = {
        PARTS[2]: {"class": HOSTILE, "number": 2, "verdict": "shortcut"},
        PARTS[0]: {"class": "cat", "number": 1, "verdict": "fine"},
    }
    assert review_of(page, tmp_path)["parts"] == expected
    page.reload()
    assert page.locator("#marks").inner_text() == "2 marked"
    assert review_of(page, tmp_path)["parts"] == expected
    # as a version wrote it that marked no parts
    page.get_by_role("button", name="Clear").click()
    older = {
        "schema_version": 1,
        "tool": "cam-audit",
        "model_sha256": SHA256,
        "findings": {},
        "images": {"cat/1.png": "fine"},
    }
    (tmp_path / "older.json").write_text(json.dumps(older))
    page.locator("#file").set_input_files(tmp_path / "older.json")
    page.get_by_text("1 marked", exact=True).first.wait_for()
    assert page.locator("#alert").is_hidden()


def test_a_folded_class_is_one_stop_and_unfolds_by_key(open_report: Open) -> None:
    page = open_report()
    page.evaluate("document.querySelectorAll('.class-parts').forEach(each => each.open = false)")
    for _ in range(len(canonical_report().findings) + 1):
        page.keyboard.press("j")
    assert focused(page) == HOSTILE
    page.keyboard.press("j")
    assert focused(page) == "cat"
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    assert focused(page) == "0"


def test_the_pictures_of_a_part_are_cut_out_of_its_sheet_and_open_large(open_report: Open) -> None:
    page = open_report()
    part = page.locator("[data-part='1']")
    part.scroll_into_view_if_needed()
    tiles = part.locator(".part-tile")
    assert tiles.count() == 6
    # the policy forbids to wait for an expression
    page.evaluate("Promise.all([...document.querySelectorAll('[data-part=\"1\"] img')].map(each => each.decode()))")
    boxes = [tile.bounding_box() for tile in tiles.all()]
    assert len({round(box["y"]) for box in boxes if box}) == 1, "in a row"
    # the sheet is six times the image's colour with white between, and no white is to be seen
    shot = cv2.imdecode(np.frombuffer(tiles.nth(3).screenshot(), np.uint8), cv2.IMREAD_COLOR)[6:-6, 6:-6, ::-1]
    assert np.abs(shot.astype(int) - PAINT).max() < 12
    part.focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    viewer.get_by_text("1 of 6").wait_for()
    page.keyboard.press("ArrowRight")
    viewer.get_by_text("2 of 6").wait_for()
    page.keyboard.press("Escape")


def test_parts_whose_pictures_are_not_beside_the_file_say_so(browser: Browser, scanned: Path, tmp_path: Path) -> None:
    shutil.copy(scanned / "report.html", tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    part = page.locator("[data-part='1']")
    part.scroll_into_view_if_needed()
    part.get_by_text("The pictures of this part are not beside this file").wait_for()
    page.close()


def test_of_a_hundred_classes_only_the_pictures_of_those_that_are_opened_are_loaded(
    browser: Browser, tmp_path: Path
) -> None:
    labels = [f"class {number:03}" for number in range(100)]
    parts = tuple(part(label, number, 0.2, "object", 2.0, "dog/1.png") for label in labels for number in (1, 2, 3))
    folder = write_scan(tmp_path, replace(canonical_report(), parts=parts), overlays=False)
    page = browser.new_page()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(rendered_again(folder).as_uri())
    page.get_by_role("heading", name="What the net looks at").scroll_into_view_if_needed()
    assert page.locator(".class-parts").count() == 100
    assert [address for address in loaded if "/parts/" in address] == []
    page.locator(".class-parts summary").nth(1).click()
    page.locator("[data-part] .part-tile img").first.wait_for()
    page.evaluate(
        "Promise.all([...document.querySelectorAll('[data-part] .part-tile img')].map(each => each.decode()))"
    )
    shown = {address.partition("/parts/")[2] for address in loaded if "/parts/" in address}
    assert shown == {f"class%20001/{number}.jpg" for number in (1, 2, 3)}
    page.close()
