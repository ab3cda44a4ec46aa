"""Frozen records that flow from a scan to its report; all of them picklable."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cam_audit.inside import InsideFile, Root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAPS_FOLDER = "maps"
COUNTERFACTUALS_FOLDER = "counterfactuals"
PARTS_FOLDER = "parts"
# The outer eighth on each side of a picture is this share of it: where a map that looks everywhere alike would lie.
BORDER_AREA = 1 - 0.75**2
# A box that covers more than this is no object in the picture.
MAX_LOCAL_AREA = 0.5

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of the image's width and height, 0..1."""


def area_of(box: Box) -> float:
    """The share of the picture that a box covers."""
    return (box[2] - box[0]) * (box[3] - box[1])


def shared_area(a: Box, b: Box) -> float:
    """The share of the picture that two boxes both cover; 0 where they are apart."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image file of a data set.

    `name` is its path below `root`, the data set, with `/` between folders; `label` its class, as folders or a labels
    file call it, "" where nothing tells; `label_class` the net's class that the label stands for, if any; `split`
    the part of the data set (train, val, test) that the image belongs to, "" if none. `level`: how many folders of
    `name` lead to that of its class, 0 where no folder does. `inside`: the folder that no link may lead out of when the
    file is read, as `cam_audit.inside.Root` has it. `several`: where it has more than one label, all of them, each with
    its class; `label` is then these, with `;` between, and `label_class` is None.
    """

    root: str
    name: str
    label: str
    label_class: int | None
    split: str = ""
    level: int = 1
    inside: str = ""
    several: tuple[tuple[str, int], ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """The net's classes that its labels stand for."""
        if self.several:
            return tuple(index for _, index in self.several)
        return () if self.label_class is None else (self.label_class,)

    @property
    def path(self) -> str | InsideFile:
        """Where the file is."""
        return self.folder / self.name

    @property
    def folder(self) -> Root:
        """The data set, which `name` is below."""
        return Root(self.root, self.inside)

    @property
    def below_class(self) -> str:
        """The path below the folder of its class, with a leading `/`; the whole name where it is in no such folder."""
        folders = self.name.split("/", self.level)[: self.level]
        return self.name[len("/".join(folders)) :] or self.name


@dataclass(frozen=True, slots=True)
class Score:
    """A class and its probability, 0..1, by softmax, or by sigmoid for nets that end in one."""

    class_index: int
    class_name: str
    probability: float


@dataclass(frozen=True, slots=True)
class MapStatistics:
    """Where a class activation map lies.

    `peak_x`, `peak_y`: centre of the highest cell as fractions of width and height, 0..1.
    `border_share`: share of the positive map in the outer eighth of each side, 0..1; None where nothing is positive.
    `area`: share of the cells that the overlay colours (normalised map of 0.2 or more), 0..1.
    """

    peak_x: float
    peak_y: float
    border_share: float | None
    area: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How the maps of the predicted class and of the folder's class differ, where the two classes do.

    `correlation`: Pearson's, over the cells, -1..1; None where one of the maps is flat. Peaks: (x, y) fractions.
    """

    correlation: float | None
    predicted_peak: tuple[float, float]
    label_peak: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ObjectShare:
    """Where a map lies with respect to the annotated object of its image, all shares 0..1.

    `inside`: share of the positive map inside the object; `area`: the object's share of the image; `centre`: the
    share that a fixed blob at the centre would have, the honest baseline. `wins_without`: whether the predicted
    class still wins when the object is painted over. `outline`: the same number for objects of the same outline.
    """

    inside: float | None
    area: float
    centre: float
    wins_without: bool
    outline: int = 0


@dataclass(frozen=True, slots=True)
class Exif:
    """What EXIF data say of a picture, "" where they don't: camera, program, and the day, as 2024-05-31."""

    camera: str = ""
    software: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What a scan found in one image; sizes in pixels as the image is shown (EXIF orientation applied).

    `flags` are the codes that the image alone earns (CA103, CA104, CA105); the audit adds those of its class.
    `reading`: how its values became 8-bit RGB, where that is worth saying. `unannotated`: why its annotation can't be
    used. `picture_hash`: its perceptual hash, 64 bits. `exif`: what its EXIF data say. `predicted`: of a net with
    sigmoid scores, the classes that are predicted, the most probable first. `even_share`: of a net whose map is made
    for each image, how much of the score no cell of the map accounts for, 0..1.
    """

    source: ImageSource
    width: int
    height: int
    scores: tuple[Score, ...]
    label_score: float | None
    cam_class: str
    cam: MapStatistics
    overlay: str | None
    disagreement: Disagreement | None = None
    object: ObjectShare | None = None
    flags: tuple[str, ...] = ()
    reading: str = ""
    unannotated: str = ""
    picture_hash: int = 0
    exif: Exif = Exif()
    predicted: tuple[str, ...] = ()
    even_share: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the label is predicted, see `Model.deciding`; None where the folder stands for no class."""
        return self.disagreement is None if self.source.classes else None


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image that could not be scanned, with the reason in one line."""

    source: ImageSource
    reason: str


Record = ImageResult | SkippedImage


@dataclass(frozen=True, slots=True)
class Example:
    """An image that shows what a finding says, with the cue's box if it has one."""

    path: str
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """An edit of a picture: `name` is that of a function in `cam_audit.findings.edits`, the rest what it needs.

    `box`: where a patch is pasted or painted over; `mask`: bool (h, w) over the whole picture, where strokes are;
    `factors`: what red, green and blue are multiplied with; `amounts`: any other numbers that the function takes.
    """

    name: str
    box: Box | None = None
    mask: NDArray[np.bool_] | None = None
    factors: tuple[float, float, float] | None = None
    amounts: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the net says of a picture: the predicted class with its probability, and that of the cue's class."""

    class_name: str
    probability: float
    cue_probability: float


@dataclass(frozen=True, slots=True, eq=False)
class EditedPicture:
    """A picture after an edit: with which other image, by its path, and its size, if one takes part."""

    edit: Edit
    donor: str | None
    donor_size: tuple[int, int] | None
    said: Said


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """An image before and after a cue was planted in it, or taken away, and with the control.

    `test`: the name of the test; `path`, `label`: the image's; `size`: (width, height) at which it enters the net, as
    all three pictures do.
    """

    test: str
    path: str
    label: str
    size: tuple[int, int]
    before: Said
    edited: EditedPicture
    control: EditedPicture


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture of a counterfactual that is kept, below the output folder, and what the net says of it."""

    file: str
    said: Said


@dataclass(frozen=True, slots=True)
class ShownCounterfactual:
    """A counterfactual whose pictures are kept; the names are those of `Counterfactual`."""

    test: str
    path: str
    label: str
    before: ShownPicture
    edited: ShownPicture
    control: ShownPicture

    @property
    def files(self) -> tuple[str, str, str]:
        """Where the three pictures are, below the output folder."""
        return self.before.file, self.edited.file, self.control.file


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that show one picture; each has a path, a class folder and a split, "" where it has none.

    `same_pixels`: whether they are the same to the pixel, or only look the same.
    """

    paths: tuple[str, str]
    labels: tuple[str, str]
    splits: tuple[str, str]
    same_pixels: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A suspicion about a class, with its evidence: see `cam_audit.findings.codes` for codes and severities.

    `counterfactuals`: those whose pictures are kept, as proof. `pairs`: the images that show one picture, where the
    finding is about such.
    """

    code: str
    severity: str
    label: str
    message: str
    evidence: Mapping[str, float]
    examples: tuple[Example, ...]
    fingerprint: str
    counterfactuals: tuple[ShownCounterfactual, ...] = ()
    pairs: tuple[Pair, ...] = ()

    @property
    def maps_name(self) -> str:
        """Where its class maps lie below the output folder, if it has any."""
        return f"{MAPS_FOLDER}/{self.code}-{self.fingerprint[:12]}.png"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what the net looks at for a class, see `cam_audit.findings.parts`.

    `number`: 1 is the class's largest. `share`: what it adds to the class's score, -1..1; the absolute shares of a
    class's parts, and of a rest that is not listed, add up to 1. `beyond`: the same, less what it adds in images of
    other classes. `images` of the `looked_at` images show it, and `others` of `others_looked_at` images of other
    classes. `where`: object, surroundings or unknown, by `foreground_ratio`: how much more it is on the object than a
    map spread evenly; None if it was not measured. `wander`: how far it moves about beside the class's other parts, as
    a share of the sides, see `findings.wander`. `sheet`: its picture, below the output folder. `examples`: the images
    that show most of it, each with the box around it.
    """

    label: str
    number: int
    share: float
    beyond: float
    images: int
    looked_at: int
    others: int
    others_looked_at: int
    where: str
    foreground_ratio: float | None
    wander: float
    sheet: str
    examples: tuple[Example, ...]

    @property
    def fingerprint(self) -> str:
        """What tells it from any part of another scan: its class, its number and its examples with their boxes."""
        examples = [(each.path, *(f"{side:.6f}" for side in each.box or ())) for each in self.examples]
        return hashlib.sha256(ascii([self.label, self.number, examples]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, eq=False)
class PartMap:
    """Where a part lies in an image: its path, and a map, float32 (h, w), 0 or more."""

    path: str
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PartMaps:
    """Where a part lies in all images that were looked at, those with most of it first.

    `direction`: float32 (C,), of length 1: the activations that are the part.
    """

    direction: NDArray[np.float32]
    maps: tuple[PartMap, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClassMaps:
    """Where the net looks for a class, float (h, w) in units of the logit, what all classes share taken away.

    `own`: the mean map of the images that show a cue; `others`: that of the other classes' images, for the same class;
    `cover`: how much of each cell the cue covers, 0..1, on average.
    """

    own: NDArray[np.float64]
    others: NDArray[np.float64]
    cover: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConfusedImage:
    """An image whose prediction is not its folder's class, and how the maps of the two classes differ."""

    path: str
    label: str
    predicted: str
    disagreement: Disagreement


@dataclass(frozen=True, slots=True)
class WrongLabel:
    """An image whose label is likely wrong: its class folder, the class that it likely is, and the scores of both."""

    path: str
    label: str
    likely: str
    score: float
    label_score: float

    @property
    def ratio(self) -> float:
        """How many times more probable the other class is."""
        return self.score / max(self.label_score, 1e-12)


@dataclass(frozen=True, slots=True)
class MetadataGroup:
    """The images with one value in a column of metadata, and how many of those with a class of the net are right.

    `low`, `high`: the ends of the 95 % interval of the share that is right, 0..1.
    """

    column: str
    value: str
    images: int
    labelled: int
    right: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """The share that is right, 0..1; None where no image has a class of the net."""
        return self.right / self.labelled if self.labelled else None


@dataclass(frozen=True)
class AuditResult:
    """What the audit of a scan's images came to.

    `findings`: worst first; `maps`, `counterfactuals`: by a finding's fingerprint; `flags`: codes by image name, for
    every image that has any; `confused`: the images whose prediction differs from their folder; `sampled`,
    `classes_sampled`: how many images and classes the cues were looked for in; `uncovered`: by class, why not in the
    others; `passes`: forward passes spent on counterfactuals; `notes`: what the audit could not do. `parts`: of each
    class, the largest first; `part_maps`: by a part's sheet; `surroundings`: by image, the share of its class's score
    that comes from there, where it was asked. `wrong_labels`: the images whose label is likely wrong, the likeliest
    first. `groups`: by column of metadata, the accuracy for each value, the worst first.
    """

    findings: tuple[Finding, ...]
    maps: Mapping[str, ClassMaps]
    flags: Mapping[str, tuple[str, ...]]
    confused: tuple[ConfusedImage, ...]
    sampled: int
    passes: int
    notes: tuple[str, ...]
    counterfactuals: Mapping[str, tuple[Counterfactual, ...]] = field(default_factory=dict)
    classes_sampled: int = 0
    uncovered: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    part_maps: Mapping[str, PartMaps] = field(default_factory=dict)
    surroundings: Mapping[str, float] = field(default_factory=dict)
    wrong_labels: tuple[WrongLabel, ...] = ()
    groups: tuple[MetadataGroup, ...] = ()
