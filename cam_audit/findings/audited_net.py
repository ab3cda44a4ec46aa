"""A net and what a scan observed of it, ready to measure causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from statistics import median

from cam_audit.cam import Map
from cam_audit.errors import ImageError
from cam_audit.findings.map_use import ActivationSum, centred_map, centred_weight, on_grid
from cam_audit.findings.sample import Collected, Observation, draw_key
from cam_audit.images.decode import read_image
from cam_audit.images.depth import Ranges
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model

# Pictures that are kept while a cause is measured, some 200 KB each.
KEPT = 64


@dataclass(frozen=True, eq=False)
class AuditedNet:
    """A net and what was observed of it, ready to measure causes.

    `groups`: the observations of each class folder, by its name, in the order in which they are drawn; `class_of`: the
    class that each folder stands for; `total`: the sum of all activations; `scale`: the median correct margin, in
    logits, None where no prediction is right. `shortest` as in `Model.fit`, `needed` and `ranges` as in `decode`:
    pictures enter the net as they did in the scan. `copies`: how many images of each folder were left out as copies.
    """

    model: Model
    groups: Mapping[str, Sequence[Observation]]
    class_of: Mapping[str, int]
    total: ActivationSum
    scale: float | None
    shortest: int | None = None
    needed: int | None = None
    ranges: Ranges = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)

    def observations(self, label: str) -> dict[str, Observation]:
        """Those of a class folder, by the name of their image."""
        return {observation.source.name: observation for observation in self.groups[label]}

    def is_right(self, observation: Observation) -> bool:
        """Whether an image is predicted as the class of its folder."""
        return self.predicts(observation, self.class_of[observation.source.label])

    def predicts(self, observation: Observation, class_index: int) -> bool:
        """Whether a class is predicted for an image, as by `Model.predicts`."""
        if observation.logits is None:
            return observation.predicted == class_index
        return self.model.predicts(observation.logits, class_index)

    def picture(self, observation: Observation) -> RgbImage | None:
        """A picture as it enters the net; None for one that can no longer be read."""
        try:
            return self.model.fit(
                read_image(observation.source.path, needed=self.needed, ranges=self.ranges)[0], self.shortest
            )
        except ImageError:
            return None

    def own_map(self, observation: Observation) -> Map | None:
        """The centred map of the class of an image's folder; another pass where the scan had that of another class."""
        class_index = self.class_of[observation.source.label]
        if observation.map_class == class_index:
            return observation.own_map
        picture = self.picture(observation)
        if picture is None:
            return None
        activations = on_grid(self.model.run(picture).activations, self.model.map_size)
        return centred_map(centred_weight(self.model, class_index), activations)


class KeptPictures:
    """`AuditedNet.picture`, of which the last pictures are kept; another process keeps its own."""

    def __init__(self, net: AuditedNet) -> None:
        self._net = net
        self._kept = lru_cache(KEPT)(net.picture)

    def __call__(self, observation: Observation) -> RgbImage | None:
        return self._kept(observation)

    def __reduce__(self) -> tuple[type[KeptPictures], tuple[AuditedNet]]:
        return KeptPictures, (self._net,)


def audited_net(
    model: Model,
    collected: Collected,
    *,
    shortest: int | None = None,
    needed: int | None = None,
    ranges: Ranges | None = None,
    copies: Mapping[str, int] | None = None,
) -> AuditedNet:
    """A net with what a scan collected; the numbers are those of `AuditedNet`."""
    groups: dict[str, list[Observation]] = {}
    for _, observation in sorted(collected.observations.items()):
        groups.setdefault(observation.source.label, []).append(observation)
    for group in groups.values():
        group.sort(key=lambda observation: draw_key(observation.source))
    class_of = {label: class_index_of(group) for label, group in groups.items()}
    margins = [
        observation.margin
        for observation in chain.from_iterable(groups.values())
        if observation.predicted == class_of[observation.source.label]
    ]
    scale = (median(margins) or None) if margins else None
    return AuditedNet(model, groups, class_of, collected.total, scale, shortest, needed, ranges or {}, copies or {})


def class_index_of(group: Sequence[Observation]) -> int:
    """The folder's class; where it stands for none, the one that the net predicts most in it."""
    label_class = group[0].source.label_class
    if label_class is not None:
        return label_class
    return Counter(observation.predicted for observation in group).most_common(1)[0][0]
