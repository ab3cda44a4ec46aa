"""A net with what a scan observed of it: classes of folders, order, the margin that is usual, pictures and maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from measured import COLOUR_OF, cells, observed

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.sample import Collected, draw_key
from cam_audit.models.model import Model

Observe = Callable[..., Collected]


@pytest.fixture
def observe(tmp_path: Path, model: Model) -> Observe:
    """Observations of folders of pictures, each picture given by how many of its 16 cells have which colour."""

    def observe(classes: dict[str, int | None] | None = None, **folders: list[dict[str, int]]) -> Collected:
        pictures = {label: [cells(**each) for each in group] for label, group in folders.items()}
        return observed(tmp_path, model, pictures, classes or {})

    return observe


def test_a_folder_is_the_class_that_it_is_labelled_with_or_the_one_predicted_most_in_it(
    observe: Observe, model: Model
) -> None:
    net = audited_net(
        model,
        observe(
            {"blue": 2, "holiday": None},
            blue=[{"red": 4}] * 3,
            holiday=[{"green": 4}, {"red": 4}, {"green": 4}],
        ),
    )
    assert net.class_of == {"blue": 2, "holiday": 1}
    assert [net.is_right(each) for each in net.groups["blue"]] == [False] * 3
    right = {name: net.is_right(each) for name, each in net.observations("holiday").items()}
    assert right == {"holiday/0.png": True, "holiday/1.png": False, "holiday/2.png": True}


def test_the_usual_margin_is_the_median_of_those_that_are_right(observe: Observe, model: Model) -> None:
    net = audited_net(
        model,
        observe(
            {"holiday": None},
            # a cell adds 0.5 to its colour's logit, and `other` has 0.5
            red=[{"red": 4}, {"red": 8, "green": 2}, {"green": 8}],  # 2 - 0.5, 4 - 1, wrong
            holiday=[{"blue": 3}, {"blue": 6}, {"red": 16}],  # 1.5 - 0.5, 3 - 0.5, not what the folder is
        ),
    )
    assert net.scale == pytest.approx((1.5 + 2.5) / 2, abs=1e-5)


def test_where_no_prediction_is_right_there_is_no_usual_margin(observe: Observe, model: Model) -> None:
    assert audited_net(model, observe(red=[{"green": 4}], green=[{"red": 4}])).scale is None


def test_images_are_in_the_order_in_which_they_are_drawn_whatever_order_they_came_in(
    observe: Observe, model: Model
) -> None:
    collected = observe(red=[{"red": 4}] * 9, green=[{"green": 4}] * 5)
    turned = Collected()
    turned.observations = dict(reversed(list(collected.observations.items())))
    turned.total = collected.total
    for net in (audited_net(model, collected), audited_net(model, turned)):
        assert {label: len(group) for label, group in net.groups.items()} == {"green": 5, "red": 9}
        for label, group in net.groups.items():
            keys = [draw_key(each.source) for each in group]
            assert keys == sorted(keys)
            assert {each.source.name for each in group} == set(net.observations(label))
    names = [each.source.name for each in audited_net(model, collected).groups["red"]]
    assert names != sorted(names)


def test_a_picture_enters_the_net_as_it_did_in_the_scan(observe: Observe, model: Model) -> None:
    net = audited_net(model, observe(red=[{"red": 4}]), shortest=16)
    picture = net.picture(net.groups["red"][0])
    assert picture is not None
    np.testing.assert_array_equal(picture, cells(red=4)[::2, ::2])


@pytest.fixture
def gone(observe: Observe, model: Model) -> AuditedNet:
    """A folder of no class whose first image is gone, and whose second is torn."""
    collected = observe({"holiday": None}, holiday=[{"green": 4}, {"green": 4}, {"red": 4}, {"green": 4}])
    paths = [Path(each.source.path) for _, each in sorted(collected.observations.items())]
    paths[0].unlink()
    paths[2].write_bytes(b"torn")
    return audited_net(model, collected)


def test_a_picture_that_is_gone_or_torn_is_none(gone: AuditedNet) -> None:
    assert {name: gone.picture(each) is None for name, each in gone.observations("holiday").items()} == {
        "holiday/0.png": True,
        "holiday/1.png": False,
        "holiday/2.png": True,
        "holiday/3.png": False,
    }


def test_the_map_of_the_folders_class_is_computed_where_the_scan_kept_anothers(observe: Observe, model: Model) -> None:
    net = audited_net(model, observe({"holiday": None}, holiday=[{"red": 4}, {"green": 4}, {"green": 6, "red": 8}] * 3))
    labelled = audited_net(
        model, observe({"holiday": 0}, holiday=[{"red": 4}, {"green": 4}, {"green": 6, "red": 8}] * 3)
    )
    assert net.class_of == labelled.class_of == {"holiday": 0}
    for name, observation in net.observations("holiday").items():
        own = net.own_map(observation)
        kept = labelled.observations("holiday")[name].own_map
        np.testing.assert_allclose(own, kept, atol=1e-5)
    # of green, a cell adds 8 to its own map, and takes a quarter of that from all
    (green, *_) = (each for each in net.groups["holiday"] if each.predicted == COLOUR_OF["green"])
    assert green.map_class == 1
    np.testing.assert_allclose(net.own_map(green), [[-2] * 4, *[[0] * 4] * 3], atol=1e-4)


def test_of_an_image_that_is_gone_the_map_that_was_kept_is_there_and_no_other(gone: AuditedNet) -> None:
    observations = gone.observations("holiday")
    assert gone.own_map(observations["holiday/0.png"]) is observations["holiday/0.png"].own_map
    assert gone.own_map(observations["holiday/2.png"]) is None
