"""The classes and functions that a network's configuration may name."""

from collections.abc import Iterable
from typing import Any

import keras

from sklearn_kpd import losses, networks
from sklearn_kpd._persistence.estimators import public_name
from sklearn_kpd._persistence.keras_names import ALLOWED
from sklearn_kpd.exceptions import UntrustedTypeError
from sklearn_kpd.networks._backbone import BackboneInput

_OURS = (
    losses.MaskedMeanSquaredError,
    losses.MaskedHuber,
    losses.MaskedLaplace,
    losses.MaskedWing,
    losses.PixelRMSE,
    networks.SpatialSoftArgmax,
    BackboneInput,
)
#: Keras' own marks for what is no class.
NO_CLASSES = ("__keras_tensor__", "__slice__", "__ellipsis__")


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
    >>> from sklearn_kpd._persistence.classes import full_name
    >>> full_name(OrderedDict)
    'collections.OrderedDict'
    """
    return f"{item.__module__}.{item.__qualname__}"


def check_class(node: dict[str, Any], trusted: Trusted | None) -> None:
    """Check the class that a part of a configuration names.

    Raises
    ------
    UntrustedTypeError
        If it is neither allowed nor trusted; with None as `trusted`, those of the user's are.
    """
    module, name, registered = (node.get(k) for k in ("module", "class_name", "registered_name"))
    if name in NO_CLASSES:
        return
    if name == "function":
        registered = node.get("config")
    if not str(name).startswith("__"):  # __lambda__ and the like, which Keras looks at first
        if isinstance(registered, str) and check_registered(registered, trusted):
            return
        if str(name) in ALLOWED.get(str(module), ()) and registered in (None, name):
            return
        if trusted is None and not str(module).startswith("keras"):
            return
    full = f"{module}.{name}" if module else str(name)
    if trusted is None:
        raise UntrustedTypeError(f"{full} is not among the classes that a file may name.")
    raise UntrustedTypeError(_untrusted(full))


def check_registered(name: str, trusted: Trusted | None) -> bool:
    """Whether Keras knows something by a name; it then has to be trusted.

    Raises
    ------
    UntrustedTypeError
        If it is not.
    """
    item = keras.saving.get_registered_object(name, trusted and trusted.by_keras_name)
    if item is None:
        return False
    if trusted is not None and not trusted.knows(item):
        raise UntrustedTypeError(_untrusted(name))
    return True


def _untrusted(name: str) -> str:
    return (
        f"{name[:200]!r} is neither a class that is known to be safe nor one that you trust. If "
        "it is yours, pass the class or the function itself: load(path, trusted=[...])."
    )
