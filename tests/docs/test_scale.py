"""The files that docs/scale.md shows are what their readers take."""

from __future__ import annotations

import re

import pytest
import yaml
from commands import ROOT


def blocks() -> list[dict]:
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]


@pytest.mark.scale
def test_rays_launcher_takes_the_cluster() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    cluster = prepare_config(blocks()[0])
    validate_config(cluster)
    assert cluster["max_workers"] == len(cluster["provider"]["worker_ips"])


def test_the_job_mounts_the_volume_that_it_scans_on_all_nodes() -> None:
    spec = blocks()[1]["spec"]
    cluster = spec["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        (mount,) = container["volumeMounts"]
        assert [volume["name"] for volume in pod["volumes"]] == [mount["name"]]
        assert f"scan {mount['mountPath']}/" in spec["entrypoint"]
        assert f"-o {mount['mountPath']}/" in spec["entrypoint"]
