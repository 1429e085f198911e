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
