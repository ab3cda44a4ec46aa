"""The names of YOLO's classes, from the files in which programs write them beside the boxes."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

# A line a class; and the file of a data set, whose `names` are a list or tell the name of each number.
LISTS = ("classes.txt", "obj.names")
YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
# `data.yaml` lies in the data set's folder, and the boxes in one like `train/labels` below it.
MAX_FOLDERS_UP = 2
_NAMES = re.compile(r"^names[ \t]*:[ \t]*(.*(?:\n(?:[ \t-].*)?)*)", re.MULTILINE)
_QUOTED_OR_PLAIN = r"""(?:"([^"\n]*)"|'([^'\n]*)'|([^\s,:{}\[\]#"'-][^,:{}\[\]#\n]*))"""
_NUMBERED = re.compile(rf"(?:^|[{{,\n])\s*(\d+)[ \t]*:[ \t]*{_QUOTED_OR_PLAIN}")
_LISTED = re.compile(rf"(?:^|[\[,]|\n[ \t]*-)\s*{_QUOTED_OR_PLAIN}")


def class_names(folder: Path) -> dict[int, str]:
    """The names by their numbers, from the first such file in a folder of boxes or up to two above it; else none."""
    for place in itertools.islice((folder.absolute(), *folder.absolute().parents), MAX_FOLDERS_UP + 1):
        # a list elsewhere may be of anything
        for name in (*LISTS, *YAML_FILES) if place == folder.absolute() else YAML_FILES:
            file = place / name
            if file.is_file():
                text = file.read_text("utf-8-sig", "replace")
                return dict(enumerate(text.splitlines())) if name in LISTS else names_in_yaml(text)
    return {}


def names_in_yaml(text: str) -> dict[int, str]:
    """The classes that `names` tells: a list, or numbers with their names, in YAML's block or flow style."""
    found = _NAMES.search(text)
    if not found:
        return {}
    names = {int(number): _plain(*name) for number, *name in _NUMBERED.findall(found[1])}
    return names or dict(enumerate(_plain(*name) for name in _LISTED.findall(found[1])))


def _plain(double: str, single: str, plain: str) -> str:
    return double or single or plain.strip()
