"""Networks as a configuration and arrays, and back, without a way in for code.

Keras' own ``.keras`` files are not used: they keep the weights in HDF5, a format whose library
can hang on, and has been broken into by, bytes that were made for it. The arrays here are NumPy's.
The configuration is the one that Keras writes, with public names. Before Keras reads it, every
class that it names has to be on the lists in `keras_names`, one of ours, or one that the caller
trusts; and no variable is made that is larger than what the file has for it.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from sklearn_kpd import losses, networks
from sklearn_kpd._inference.compiled import infer
from sklearn_kpd._persistence.archive import is_plain
from sklearn_kpd._persistence.estimators import public_name
from sklearn_kpd._persistence.guards import check_backend, n_computed, no_larger_than
from sklearn_kpd._persistence.keras_names import (
    ALLOWED,
    with_private_names,
    with_public_names,
)
from sklearn_kpd._training.state import (
    restore_training_state,
    training_state,
    training_variables,
)
from sklearn_kpd.exceptions import (
    BrokenFileError,
    NotSaveableError,
    PersistenceError,
    UntrustedTypeError,
)
from sklearn_kpd.images import Array

_OURS = (
    losses.MaskedMeanSquaredError,
    losses.MaskedHuber,
    losses.MaskedWing,
    losses.PixelRMSE,
    networks.SpatialSoftArgmax,
)
# Keras' own marks for what is no class.
_NO_CLASSES = ("__keras_tensor__", "__slice__", "__ellipsis__")
# A network that computes more numbers for an image, 256 MB, may be meant to; it is not tried.
_LARGEST_TRIAL = 2**26


class Trusted:
    """The classes and functions that a file may name, besides Keras' own.

    Parameters
    ----------
    trusted : iterable of classes and functions
        Those of the caller.

    Raises
    ------
    ValueError
        If two have one name, or one has no name.
    """

    def __init__(self, trusted: Iterable[Any] = ()) -> None:
        self.by_name: dict[str, Any] = {}
        self.by_keras_name: dict[str, Any] = {}
        for item in trusted:
            if not hasattr(item, "__qualname__"):
                raise ValueError(f"trusted holds {item!r}; it may hold classes and functions.")
            for table, name in (
                (self.by_name, full_name(item)),
                (self.by_name, public_name(item) or full_name(item)),
                (self.by_keras_name, keras.saving.get_registered_name(item)),
            ):
                if table.setdefault(name, item) is not item:
                    raise ValueError(f"trusted holds two objects of the name {name}.")

    def get(self, name: str) -> Any:
        """Find a class or a function by its module and name.

        Raises
        ------
        UntrustedTypeError
            If it is not among them.
        """
        if name not in self.by_name:
            raise UntrustedTypeError(_untrusted(name))
        return self.by_name[name]

    def knows(self, registered: Any) -> bool:
        """Whether an object that Keras has registered is one of them, or one of ours."""
        return any(registered is item for item in (*_OURS, *self.by_keras_name.values()))


def full_name(item: Any) -> str:
    """Module and name of a class or a function.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> from sklearn_kpd._persistence.networks import full_name
    >>> full_name(OrderedDict)
    'collections.OrderedDict'
    """
    return f"{item.__module__}.{item.__qualname__}"


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
    _trial_run(model)
    return model


def _trial_run(model: keras.Model) -> None:
    """Run a network on a black image, if that is a small thing to do."""
    shape = model.input_shape[1:]
    try:
        if n_computed(model, shape) <= _LARGEST_TRIAL:
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


def check_config(node: Any, trusted: Trusted | None) -> None:
    """Walk a configuration and refuse what could reach beyond the allowed classes.

    Parameters
    ----------
    node : dict, list, str, number or None
        What Keras has written, or somebody else.
    trusted : Trusted or None
        None before saving: classes and functions of the user's are fine.

    Raises
    ------
    UntrustedTypeError
        For a class or a function that is neither allowed nor trusted.
    BrokenFileError
        For a call without a tensor, which Keras would carry out at once.
    """
    if isinstance(node, str):
        # Keras takes any string for the name of what has been registered under it.
        _check_registered(node, trusted)
    elif isinstance(node, (list, tuple)):
        for item in node:
            check_config(item, trusted)
    elif isinstance(node, dict):
        if "class_name" in node:
            _check_class(node, trusted)
        calls = node.get("inbound_nodes", [])
        if not isinstance(calls, list) or not all(map(_is_call_on_tensor, calls)):
            raise BrokenFileError("The network calls a layer on something that is no tensor.")
        for item in node.values():
            check_config(item, trusted)


def _check_class(node: dict[str, Any], trusted: Trusted | None) -> None:
    module, name, registered = (node.get(k) for k in ("module", "class_name", "registered_name"))
    if name in _NO_CLASSES:
        return
    if name == "function":
        registered = node.get("config")
    if not str(name).startswith("__"):  # __lambda__ and the like, which Keras looks at first
        if isinstance(registered, str) and _check_registered(registered, trusted):
            return
        if str(name) in ALLOWED.get(str(module), ()) and registered in (None, name):
            return
        if trusted is None and not str(module).startswith("keras"):
            return
    full = f"{module}.{name}" if module else str(name)
    if trusted is None:
        raise UntrustedTypeError(f"{full} is not among the classes that a file may name.")
    raise UntrustedTypeError(_untrusted(full))


def _check_registered(name: str, trusted: Trusted | None) -> bool:
    """Whether Keras knows something by a name; it then has to be trusted."""
    item = keras.saving.get_registered_object(name, trusted and trusted.by_keras_name)
    if item is None:
        return False
    if trusted is not None and not trusted.knows(item):
        raise UntrustedTypeError(_untrusted(name))
    return True


def _is_call_on_tensor(node: Any) -> bool:
    return isinstance(node, dict) and _has_tensor([node.get("args"), node.get("kwargs")])


def _has_tensor(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get("class_name") == "__keras_tensor__" or any(map(_has_tensor, node.values()))
    return isinstance(node, (list, tuple)) and any(map(_has_tensor, node))


def _untrusted(name: str) -> str:
    return (
        f"{name[:200]!r} is neither a class that is known to be safe nor one that you trust. If "
        "it is yours, pass the class or the function itself: load(path, trusted=[...])."
    )
