"""Networks: one file each, and the table of their names.

A network is a function ``network(image_shape, n_outputs, **options)`` that returns a
``keras.Model``, not compiled. It takes images of `image_shape`, (height, width, channels),
with pixels in 0..255, and returns (n, n_outputs) in network units (see
:func:`sklearn_kpd.keypoints.to_units`).
"""

from sklearn_kpd._common import quiet  # noqa: F401, isort: skip

from collections.abc import Callable

import keras

from sklearn_kpd.networks._backbone import backbone
from sklearn_kpd.networks._cnn import cnn
from sklearn_kpd.networks._heatmap import SpatialSoftArgmax, heatmap

#: Networks by the name that `KeypointRegressor` takes.
NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "backbone": backbone,
    "cnn": cnn,
    "heatmap": heatmap,
}

__all__ = ["NETWORKS", "SpatialSoftArgmax", "backbone", "cnn", "get", "heatmap"]


def get(network: str | Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Find a network by its name, or take a callable as it is.

    Raises
    ------
    ValueError
        For an unknown name, or a model in place of the function that makes it.

    Examples
    --------
    >>> from sklearn_kpd import networks
    >>> networks.get("cnn")
    <function cnn at ...>
    """
    if isinstance(network, keras.Model):
        raise ValueError(
            f"network is a model that is made already, {network.name!r}, and every fit makes one "
            "anew: give a function network(image_shape, n_outputs) that returns it."
        )
    if callable(network):
        return network
    if network not in NETWORKS:
        names = ", ".join(map(repr, NETWORKS))
        raise ValueError(
            f"network={network!r} is unknown; it may be {names}, or a function "
            "network(image_shape, n_outputs) that returns a keras.Model."
        )
    return NETWORKS[network]
