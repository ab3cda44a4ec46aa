"""What one scan came to, as all formats render it; frozen and picklable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cam_audit.records import ConfusedImage, Example, Finding, MetadataGroup, Part, WrongLabel

if TYPE_CHECKING:
    # OpenCV is not loaded for a report of no pictures
    from cam_audit.sheets import SheetLayout


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image as a row of results.csv has it; what is not defined for it is None, "" or empty.

    `error`: why it could not be scanned, "" where it could. `top`: class and probability of at most three classes, the
    most probable first. `split`: as in `ImageSource`. `predicted`, `even_share`: as in `ImageResult`, the former with
    `;` between. Peaks, shares and areas are fractions, 0..1, as in
    `MapStatistics` and `ObjectShare`.
    """

    path: str
    label: str
    error: str = ""
    width: int | None = None
    height: int | None = None
    top: tuple[tuple[str, float], ...] = ()
    label_score: float | None = None
    cam_class: str = ""
    cam_peak_x: float | None = None
    cam_peak_y: float | None = None
    cam_border_share: float | None = None
    cam_area: float | None = None
    inside_share: float | None = None
    inside_area: float | None = None
    flags: tuple[str, ...] = ()
    overlay: str = ""
    surroundings_share: float | None = None
    split: str = ""
    predicted: str = ""
    even_share: float | None = None


class ImageRows(Protocol):
    """The rows of a scan's images, sorted by path, to go through any number of times.

    A tuple is such; so is a results.csv that is read each time (`reports.output_folder`), which takes no memory.
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[ImageRow]: ...


@dataclass(frozen=True, slots=True)
class ExamplePicture:
    """An example of a finding to embed: the image and the map over it as JPEG; no map where no overlay is there.

    `width`, `height`: of both, in pixels. `row`: what results.csv has of it; `number`: its place among the images that
    are listed, -1 where it is not.
    """

    example: Example
    width: int
    height: int
    image: bytes
    overlay: bytes | None
    row: ImageRow | None = None
    number: int = -1


@dataclass(frozen=True, slots=True)
class FindingPictures:
    """The pictures that prove a finding.

    `maps`: JPEGs of the class's mean map in images with the cue, in other classes' images, and their difference, or
    none at all. `counterfactuals`: JPEGs by the path of the picture below the output folder.
    """

    examples: tuple[ExamplePicture, ...]
    maps: tuple[bytes, ...]
    counterfactuals: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanReport:
    """What one scan's output folder holds: all that a format renders.

    `run`: what run.json says: images, errors, model, settings, versions, time. `findings`: worst first; `maps`: the
    fingerprints of those with class maps, at `Finding.maps_name`; `images`: one row an image.
    `folder`: the output folder as seen from where the rendered text will be read, "" if that is the folder itself.
    `known`: the fingerprints of the findings that a baseline accepts; `part_marks`: by the sheet of a part that it has
    marked, "shortcut" or "fine".

    `wrong_labels`, `groups`: as in `AuditResult`.

    For formats that show pictures (`cam_audit.reports.pictures.with_pictures`), `pictures`: by a finding's fingerprint;
    `label_pictures`: of the first of `wrong_labels`;
    `listed`: the images to list one by one, None for all; `sheets`: by an image's path, the layout of its overlay,
    where that is there.
    """

    run: Mapping[str, Any]
    findings: tuple[Finding, ...]
    maps: frozenset[str]
    confused: tuple[ConfusedImage, ...]
    notes: tuple[str, ...]
    images: ImageRows
    folder: str = ""
    known: frozenset[str] = frozenset()
    pictures: Mapping[str, FindingPictures] = field(default_factory=dict)
    listed: ImageRows | None = None
    sheets: Mapping[str, SheetLayout] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    part_marks: Mapping[str, str] = field(default_factory=dict)
    wrong_labels: tuple[WrongLabel, ...] = ()
    label_pictures: tuple[ExamplePicture, ...] = ()
    groups: tuple[MetadataGroup, ...] = ()
