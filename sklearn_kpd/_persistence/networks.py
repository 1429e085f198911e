"""Networks as a configuration and arrays, and back, without a way in for code.

Keras' own ``.keras`` files are not used: they keep the weights in HDF5, a format whose library
can hang on, and has been broken into by, bytes that were made for it. The arrays here are NumPy's.
The configuration is the one that Keras writes, with public names. Before Keras reads it, every
class that it names has to be on the lists in `keras_names`, one of ours, or one that the caller
trusts; and no variable is made that is larger than what the file has for it.
"""

from typing import Any

import keras
import numpy as np

from sklearn_kpd._inference.compiled import infer
from sklearn_kpd._persistence.archive import is_plain
from sklearn_kpd._persistence.classes import Trusted
from sklearn_kpd._persistence.configs import check_config, class_names
from sklearn_kpd._persistence.guards import check_backend, cost, no_larger_than
from sklearn_kpd._persistence.keras_names import with_private_names, with_public_names
from sklearn_kpd._training.state import (
    restore_training_state,
    training_state,
    training_variables,
)
from sklearn_kpd.exceptions import (
    BrokenFileError,
    NotSaveableError,
    PersistenceError,
)
from sklearn_kpd.images import Array

# A network that computes more numbers for an image, 256 MB, or takes more operations, some
# seconds, may be meant to; it is not tried.
_MOST_NUMBERS, _MOST_OPERATIONS = 2**26, 2**31
# Nor are networks with these: while operations are counted, they loop over steps, or fill tables,
# as many as the file says.
_UNCOUNTABLE = frozenset(["TimeDistributed", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling2D"])


def pack_network(model: keras.Model) -> tuple[dict[str, Any], list[Array]]:
    """Take a network apart.

    Parameters
    ----------
    model : keras.Model
        Compiled and built.

    Returns
    -------
    config : dict
        JSON that Keras builds the network and its optimizer from.
    values : list of ndarray
        Weights, states of random layers, and variables of the optimizer.

    Raises
    ------
    NotSaveableError
        For a network that :func:`unpack_network` would refuse.
    """
    check_backend(NotSaveableError)
    try:
        config = pack_keras(model)
        values = training_state(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise NotSaveableError(
            f"The network cannot be saved: {error} Use joblib.dump, or a network of Keras' own "
            "layers and of layers that have get_config."
        ) from error
    odd = [value.dtype for value in values if not is_plain(value.dtype)]
    if odd:
        raise NotSaveableError(f"The network's weights are {odd[0]}, which NumPy does not know.")
    return config, values


def pack_keras(item: Any) -> Any:
    """Configuration of an object of Keras.

    Raises
    ------
    UntrustedTypeError
        If it names a class that loading would refuse, whatever is trusted then.
    """
    config = with_public_names(keras.saving.serialize_keras_object(item))
    check_config(config, None)
    return config


def unpack_keras(config: Any, trusted: Trusted, kinds: tuple[type, ...]) -> Any:
    """Make an object of Keras from its configuration.

    Raises
    ------
    UntrustedTypeError
        For a class that is neither allowed nor trusted.
    BrokenFileError
        For a configuration that Keras makes nothing of, or something else.
    """
    check_config(config, trusted)
    try:
        item = keras.saving.deserialize_keras_object(
            with_private_names(config), custom_objects=trusted.by_keras_name, safe_mode=True
        )
    except PersistenceError:
        raise
    except Exception as error:  # of the configuration, nearly anything
        raise BrokenFileError(
            "Keras cannot build the network or a part of it: "
            f"{type(error).__name__}: {str(error)[:500]}"
        ) from error
    if not isinstance(item, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise BrokenFileError(
            f"The file has a {type(item).__name__} where it should have a {expected}."
        )
    return item


def unpack_network(config: Any, values: list[Array], trusted: Trusted) -> keras.Model:
    """Put a network together: the inverse of :func:`pack_network`.

    Raises
    ------
    UntrustedTypeError
        For a class that is neither allowed nor trusted.
    BrokenFileError
        If configuration and arrays do not fit each other.
    """
    check_backend(PersistenceError)
    with no_larger_than(sum(value.size for value in values)):
        model = unpack_keras(config, trusted, (keras.Model,))
    if getattr(model, "optimizer", None) is None:
        raise BrokenFileError("The file has a network without its optimizer.")
    variables = training_variables(model)
    if len(variables) != len(values) or not all(map(_fits, values, variables)):
        raise BrokenFileError("The weights in the file do not fit the network.")
    restore_training_state(model, values)
    if _UNCOUNTABLE.isdisjoint(class_names(config)):
        _trial_run(model)
    return model


def _trial_run(model: keras.Model) -> None:
    """Run a network on a black image, if that is a small thing to do."""
    shape = model.input_shape[1:]
    try:
        asked = cost(model, shape)
        if asked.numbers <= _MOST_NUMBERS and asked.operations <= _MOST_OPERATIONS:
            infer(model, np.zeros((1, *shape), np.float32))
    except Exception as error:  # of layers with odd settings, nearly anything
        raise BrokenFileError(
            f"The network in the file does not run: {type(error).__name__}: {str(error)[:500]}"
        ) from error


def _fits(value: Array, variable: keras.Variable) -> bool:
    """Whether shape and type are the same; integers are of another size on another backend."""
    if value.shape != tuple(variable.shape):
        return False
    integers = value.dtype.kind in "iu" and variable.dtype.startswith(("int", "uint"))
    return str(value.dtype) == variable.dtype or (
        integers and np.array_equal(value.astype(variable.dtype), value)
    )
