"""The images that are not sampled get the flags that they would get if they were."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import Rgb, audited, draw, flagged, frame, no_place, run, sources_of, stamp_anywhere, stamp_in_the_corner
from numpy.typing import NDArray
from pictures import encode
from tiny_net import CELL, TinyNet

from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.class_parts import ClassParts
from cam_audit.findings.cues import colour, duplicates, matches, statistics
from cam_audit.findings.cues.features import image_features
from cam_audit.findings.map_use import ActivationSum
from cam_audit.findings.parts import Pieces, ScoreSplit
from cam_audit.findings.sample import draw_key
from cam_audit.findings.second_look import SecondLook, look_around
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model, Prediction, load_model
from cam_audit.records import ImageSource, Part
from cam_audit.workers import in_order, one_by_one

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
    """A red stamp also makes the whole picture redder, and a frame flatter: findings and flags of their own."""
    monkeypatch.setattr(colour, "find", lambda images, each: [])
    monkeypatch.setattr(statistics, "find", lambda images, each: [])


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
        "picture one",
        "in the class with a cue, the other 18 images were looked at for that cue alone",
        no_place("ant", "bee", "cow"),
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


def around_net() -> TinyNet:
    """Knows red (1 where a cell is purely red) and light (1 where it is white, and 0 where it is red)."""
    conv = np.empty((2, 3, CELL, CELL), np.float32)
    conv[0] = np.array([1, -0.5, -0.5])[:, None, None] / CELL**2
    conv[1] = np.array([-1, 1, 1])[:, None, None] / CELL**2
    return TinyNet(conv, np.eye(2, dtype=np.float32), np.zeros(2, np.float32), ("ox", "owl"))


# A red cell adds 3 to an ox's score, a white one 2.
WEIGHT = np.array([3, 2], np.float32)
WHITE, LIGHT, BLACK, PURE_RED = (255, 255, 255), (204, 204, 204), (0, 0, 0), (255, 0, 0)


def oxen(*where: str, shares: Sequence[float] = (0.5, 0.5)) -> ClassParts:
    """Oxen have two parts, red and light, which lie where it is told."""
    nowhere = np.zeros(0, bool)
    pieces = tuple(
        Pieces(
            share,
            share,
            np.eye(2, dtype=np.float32)[factor],
            factor,
            1.0,
            (),
            np.zeros(0, np.float32),
            nowhere,
            nowhere,
        )
        for factor, share in enumerate(shares)
    )
    parts = tuple(Part("ox", n, 0.5, 0.5, 0, 0, 0, 0, place, 1.0, 0.0, "", ()) for n, place in enumerate(where, 1))
    return ClassParts("ox", 0, (), (), WEIGHT, ScoreSplit(pieces, 0.0, np.eye(2, dtype=np.float32)), parts)


def of_cells(*rows: str) -> Rgb:
    """A cell of 8 x 8 pixels for each letter."""
    colours = {"w": WHITE, "l": LIGHT, ".": BLACK, "r": PURE_RED}
    small = np.array([[colours[letter] for letter in row] for row in rows], np.uint8)
    return small.repeat(CELL, axis=0).repeat(CELL, axis=1)


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        # light: 3 x .8 x 2, red: 2 x 3
        (("r.l.", ".l..", "..r.", "l..."), 4.8 / 10.8),
        (("r...", ".r..", "..r.", "...r"), 0.0),
        (("l...", ".l..", "..l.", "...l"), 1.0),
        # above and below there is white padding, which would add 8 x 2
        (("wwww", "r.l.", ".l.r", "wwww"), 3.2 / 9.2),
        # on the left
        (("wrl.", "w.l.", "wr..", "w..l"), 4.8 / 10.8),
        # what is white within the picture is no padding
        (("r...", "wwww", ".r..", "..r."), 8 / 17),
        # a picture that is not square has more cells
        (("r.l...l.", ".l...l..", "..r...r.", "l...l..r"), 9.6 / 21.6),
        (("....",) * 4, 0.0),
    ],
)
def test_the_share_around_is_what_its_cells_add_of_all_but_padding(
    tmp_path: Path, rows: Sequence[str], share: float
) -> None:
    net = AuditedNet(load_model(around_net().write(tmp_path / "net.onnx")), {}, {}, ActivationSum(), None)
    (tmp_path / "ox.png").write_bytes(encode(of_cells(*rows)))
    source = ImageSource(str(tmp_path), "ox.png", "ox", 0)
    (look,) = look_around(net, oxen("object", "surroundings"), [source], one_by_one)
    assert (look.name, look.follows, look.passes) == ("ox.png", (), 1)
    assert look.surroundings == pytest.approx(share, abs=1e-5)
    (other,) = look_around(net, oxen("surroundings", "object"), [source], one_by_one)
    assert other.surroundings == pytest.approx(1 - share if "r" in "".join(rows) else 0, abs=1e-5)


def test_of_a_class_whose_parts_around_speak_against_it_no_image_has_a_share_there(tmp_path: Path) -> None:
    net = AuditedNet(load_model(around_net().write(tmp_path / "net.onnx")), {}, {}, ActivationSum(), None)
    (tmp_path / "ox.png").write_bytes(encode(of_cells("r.l.", ".l..", "..r.", "l...")))
    sources = [ImageSource(str(tmp_path), "ox.png", "ox", 0)]
    for found in (oxen("object", "surroundings", shares=(0.5, -0.5)), oxen("unknown", "unknown")):
        assert [look.surroundings for look in look_around(net, found, sources, one_by_one)] == [0.0]


def test_what_cannot_be_read_has_no_share_takes_no_pass_and_leaves_the_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = AuditedNet(load_model(around_net().write(tmp_path / "net.onnx")), {}, {}, ActivationSum(), None)
    for name in ("a", "d"):
        (tmp_path / f"{name}.png").write_bytes(encode(of_cells("r.l.", ".l..", "..r.", "l...")))
    (tmp_path / "b.png").write_bytes(b"torn")
    (tmp_path / "e.png").write_bytes(encode(of_cells("rl", "lr")))
    sources = [ImageSource(str(tmp_path), f"{name}.png", "ox", 0) for name in "abcde"]
    passes: list[int] = []
    run = Model.run

    def run_counted(model: Model, rgb: Rgb, *, features: bool = False) -> Prediction:
        passes.append(1)
        return run(model, rgb, features=features)

    def too_large(path: str, **options: Any) -> Any:
        if path.endswith("e.png"):
            raise MemoryError
        return read_image(path, **options)

    monkeypatch.setattr(Model, "run", run_counted)
    monkeypatch.setattr("cam_audit.findings.second_look.read_image", too_large)
    looks = list(look_around(net, oxen("object", "surroundings"), sources, functools.partial(in_order, 3)))
    assert [look.name for look in looks] == [source.name for source in sources]
    assert [look.surroundings is None for look in looks] == [False, True, True, False, True]
    assert looks[0].surroundings == looks[3].surroundings
    assert [look.passes for look in looks] == [1, 0, 0, 1, 0]
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("follows", "surroundings", "passes"),
    [((), None, 0), ((None,), None, 0), ((True, False, None), None, 2), ((), 0.0, 1), ((True,), 0.5, 2)],
)
def test_a_look_counts_its_passes(follows: tuple[bool | None, ...], surroundings: float | None, passes: int) -> None:
    assert SecondLook("a", follows, surroundings).passes == passes
