"""What a picture is once it is decoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
"""A picture, uint8 (H, W, 3), red first."""
