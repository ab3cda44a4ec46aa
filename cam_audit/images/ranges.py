"""The ranges of a data set's pixel values, which decide what is black and white in all of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from cam_audit.errors import ImageError
from cam_audit.images.decode import ranges_of, read_bytes
from cam_audit.images.depth import ValueRange, united
from cam_audit.images.find import spread
from cam_audit.images.kinds import suffix_of
from cam_audit.inside import AnyPath
from cam_audit.workers import in_order

# Files of these hold 8 bits, or become 8 bits by what they say themselves.
_OF_8_BITS = frozenset(".jpg .jpeg .jpe .jfif .webp .bmp .dib .gif .avif .heic .heif .jxl .ras .sr .pbm".split())
# So many pictures tell a range that others, drawn from the same data set, hardly leave.
MAX_LOOKED_AT = 200


def find_ranges(paths: Sequence[AnyPath], workers: int) -> dict[str, ValueRange]:
    """The ranges of the pictures of a data set, by the kind of their values; none where all have 8 bits.

    At most MAX_LOOKED_AT of the files that may hold more are decoded, evenly spread, by so many workers.
    """
    deep = [path for path in paths if suffix_of(path) not in _OF_8_BITS]
    looked_at = in_order(workers, _ranges_of_file, spread(deep, MAX_LOOKED_AT))
    return united(found for of_file in looked_at for found in of_file)


def _ranges_of_file(path: AnyPath) -> list[tuple[str, ValueRange]]:
    try:
        return ranges_of(read_bytes(path), path)
    except (ImageError, MemoryError):
        # the scan says so
        return []
