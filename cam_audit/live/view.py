"""What the window shows, and how keys change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

TAB, RETURN, NEWLINE, ESCAPE, BACKSPACE, DELETE = 9, 13, 10, 27, 8, 127
QUIT, SAVE = ord("q"), ord("s")
RANKS = "123"
# = is the plus key without Shift
CHANGE_SIZE = tuple(map(ord, "+=-"))
# + and - change the shortest side by a quarter of the net's own, between a half and four times of it.
SIZE_STEPS = 4
MIN_STEP, MAX_STEP = 2, 16

KEYS = (
    ("space", "freeze the picture, or go on"),
    ("s", "save a snapshot"),
    ("1 2 3", "show the map of the first, second or third class"),
    ("c", "choose a class to compare with"),
    ("+ -", "larger or smaller input: finer map, less exact scores"),
    ("h", "show or hide these keys"),
    ("q Esc", "close"),
)


@dataclass(frozen=True)
class Prompt:
    """A class being chosen: by what is `typed`, and by going through the classes that it fits.

    `order` are all classes, the most probable ones first when the choosing began; `pick` counts among those that
    fit, None while nothing is typed and nothing was gone to.
    """

    order: tuple[int, ...]
    typed: str = ""
    pick: int | None = None

    def fitting(self, class_names: Sequence[str]) -> list[int]:
        """The classes whose name contains what is typed, or whose index it is."""
        typed = self.typed.casefold()
        return [k for k in self.order if typed in class_names[k].casefold() or typed == str(k)]

    def chosen(self, class_names: Sequence[str]) -> int | None:
        """The class gone to, or None."""
        fitting = self.fitting(class_names)
        return None if self.pick is None or not fitting else fitting[self.pick % len(fitting)]


@dataclass(frozen=True)
class View:
    """What the window shows.

    `rank`: whose map, 0 for the most probable class; `compare`: a class whose map is shown beside it; `size`: the
    shortest side at which pictures enter the net, None for its own; `prompt`: where a class to compare is being chosen.
    """

    frozen: bool = False
    rank: int = 0
    compare: int | None = None
    size: int | None = None
    help: bool = False
    prompt: Prompt | None = None


def press(view: View, key: int, *, class_names: Sequence[str], order: Sequence[int], own_size: int) -> View:
    """The view after a key, as OpenCV numbers it; one without a meaning changes nothing.

    order: all classes, the most probable first; own_size: the net's own shortest side.
    QUIT, SAVE and ESCAPE are for the caller, unless a prompt takes what is typed.
    """
    if view.prompt is not None:
        return _answer(view, view.prompt, key, class_names)
    letter = chr(key) if 0 <= key < 128 else ""
    if letter == " ":
        return replace(view, frozen=not view.frozen)
    if letter in tuple(RANKS[: len(class_names)]):
        return replace(view, rank=RANKS.index(letter))
    if letter == "c":
        return replace(view, prompt=Prompt(tuple(order)), help=False)
    if letter == "h":
        return replace(view, help=not view.help)
    if key in CHANGE_SIZE:
        step = own_size / SIZE_STEPS
        size = (view.size or own_size) + (-step if letter == "-" else step)
        return replace(view, size=round(min(max(size, MIN_STEP * step), MAX_STEP * step)))
    return view


def _answer(view: View, prompt: Prompt, key: int, class_names: Sequence[str]) -> View:
    if key == ESCAPE:
        return replace(view, prompt=None)
    if key in (RETURN, NEWLINE):
        if prompt.typed and not prompt.fitting(class_names):
            return view
        return replace(view, prompt=None, compare=prompt.chosen(class_names))
    if key == TAB:
        return replace(view, prompt=replace(prompt, pick=0 if prompt.pick is None else prompt.pick + 1))
    if key in (BACKSPACE, DELETE):
        typed = prompt.typed[:-1]
    elif 32 <= key < 127:
        typed = prompt.typed + chr(key)
    else:
        return view
    return replace(view, prompt=replace(prompt, typed=typed, pick=0 if typed else None))
