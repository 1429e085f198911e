"""A network from the function that makes it."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from sklearn_kpd._common.keras import deterministic, seeded
from sklearn_kpd._common.schemes import IntArray, to_scheme_outputs
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.precision import mixed_precision_policy
from sklearn_kpd.keypoints import mirror, to_units

# The policy of the layers' precision is a state of the process, which two threads must not share.
_building = threading.Lock()


def build_network(
    network: Callable[..., Any],
    image_shape: tuple[int, int, int],
    n_outputs: int,
    options: dict[str, Any],
    *,
    seed: int | None,
    mixed_precision: str | None,
) -> keras.Model:
    """Make a network, its weights drawn from a seed of their own.

    Parameters
    ----------
    network : callable
        ``network(image_shape, n_outputs, **options)``.
    image_shape : (int, int, int)
        Height, width and channels.
    n_outputs : int
        Coordinates to find.
    options : dict
        Further arguments of the function.
    seed : int or None
        None takes Keras' own random numbers.
    mixed_precision : {"float16", "bfloat16"} or None
        Precision of the layers.

    Returns
    -------
    keras.Model
        One input and one output, of the shape (None, n_outputs).

    Raises
    ------
    ValueError
        If the function does not take an option, or returns no model of that shape.
    """
    _check_options(network, options)
    with deterministic(seed), _building, seeded(seed), mixed_precision_policy(mixed_precision):
        model = _with_one_output(network(image_shape, n_outputs, **options), image_shape)
    if model.output_shape != (None, n_outputs):
        raise ValueError(
            f"The network's output must have the shape (None, {n_outputs}), an x and a y for each "
            f"keypoint, but its shape is {model.output_shape}."
        )
    if "float16" in model.output.dtype:  # bfloat16 too
        raise ValueError(
            f"The network's output is {model.output.dtype}, too coarse for coordinates: give its "
            "last layer dtype='float32'."
        )
    return model


def _check_options(network: Callable[..., Any], options: dict[str, Any]) -> None:
    try:
        known = inspect.signature(network).parameters
    except (TypeError, ValueError):  # some callables have no signature
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in sorted(options.keys() - known.keys()):
        taken = ", ".join(list(known)[2:]) or "none"
        raise ValueError(
            f"network__{name} is no argument of the network; beside image_shape and n_outputs it "
            f"takes: {taken}."
        )


def _with_one_output(model: Any, image_shape: tuple[int, int, int]) -> keras.Model:
    """Give a model of any kind the form of a functional one: a tensor in, a tensor out."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"The network function must return a keras.Model; it returned {model!r:.200}."
        )
    ends = getattr(model, "input", None), getattr(model, "output", None)
    if not isinstance(model, keras.Sequential) and all(
        isinstance(end, keras.KerasTensor) for end in ends
    ):
        return model
    images = keras.Input(image_shape, name="image")
    outputs = keras.tree.flatten(model(images))
    if len(outputs) != 1:
        raise ValueError(f"The network must have one output, and it has {len(outputs)}.")
    return keras.Model(images, outputs[0])


def start_from_mean(
    model: keras.Model, batches: Batches, permutation: IntArray | None = None
) -> None:
    """Set the bias of a fully connected last layer to the mean of the labels.

    Parameters
    ----------
    model : keras.Model
        Not trained yet.
    batches : Batches
        What it will be trained on.
    permutation : ndarray of shape (k,), int, optional
        Which keypoint takes which place in a mirror image; where these have outputs of their own.
    """
    layer = model.layers[-1]
    while isinstance(layer, keras.Sequential):
        layer = layer.layers[-1]
    if isinstance(layer, keras.layers.Dense) and layer.use_bias:
        size = batches.images.shape[1:3]
        views = [batches.values]
        if batches.mirrored_outputs:
            assert permutation is not None
            points = batches.values.reshape(len(batches.values), -1, 2)
            views.append(mirror(points, size[1], permutation).reshape(batches.values.shape))
        units = np.concatenate(
            [
                to_scheme_outputs(to_units(view, size), batches.row_schemes, batches.n_schemes)
                for view in views
            ],
            axis=1,
        )
        weights = (~np.isnan(units)).astype(float)
        if batches.sample_weight is not None:
            weights *= batches.sample_weight[:, np.newaxis]
        total = weights.sum(axis=0)
        layer.bias.assign((weights * np.nan_to_num(units)).sum(axis=0) / np.where(total, total, 1))
