"""How the score of a class comes apart where a ReLU follows the last convolution (SqueezeNet).

logit_k = mean over the cells u of g_ku (W_k . f_u + b_k): f are the features, W and b the last convolution, and the
gate g_ku is 1 where the ReLU lets class k through, else 0. So a part U_j V_j of the features adds
mean_u(U_uj g_ku) (W_k . V_j) to it, exactly; mean_u(g_ku) b_k belongs to no part, as the bias of a linear layer does
not.

Such a score is not centred on the mean over the classes, as that of a linear layer is: each class has other gates. Nor
need it be: all weights of a linear layer may be shifted alike and the net says the same, but a ReLU has its own zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.map_use import centred_weight
from cam_audit.models.model import Model

if TYPE_CHECKING:
    from cam_audit.findings.sample import Observation


def packed_gates(activations: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The gates of all classes, a row each and a bit a cell; activations: float32 (K, h, w).

    Without a ReLU the gates are open, but where an activation is 0, which adds nothing either way.
    """
    return np.packbits(activations.reshape(len(activations), -1) != 0, axis=1)


def gate(observation: Observation, class_index: int) -> NDArray[np.bool_]:
    """Where the score of a class is let through, bool (h, w): everywhere in a net with a last linear layer.

    The activations of the observation must have been kept.
    """
    assert observation.activations is not None
    grid = observation.activations.shape[1:]
    if observation.gates is None:
        return np.ones(grid, bool)
    bits = np.unpackbits(observation.gates[class_index], count=grid[0] * grid[1])
    return bits.reshape(grid).astype(bool)


def split_weight(model: Model, class_index: int) -> NDArray[np.float32]:
    """What splits the score of a class over the channels that are kept for parts, float32 (C,) or (C',).

    Centred for a last linear layer; for a last convolution as it is, and what it gives counts where the gate is open.
    """
    if model.feature_weight is None:
        return centred_weight(model, class_index)
    return np.asarray(model.feature_weight[class_index])
