"""The images that are not sampled get the flags that they would get if they were."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_sets import Rgb, audited, draw, flagged, frame, no_place, run, sources_of, stamp_anywhere, stamp_in_the_corner
from numpy.typing import NDArray

from cam_audit.findings.cues import colour, duplicates, matches
from cam_audit.findings.cues.features import image_features
from cam_audit.findings.sample import draw_key
from cam_audit.models.model import Model
from cam_audit.records import ImageSource

Plant = Callable[[Rgb, np.random.Generator], None]
pytestmark = pytest.mark.usefixtures("described_once")

ANTS, SAMPLED = 36, 18
BEARERS = {f"ant/{index:02}.png" for index in range(ANTS) if index % 3}
NAMES = [f"ant/{index:02}.png" for index in range(ANTS)]
SAMPLE = set(sorted(NAMES, key=lambda name: draw_key(ImageSource("", name, "ant", 0)))[:SAMPLED])
OTHERS = [name for name in NAMES if name not in SAMPLE]


def drawn(root: Path, plant: Plant) -> Path:
    """Ants of which two of three bear the cue, and clean bees and cows."""
    number = iter(range(ANTS))

    def on_some(rgb: Rgb, random: np.random.Generator) -> None:
        if next(number) % 3:
            plant(rgb, random)

    return draw(root, on_some, (ANTS, SAMPLED, SAMPLED))


@pytest.fixture(scope="module")
def ants(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Plant], Path]:
    """The set with a cue, which is drawn once, and which no test changes."""
    return functools.cache(lambda plant: drawn(tmp_path_factory.mktemp("ants"), plant))


@pytest.fixture(scope="module")
def framed_in_part(ants: Callable[[Plant], Path]) -> Path:
    return ants(frame)


@pytest.fixture(autouse=True)
def stamps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A red stamp also makes the whole picture redder, which would be a finding of its own, with flags of its own."""
    monkeypatch.setattr(colour, "find", lambda images, each: [])


@pytest.fixture
def few_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", SAMPLED)


@pytest.mark.parametrize("plant", [stamp_in_the_corner, stamp_anywhere, frame])
def test_flags_are_those_of_a_class_that_is_sampled_in_full(
    ants: Callable[[Plant], Path], cheat: Model, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sources_of(ants(plant))
    full = audited(cheat, sources)
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", SAMPLED)
    sampled = audited(cheat, sources)
    assert (full.sampled, sampled.sampled) == (ANTS + 2 * SAMPLED, 3 * SAMPLED)
    code = "CA102" if plant is frame else "CA101"
    assert flagged(sampled, code) == flagged(full, code)
    # one stamp of 24 lies where it is not seen
    assert len(flagged(sampled, code) & BEARERS) >= len(BEARERS) - 1
    assert flagged(sampled, "CA101") | flagged(sampled, "CA102") <= BEARERS


@pytest.mark.usefixtures("few_are_sampled")
def test_a_finding_counts_the_sample_and_the_notes_say_what_was_looked_at(framed_in_part: Path, cheat: Model) -> None:
    looks: list[tuple[int, int]] = []
    report = audited(cheat, sources_of(framed_in_part), on_look=lambda *look: looks.append(look))
    (finding,) = (finding for finding in report.findings if finding.code == "CA203")
    assert (finding.evidence["images"], finding.evidence["hits"]) == (SAMPLED, len(BEARERS & SAMPLE))
    assert {example.path for example in finding.examples} <= SAMPLE
    assert looks == [(number, ANTS - SAMPLED) for number in range(1, ANTS - SAMPLED + 1)]
    assert report.notes == (
        "cues were looked for in 54 of 72 images: at most 18 of a class, of those that can be read, and of copies of a "
        "file one",
        "in the class with a cue, the other 18 images were looked at for that cue alone",
        no_place(3),
    )
    # no cue that could be painted over: the second look took no pass
    assert report.passes == sum(finding.evidence["passes"] for finding in report.findings)


@pytest.mark.usefixtures("few_are_sampled")
def test_removals_of_the_second_look_are_counted_apart_from_the_evidence(
    ants: Callable[[Plant], Path], cheat: Model
) -> None:
    report = audited(cheat, sources_of(ants(stamp_in_the_corner)))
    followers = flagged(report, "CA101") - SAMPLE
    assert report.passes >= sum(finding.evidence["passes"] for finding in report.findings) + len(followers)
    assert len(followers) == len(BEARERS - SAMPLE)


@pytest.mark.usefixtures("few_are_sampled")
@pytest.mark.parametrize(
    ("most", "tested"), [(len(BEARERS & SAMPLE) + 9, OTHERS[::2]), (len(BEARERS & SAMPLE), []), (1, [])]
)
def test_removals_are_so_many_at_most_those_of_the_sample_among_them(
    ants: Callable[[Plant], Path], cheat: Model, monkeypatch: pytest.MonkeyPatch, most: int, tested: list[str]
) -> None:
    monkeypatch.setattr("cam_audit.findings.second_look.MAX_REMOVALS", most)
    report = audited(cheat, sources_of(ants(stamp_in_the_corner)))
    # where nine may be, every second of the others is tested, and most of them bear the stamp
    assert flagged(report, "CA101") - SAMPLE == BEARERS & set(tested)
    assert flagged(report, "CA101") & SAMPLE == BEARERS & SAMPLE
    assert flagged(report, "CA101") | flagged(report, "CA102") == BEARERS


@pytest.mark.usefixtures("few_are_sampled")
def test_an_image_that_is_gone_by_then_is_not_flagged(framed_in_part: Path, tmp_path: Path, cheat: Model) -> None:
    for folder in framed_in_part.iterdir():
        (tmp_path / folder.name).mkdir()
        for path in folder.iterdir():
            (tmp_path / folder.name / path.name).write_bytes(path.read_bytes())
    gone, torn, *_ = sorted(BEARERS - SAMPLE)

    def on_record(record: object, last: str = "cow/17.png") -> None:
        if record.source.name == last:  # type: ignore[attr-defined]
            (tmp_path / gone).unlink()
            (tmp_path / torn).write_bytes(b"torn")

    report = audited(cheat, sources_of(tmp_path), on_record=on_record)
    assert flagged(report, "CA102") == BEARERS - {gone, torn}


@pytest.mark.usefixtures("few_are_sampled")
def test_only_what_the_finder_needs_is_computed(
    framed_in_part: Path, cheat: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[str] = []
    described: list[int] = []
    find_keypoints = matches.find_keypoints

    def noted(grey: NDArray[np.uint8]) -> matches.Keypoints:
        described.append(len(scanned))
        return find_keypoints(grey)

    # an image that an earlier test described would not be described again, and nothing would be noted
    monkeypatch.setattr("cam_audit.findings.cues.features.image_features", image_features)
    monkeypatch.setattr(duplicates, "find_keypoints", noted)
    report = audited(cheat, sources_of(framed_in_part), on_record=lambda record: scanned.append(record.source.name))
    assert flagged(report, "CA102") == BEARERS
    assert described
    assert ANTS + 2 * SAMPLED not in described


@pytest.mark.usefixtures("few_are_sampled")
def test_any_number_of_workers_flags_the_same(ants: Callable[[Plant], Path], tmp_path: Path, cheat: Model) -> None:
    data = ants(stamp_anywhere)
    alone, several = tmp_path / "1", tmp_path / "5"
    run(data, cheat, alone, workers=1)
    run(data, cheat, several, workers=5)
    for name in ("results.csv", "findings.json"):
        assert (alone / name).read_bytes() == (several / name).read_bytes(), name
    assert (alone / "results.csv").read_text().count("CA101") > len(BEARERS & SAMPLE)
