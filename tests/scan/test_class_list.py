"""The names of YOLO's classes, held against a YAML parser."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cam_audit.scan.class_list import class_names, names_in_yaml

TEXTS = [
    "path: ../data\nnames:\n  0: person\n  1: traffic light\n  7: 'hair drier'\nnc: 3\n",
    "names: ['person', \"traffic light\", dog]\nnc: 3\n",
    "nc: 2\nnames:\n- person\n- traffic light # red\n\ntrain: images\n",
    "names:\n  - person\n  - 'dog, small'\n",
    "names: {0: person, 2: traffic light}\n",
    "names: [\n  person,\n  dog\n  ]\nval: x\n",
    "names: [t-shirt, x-ray]\n",
    "train: a\nval: b\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_names_are_those_that_a_parser_finds(text: str) -> None:
    names = yaml.safe_load(text).get("names", {})
    assert names_in_yaml(text) == (names if isinstance(names, dict) else dict(enumerate(names)))


def test_a_list_beside_the_boxes_goes_before_the_file_of_the_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "labels"
    folder.mkdir(parents=True)
    assert class_names(folder) == {}
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    assert class_names(folder) == {0: "cat", 1: "dog"}
    (folder / "classes.txt").write_text("ant\nbee\n")
    assert class_names(folder) == {0: "ant", 1: "bee"}
