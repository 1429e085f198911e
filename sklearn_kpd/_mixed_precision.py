"""Half precision in most of a network, single precision in its weights and its output."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def mixed_precision_policy(half: str | None) -> Iterator[None]:
    """Have the layers that are made in a block compute in half precision.

    Micikevicius et al., Mixed Precision Training, ICLR 2018. This is a state of the process.

    Parameters
    ----------
    half : {"float16", "bfloat16"} or None
        None changes nothing.
    """
    if half is None:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{half}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_single_precision(model: keras.Model) -> keras.Model:
    """Copy a network with all its layers computing in float32, from the same weights.

    Parameters
    ----------
    model : keras.Model
        Of either precision.

    Returns
    -------
    keras.Model
        Not compiled.
    """

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def unscaled(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Find the optimizer that does the work, inside the one that scales the loss for float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)
