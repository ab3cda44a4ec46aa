"""The counterfactual pictures of a scan as a data set, as a user meets it."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from commands import run

from cam_audit.findings.edits import EDITS
from cam_audit.images.decode import read_image
from cam_audit.models.model import load_model, softmax
from cam_audit.reports.challenge import COLUMNS
from cam_audit.reports.fields import quoted


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "challenge.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        assert tuple(rows.fieldnames or ()) == COLUMNS
        return list(rows)


def test_every_counterfactual_of_the_scan_is_a_picture_in_the_folder_of_its_true_class(scanned: Path) -> None:
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    rows = table(scanned / "challenge")
    listed = json.loads((scanned / "cam-audit-out" / "counterfactuals" / "edits.json").read_text())["findings"]
    assert len(rows) == 2 * sum(len(finding["counterfactuals"]) for finding in listed) > 100
    assert result.stdout == f"challenge: {len(rows):,} pictures\n"
    pictures = {str(path.relative_to(scanned / "challenge")) for path in (scanned / "challenge").rglob("*.png")}
    assert pictures == {row["file"] for row in rows}
    for row in rows:
        assert row["file"].split("/")[0] == row["class"] == row["source"].split("/")[0]
    kinds = {(row["kind"], row["class"] == row["cue_class"]) for row in rows}
    assert kinds == {("planted", False), ("taken-away", True), ("control", False), ("control", True)}
    assert "scan" in (scanned / "challenge" / "README.md").read_text()
    assert list(scanned.glob(".challenge*")) == []


def test_the_audited_net_says_of_the_pictures_what_the_table_has(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    model = load_model(scanned / "onnx_models" / "tiny.onnx")
    for row in table(scanned / "challenge"):
        rgb, _, _ = read_image(scanned / "challenge" / row["file"])
        scores = softmax(model.run(rgb).logits)
        assert row["net_class"] == model.class_names[int(scores.argmax())]
        np.testing.assert_allclose(float(row["net_score"]), scores.max(), atol=1e-5)
        cue_class = model.class_names.index(row["cue_class"])
        np.testing.assert_allclose(float(row["net_cue_class_score"]), scores[cue_class], atol=1e-5)


def test_a_scan_of_the_challenge_counts_how_often_a_net_is_fooled(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    rows = table(scanned / "challenge")
    right = sum(row["net_class"] == row["class"] for row in rows)
    result = run(scanned, "scan", "challenge", "--net", "tiny", "-o", "again", "--fail-on", "never")
    assert f"prediction = folder in {right} of {len(rows)} " in result.stdout
    assert right < len(rows)


def counted(rows: list[dict[str, str]], said: dict[str, str]) -> set[str]:
    """How many pictures of each kind of each cue and test a net is right in, a line each, counted by hand."""
    kinds = {(row["code"], row["cue_class"], row["test"], row["kind"]) for row in rows}
    lines = set()
    for kind in kinds:
        of_kind = [row for row in rows if (row["code"], row["cue_class"], row["test"], row["kind"]) == kind]
        right = [row for row in of_kind if said[row["file"]] == row["file"].partition("/")[0]]
        lines.add(f"{' '.join(kind)} {len(right)} of {len(of_kind)} right")
    return lines


def test_the_commands_of_its_readme_run_in_the_folder_and_count(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "some folder/challenge")
    place = scanned / "some folder" / "challenge"
    indented = re.findall(r"(?:^ {4}.*\n)+", (place / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    command, script = map(textwrap.dedent, indented)
    program, *words = shlex.split(command)
    assert program == "cam-audit"
    shutil.copy(scanned / "onnx_models" / "tiny.onnx", place / words[words.index("--model") + 1])
    run(place, *words, "--overlays", "none")
    ran = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True)
    with (place / "after" / "results.csv").open(encoding="utf-8", newline="") as file:
        said = {row["path"]: row["top1_class"] for row in csv.DictReader(file)}
    rows = table(place)
    assert said == {row["file"]: row["net_class"] for row in rows}, "it is the audited net"
    printed = ran.stdout.splitlines()
    assert len(printed) == len(set(printed))
    assert set(printed) == counted(rows, said)
    assert {line.split()[3] for line in printed} == {"planted", "taken-away", "control"}


def test_a_folder_that_is_not_empty_is_left_alone(scanned: Path) -> None:
    (scanned / "mine").mkdir()
    (scanned / "mine" / "note.txt").write_text("mine")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "mine", code=2)
    assert result.stderr == "cam-audit: mine: is there already; name a new folder, or remove it\n"
    assert [path.name for path in (scanned / "mine").iterdir()] == ["note.txt"]


@pytest.mark.parametrize("named", ["empty", ".", "link"])
def test_an_empty_folder_is_filled_and_stays_the_same_folder(scanned: Path, named: str) -> None:
    empty = scanned / "empty"
    empty.mkdir(mode=0o700)
    (scanned / "link").symlink_to("empty")
    before = empty.stat()
    # the photos are found from where the scan was started, and that is not here
    settle(scanned)
    folder, out = (empty, "../cam-audit-out") if named == "." else (scanned, "cam-audit-out")
    result = run(folder, "challenge", out, "-o", named)
    rows = table(empty)
    assert result.stdout == f"{named}: {len(rows):,} pictures\n"
    assert all((empty / row["file"]).is_file() for row in rows)
    assert {path.name for path in empty.iterdir()} == {"README.md", "challenge.csv", "red", "green", "blue"}
    after = empty.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode), "a shell may be in it"
    assert (scanned / "link").is_symlink()
    assert list(scanned.glob(".*")) == []


def settle(scanned: Path) -> None:
    """Have run.json name the data set by its whole path."""
    file = scanned / "cam-audit-out" / "run.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["settings"]["dataset"] == "photos"
    document["settings"]["dataset"] = str(scanned / "photos")
    file.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "other"),
    [
        ("photos/challenge", "photos"),
        ("photos/red/challenge", "photos"),
        ("photos/empty", "photos"),
        ("photos-link/challenge", "photos"),
        ("empty/../photos/challenge", "photos"),
        ("cam-audit-out/challenge", "cam-audit-out"),
        ("cam-audit-out/counterfactuals/new/challenge", "cam-audit-out"),
    ],
)
def test_a_folder_among_the_photos_or_in_the_output_is_refused(scanned: Path, named: str, other: str) -> None:
    for folder in ("empty", "photos/empty"):
        (scanned / folder).mkdir()
    (scanned / "photos-link").symlink_to("photos")
    before = everything(scanned)
    result = run(scanned, "challenge", "cam-audit-out", "-o", named, code=2)
    assert result.stderr.startswith(f"cam-audit: {named}: lies in {other}, ")
    assert result.stderr.count("\n") == 1
    assert everything(scanned) == before


def test_a_folder_beside_the_photos_whose_name_begins_alike_is_none_of_them(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "photos-challenge")
    assert table(scanned / "photos-challenge")


def everything(folder: Path) -> set[str]:
    """All files and folders below, but what commands keep in their cache."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "cam-audit/" not in f"{path}/"}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_folder_and_what_is_in_it_follow_the_umask(scanned: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        # a process that is begun now
        run(scanned, "challenge", "cam-audit-out", "-o", "challenge", importing=True)
    finally:
        os.umask(before)
    place = scanned / "challenge"
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (place, *place.rglob("*"))}
    assert modes == {(True, 0o777 & ~mask), (False, 0o666 & ~mask)}


def test_photos_that_have_gone_are_told(scanned: Path) -> None:
    (scanned / "photos" / "blue" / "000.png").unlink()
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=3)
    assert result.stderr == (
        "note: 1 photo could not be read, and what was made of them is left out, such as blue/000.png: the file cannot "
        "be read: No such file or directory\n"
    )
    rows = table(scanned / "challenge")
    assert result.stdout == f"challenge: {len(rows):,} pictures\n"
    assert rows
    assert "blue/000.png" not in {name for row in rows for name in (row["source"], row["donor"])}
    (scanned / "photos").rename(scanned / "elsewhere")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "other", code=2)
    assert result.stderr.startswith("cam-audit: none of the photos can be read (")
    assert f"they were looked for in {scanned / 'photos'}: if the scan was started elsewhere, " in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (scanned / "other").exists()


def test_a_donor_that_has_gone_is_named_and_not_the_photo_that_it_takes_part_in(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "whole")
    rows = table(scanned / "whole")
    gone = next(row["donor"] for row in rows if row["donor"])
    (scanned / "photos" / gone).write_bytes(b"no picture")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=3)
    assert f"note: 1 photo could not be read, and what was made of them is left out, such as {gone}: " in result.stderr
    # a picture and its control go together
    lost = {row["file"].rpartition("/")[2][:4] for row in rows if gone in (row["source"], row["donor"])}
    kept = [row for row in rows if row["file"].rpartition("/")[2][:4] not in lost]
    assert len(kept) < len(rows)
    assert table(scanned / "challenge") == kept


OUTSIDE = ["../x", "/abs", "a/../../b", ""]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("key", ["class", "path", "donor", "test"])
def test_edits_that_lead_outside_are_refused(scanned: Path, key: str, name: str) -> None:
    # what stands there already is neither read nor replaced
    if name == "/abs":
        name = str(scanned / "abs")
    file = scanned / "cam-audit-out" / "counterfactuals" / "edits.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    item = document["findings"][0]["counterfactuals"][-1]
    (item["control"] if key == "donor" else item)[key] = name
    file.write_text(json.dumps(document), encoding="utf-8")
    before = everything(scanned.parent)
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    place = f"{'control.' if key == 'donor' else ''}{key}"
    why = "is no test of this version of cam-audit" if key == "test" else "leads outside"
    assert result.stderr.startswith("cam-audit: cam-audit-out/counterfactuals/edits.json: damaged: findings[0].")
    assert result.stderr.endswith(f".{place}: {quoted(name)} {why}; scan again\n")
    assert result.stdout == ""
    assert everything(scanned.parent) == before


def test_an_edit_that_is_not_known_is_refused(scanned: Path) -> None:
    file = scanned / "cam-audit-out" / "counterfactuals" / "edits.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["edits"][-1]["name"] = "melted"
    file.write_text(json.dumps(document), encoding="utf-8")
    before = everything(scanned.parent)
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert result.stderr == (
        f"cam-audit: cam-audit-out/counterfactuals/edits.json: damaged: edits[{len(document['edits']) - 1}].name: "
        f"must be {', '.join([*EDITS][:-1])} or {[*EDITS][-1]}, not 'melted'; scan again\n"
    )
    assert everything(scanned.parent) == before


@pytest.mark.parametrize("content", ["{}", "nothing", '{"edits": [], "findings": [{}], "needed": 1}'])
def test_a_damaged_list_of_edits_is_refused(scanned: Path, content: str) -> None:
    (scanned / "cam-audit-out" / "counterfactuals" / "edits.json").write_text(content)
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert "edits.json: damaged: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_scan_without_counterfactuals_has_no_challenge(scanned: Path) -> None:
    (scanned / "cam-audit-out" / "counterfactuals" / "edits.json").unlink()
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert "the scan planted no cue and took none away, or an earlier version made it; scan again" in result.stderr
    assert not (scanned / "challenge").exists()


def test_a_photo_that_is_not_the_one_that_was_scanned_is_left_out(scanned: Path) -> None:
    out = scanned / "cam-audit-out"
    row = json.loads((out / "counterfactuals" / "edits.json").read_text())["findings"][0]["counterfactuals"][0]
    photo = scanned / "photos" / row["path"]
    photo.write_bytes(photo.read_bytes() + b"\0")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=3)
    assert f"{row['path']}: not the photo that was scanned" in result.stderr
    assert row["path"] not in {row["source"] for row in table(scanned / "challenge")}


def test_no_picture_is_made_of_photos_that_the_folder_does_not_have_the_hashes_of(scanned: Path) -> None:
    (scanned / "cam-audit-out" / "photos.json").unlink()
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert result.stderr == (
        "cam-audit: cam-audit-out: has no photos.json, which says of which photos pictures are made; scan again\n"
    )
    assert not (scanned / "challenge").exists()
