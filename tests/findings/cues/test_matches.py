"""What two images have in common, by points that are moved by a known map."""

from __future__ import annotations

import numpy as np
import pytest

from cam_audit.findings.cues.matches import Keypoints, KeypointStack, Shared

# turned by some 9 degrees, sheared, and longer by a tenth: no single scale explains it within two pixels
WARP = np.array([[1.1, 0.2], [-0.15, 0.95]])
MIRROR = np.array([[-1.0, 0.0], [0.0, 1.0]])
STRETCH = np.array([[1.9, 0.0], [0.0, 1.0]])


def keypoints(places: np.ndarray) -> Keypoints:
    """Points each with a descriptor of its own, the same ones in every image."""
    descriptors = np.random.default_rng(3).gamma(0.4, 40, (len(places), 128))
    upright = np.tile([5.0, 0.0], (len(places), 1))
    return Keypoints(
        (336, 336), np.hstack([places, upright]).astype(np.float32), np.clip(descriptors, 0, 255).astype(np.uint8)
    )


def shared(here: np.ndarray, there: np.ndarray) -> Shared | None:
    stack = KeypointStack([keypoints(here), keypoints(there)])
    return next(iter(stack.shared_with(*stack.of(0), first=1)), None)


@pytest.fixture
def places() -> np.ndarray:
    """Twelve places within 100 x 100 pixels."""
    return np.random.default_rng(8).uniform(0, 100, (12, 2))


def test_what_was_warped_and_pasted_was_copied(places: np.ndarray) -> None:
    found = shared(places, places @ WARP.T + 90)
    assert found
    assert found.copied
    np.testing.assert_allclose(found.here, places, atol=1e-4)
    np.testing.assert_allclose(found.there, places @ WARP.T + 90, atol=1e-4)


def test_a_few_points_elsewhere_do_not_belong_to_it(places: np.ndarray) -> None:
    there = places @ WARP.T + 90
    there[[2, 7]] += 40
    found = shared(places, there)
    assert found
    assert found.copied
    np.testing.assert_allclose(found.here, np.delete(places, [2, 7], 0), atol=1e-4)


@pytest.mark.parametrize("linear", [MIRROR, STRETCH], ids=["mirrored", "stretched"])
def test_a_mirrored_or_much_stretched_thing_was_not_copied(linear: np.ndarray, places: np.ndarray) -> None:
    found = shared(places, places @ linear.T + 200)
    assert not (found and found.copied)


def test_seven_points_are_too_few_for_a_warp(places: np.ndarray) -> None:
    found = shared(places[:7], places[:7] @ WARP.T + 90)
    assert not (found and found.copied)


def test_what_fits_a_warp_within_two_pixels_is_merely_alike(places: np.ndarray) -> None:
    jitter = np.random.default_rng(4).uniform(-1.9, 1.9, places.shape)
    found = shared(places, places @ WARP.T + 90 + jitter)
    assert not (found and found.copied)
