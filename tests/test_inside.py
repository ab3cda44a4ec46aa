"""A picture of a data set is read only where it lies in the data set."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from swapping import swapped

from cam_audit import inside
from cam_audit.files import sha256_of
from cam_audit.inside import InsideFile, NoFileError, OutsideError, Root, open_file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A data set, and beside it what is nobody's business."""
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "a.png").write_bytes(b"a photo")
    (tmp_path / "photos2").mkdir()
    (tmp_path / "photos2" / "a.png").write_bytes(b"secret")
    return tmp_path / "photos"


@pytest.fixture(params=["by the system", "by the links"])
def _place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is no /proc."""
    if request.param == "by the links":
        monkeypatch.setattr(inside, "_place_of", lambda _, path: os.path.realpath(path))


def content(root: Root, name: str) -> bytes:
    with open_file(root / name) as file:
        return file.read()


@pytest.mark.usefixtures("_place")
def test_links_that_stay_inside_are_followed_and_others_are_not(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    (photos / "inner").symlink_to("cat")
    (photos / "inner.png").symlink_to(photos / "cat" / "a.png")
    (photos / "outer").symlink_to(tmp_path / "photos2")
    (photos / "outer.png").symlink_to("../photos2/a.png")
    for root in (Root.of(photos), Root.of(tmp_path / "link"), Root.of(str(photos))):
        for name in ("cat/a.png", "inner/a.png", "inner.png"):
            assert content(root, name) == b"a photo"
        for name in ("outer/a.png", "outer.png", "../photos2/a.png", "cat/../../photos2/a.png"):
            with pytest.raises(OutsideError, match="leads out of the data set; --follow-links follows it"):
                content(root, name)
            with pytest.raises(OutsideError):
                sha256_of(root / name)
    assert content(Root.of(photos, follow_links=True), "outer/a.png") == b"secret"


@pytest.mark.usefixtures("_place")
def test_another_folder_in_the_place_of_the_data_set_is_not_the_data_set(photos: Path, tmp_path: Path) -> None:
    root = pickle.loads(pickle.dumps(Root.of(photos)))
    photos.rename(tmp_path / "moved")
    photos.symlink_to(tmp_path / "photos2")
    with pytest.raises(OutsideError):
        content(root, "a.png")


def test_the_whole_file_system_may_be_the_data_set(photos: Path) -> None:
    assert content(Root.of("/"), str(photos / "cat" / "a.png").lstrip("/")) == b"a photo"


def test_pipes_and_devices_are_not_opened(photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    for path in (photos / "pipe.png", photos, Path("/dev/zero")):
        with pytest.raises(NoFileError):
            open_file(path)


def test_a_path_inside_is_a_path_everywhere(photos: Path) -> None:
    path = Root.of(photos) / "cat/a.png"
    assert isinstance(path, InsideFile)
    assert (str(path), Path(path).name, os.path.getsize(path)) == (f"{photos}/cat/a.png", "a.png", 7)


def test_a_folder_that_is_swapped_for_a_link_over_and_over_never_leads_outside(photos: Path, tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("where a file is can't be told here once it is open")
    root, outcomes = Root.of(photos), set()
    with swapped(photos / "cat", tmp_path / "photos2"):
        for attempt in range(100_000):
            if attempt >= 500 and len(outcomes) > 1:
                break
            try:
                outcomes.add(content(root, "cat/a.png"))
            except OutsideError:
                outcomes.add(b"refused")
    assert outcomes == {b"a photo", b"refused"}
