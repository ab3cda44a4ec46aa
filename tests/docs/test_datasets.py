"""Each layout that docs/datasets.md shows is scanned by the command beneath it, with the same findings."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, run
from data_sets import CLASSES, draw, net, stamp_in_the_corner
from PIL import Image

PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}\$ cam-audit (.*)$", PAGE, re.MULTILINE)
IMAGES = 32
FINDINGS = 1


def table(file: str, rows: Iterable[tuple[object, ...]], sign: str = ",") -> None:
    with Path(file).open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, delimiter=sign, lineterminator="\n").writerows(rows)


def put(source: Path, target: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader follows the page: the same photos in every layout."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("onnx_models").mkdir()
        net(red=100, ant=0).write(folder / "onnx_models" / "NAME.onnx")
        draw(Path("photos"), stamp_in_the_corner, (IMAGES,) * 3)
        flat: list[tuple[str, str, str]] = []
        for file in sorted(Path("photos").glob("*/*.png")):
            label, number = file.parent.name, int(file.stem)
            split = "train" if number < 24 else "val"
            put(file, f"sites/{('berlin', 'paris')[number % 2]}/{label}/{file.name}")
            put(file, f"split/{split}/{label}/{file.name}")
            put(file, f"kaggle/train/{label}.{number}.png")
            put(file, f"flat/{len(flat):05}.png")
            put(file, f"ISIC_Input/ISIC_{len(flat):07}.png")
            flat.append((f"{len(flat):05}.png", label, split))
        table("flat.csv", [("image", "class", "split"), *flat])
        # the last four cows are bees, too
        one_or_two = [(name, f"{label};bee" if name > "00091.png" else label) for name, label, _ in flat]
        table("several.csv", [("image", "labels"), *one_or_two])
        table("val.txt", [(name, CLASSES.index(label)) for name, label, _ in flat], " ")
        one_hot = [
            (f"ISIC_{number:07}", *(float(label == each) for each in CLASSES))
            for number, (_, label, _) in enumerate(flat)
        ]
        table("ISIC_GroundTruth.csv", [("image", *CLASSES), *one_hot])
        metadata = [(f"HAM_{number}", f"ISIC_{number:07}", label, 80) for number, (_, label, _) in enumerate(flat)]
        table("ISIC_metadata.csv", [("lesion_id", "image_id", "dx", "age"), *metadata])
    return folder


def write_dicom(folder: Path) -> None:
    """The photos as DICOM files without a suffix, those of a class in the folders of two patients."""
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    patients = set()
    for file in sorted((folder / "photos").glob("*/*.png")):
        rgb = np.asarray(Image.open(file).convert("RGB"))
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *rgb.shape[:2], 3
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = rgb.tobytes()
        patient = f"patient {2 * CLASSES.index(file.parent.name) + int(file.stem) % 2}"
        patients.add((patient, file.parent.name))
        target = folder / "scans" / patient / f"IM{file.stem}"
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(target, enforce_file_format=True)
    table(str(folder / "patients.csv"), [("folder", "class"), *sorted(patients)], ";")


def test_the_page_has_a_command_for_each_layout() -> None:
    scanned = [shlex.split(words)[1] for words in COMMANDS]
    assert scanned == [
        *("photos", "sites", "split", "split", "flat", "flat"),
        *("ISIC_Input", "ISIC_Input", "flat", "kaggle", "scans"),
    ]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_layout_is_scanned_as_the_page_says(reader: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader)
    if " scans " in words:
        write_dicom(reader)
    run(reader, *shlex.split(words), "--overlays", "none", "--foreground", "none", "--fresh", code=FINDINGS)
    out = reader / "cam-audit-out"
    found = json.loads((out / "findings.json").read_text())["findings"]
    assert {finding["class"] for finding in found if finding["severity"] == "error"} == {"ant"}
    rows = list(csv.DictReader((out / "results.csv").open(encoding="utf-8")))
    assert {row["label"] for row in rows} == {*CLASSES, *(["bee;cow"] if "several.csv" in words else [])}
    assert len(rows) == (3 * 24 if "--split" in words else 3 * IMAGES)
    dataset = shlex.split(words)[1]
    parts = {"split": {"train", "val"}, "flat": {"train", "val"}, "kaggle": {"train"}}
    expected = (
        {"train"}
        if "--split" in words
        else set()
        if {"val.txt", "several.csv"} & set(words.split())
        else parts.get(dataset, set())
    )
    assert {row["split"] for row in rows} - {""} == expected
