"""Estimators as a tree of JSON and a list of arrays, and back.

Null, booleans, integers, finite floats, text and lists stand for themselves; everything else is an
object with a ``type``. Classes are written by name and looked up among those that are known or
trusted; no module is imported because a file names it.
"""

import math
import re
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator

from sklearn_kpd._common.sklearn import metadata_requests, set_metadata_requests
from sklearn_kpd._persistence import known
from sklearn_kpd._persistence.archive import is_plain
from sklearn_kpd._persistence.checks import (
    REQUESTS,
    check_consistency,
    learnt_attributes,
    restore_attributes,
)
from sklearn_kpd._persistence.classes import Trusted, full_name
from sklearn_kpd._persistence.estimators import public_name
from sklearn_kpd._persistence.networks import (
    pack_keras,
    pack_network,
    unpack_keras,
    unpack_network,
)
from sklearn_kpd._persistence.splitters import KINDS, arguments_of, make_splitter
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.exceptions import BrokenFileError, NotSaveableError, UntrustedTypeError
from sklearn_kpd.images import Array
from sklearn_kpd.regressor import KeypointRegressor

_KERAS_PARTS = (
    keras.losses.Loss,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
)
# A folder of this machine, which no file shall name: fit writes there.
_LEFT_OUT = "checkpoint_dir"
# Python's hash of an integer is the rest of a division by 2**61 - 1.
_HUGE = 2**60
_PLAIN = (type(None), bool, int, str)
_DTYPE = re.compile(r"[<>|=]?[biuf]\d", re.ASCII)


class Packer:
    """Turn an estimator into a tree; its arrays gather in `arrays`."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []
        # Those that were met, kept so that no other gets their id.
        self._random_states: dict[int, tuple[dict[str, Any], np.random.RandomState]] = {}

    def pack(self, value: Any, where: str) -> Any:
        """Tree of a value.

        Parameters
        ----------
        value : object
            Estimator, parameter or attribute.
        where : str
            What it is, for errors.

        Raises
        ------
        NotSaveableError
            If the value cannot be kept.
        """
        if type(value) in _PLAIN:
            return value
        write = self._WRITERS.get(type(value)) or next(
            (write for kind, write in self._WRITERS_OF_KINDS if isinstance(value, kind)), None
        )
        if write is None:
            raise _not_saveable(where, f"{full_name(type(value))} is no plain data")
        return write(self, value, where)

    def _items(self, items: Any, where: str) -> list[Any]:
        return [self.pack(item, where) for item in items]

    def _part(self, array: Array) -> str:
        self.arrays.append(array)
        return f"{len(self.arrays) - 1}.npy"

    def _named(self, items: dict[str, Any], owner: str) -> dict[str, Any]:
        return {name: self.pack(item, f"{name} of {owner}") for name, item in items.items()}

    def _write_float(self, value: float, where: str) -> Any:
        return value if math.isfinite(value) else {"type": "float", "value": repr(value)}

    def _write_tuple(self, value: tuple[Any, ...], where: str) -> dict[str, Any]:
        return {"type": "tuple", "items": self._items(value, where)}

    def _write_dict(self, value: dict[Any, Any], where: str) -> dict[str, Any]:
        if not all(map(_is_key, value)):
            raise _not_saveable(where, "it is a dict with tuples or huge integers as keys")
        return {"type": "dict", "items": [self._items(item, where) for item in value.items()]}

    def _write_array(self, value: Any, where: str) -> dict[str, Any]:
        array = np.asarray(value)
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        if array.dtype == object and all(type(item) is str for item in array.flat):
            array, kind = array.astype(str), "strings"
            if (array != value).any():
                raise _not_saveable(where, "its text ends in a null character")
        if not is_plain(array.dtype) or not array.dtype.itemsize:
            raise _not_saveable(where, f"it is an array of {array.dtype}")
        return {"type": kind, "part": self._part(array)}

    def _write_dtype(self, value: np.dtype[Any], where: str) -> dict[str, Any]:
        if not _DTYPE.fullmatch(value.str):
            raise _not_saveable(where, f"it is the dtype {value}")
        return {"type": "dtype", "value": value.str}

    def _write_random_state(self, value: np.random.RandomState, where: str) -> dict[str, Any]:
        state: Any = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise _not_saveable(where, f"it is a RandomState on {state['bit_generator']}")
        if id(value) in self._random_states:
            return self._random_states[id(value)][0]
        node = {
            "type": "random_state",
            "key": self._part(state["state"]["key"]),
            "pos": int(state["state"]["pos"]),
            "has_gauss": int(state["has_gauss"]),
            "gauss": float(state["gauss"]),
        }
        self._random_states[id(value)] = node, value
        return node

    def _write_augmentation(self, value: Augmentation, where: str) -> dict[str, Any]:
        return {"type": "augmentation", "fields": self._named(vars(value), where)}

    def _write_network(self, value: keras.Model, where: str) -> dict[str, Any]:
        config, values = pack_network(value)
        return {"type": "network", "config": config, "values": [*map(self._part, values)]}

    def _write_keras(self, value: Any, where: str) -> dict[str, Any]:
        try:
            return {"type": "keras", "config": pack_keras(value)}
        except (TypeError, ValueError, NotImplementedError) as error:
            raise _not_saveable(where, str(error)) from error

    def _write_estimator(self, value: BaseEstimator, where: str) -> dict[str, Any]:
        kind = type(value)
        name = known.name_of_estimator(kind)
        if name is None and public_name(kind):
            raise _not_saveable(where, _unchecked(kind.__name__))
        try:
            check_consistency(value)
        except ValueError as error:
            raise _not_saveable(where, str(error)) from error
        params = value.get_params(deep=False)
        params.pop(_LEFT_OUT, None)
        if kind is KeypointRegressor:
            params = self._with_callbacks_that_can_be_kept(params)
        attributes = learnt_attributes(value)
        if requests := metadata_requests(value):
            attributes[REQUESTS] = requests
        return {
            "type": "estimator",
            "name": name or full_name(kind),
            "params": self._named(params, kind.__name__),
            "attributes": self._named(attributes, kind.__name__),
        }

    def _write_splitter(self, value: Any, where: str) -> dict[str, Any]:
        name = type(value).__name__
        try:
            arguments = arguments_of(value)
        except ValueError as error:
            raise _not_saveable(where, str(error)) from error
        return {
            "type": "splitter",
            "name": name,
            "arguments": self._named(arguments, name),
            "requests": self.pack(metadata_requests(value), where),
        }

    def _with_callbacks_that_can_be_kept(self, params: dict[str, Any]) -> dict[str, Any]:
        """Leave callbacks out that a file cannot hold: predictions go without them."""
        n_arrays, random_states = len(self.arrays), dict(self._random_states)
        try:
            self.pack(params["callbacks"], "callbacks of KeypointRegressor")
        except NotSaveableError as error:
            warnings.warn(
                f"The file is saved without callbacks; a fit after loading goes without them. "
                f"{error}",
                UserWarning,
                stacklevel=5,
            )
            params = {n: v for n, v in params.items() if n.partition("__")[0] != "callbacks"}
        finally:
            del self.arrays[n_arrays:]
            self._random_states = random_states
        return params

    def _write_object(self, value: Any, where: str) -> dict[str, Any]:
        name = known.name_of_object(value) or full_name(value)
        if "<lambda>" in name:
            raise _not_saveable(where, "it is a lambda, which has no name: write it with def")
        return {"type": "object", "name": name}

    # Of exactly these types; what derives from them may be anything.
    _WRITERS: dict[type, Callable[..., Any]] = {
        Augmentation: _write_augmentation,
        dict: _write_dict,
        float: _write_float,
        list: _items,
        np.ndarray: _write_array,
        np.random.RandomState: _write_random_state,
        tuple: _write_tuple,
        **dict.fromkeys(KINDS, _write_splitter),
    }
    _WRITERS_OF_KINDS: tuple[tuple[Any, Callable[..., Any]], ...] = (
        (np.generic, _write_array),
        (np.dtype, _write_dtype),
        (keras.Model, _write_network),
        (_KERAS_PARTS, _write_keras),
        (BaseEstimator, _write_estimator),
        ((type, FunctionType), _write_object),
    )


class Unpacker:
    """Turn a tree back into an estimator: the inverse of :class:`Packer`.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Parts by name. Each belongs to one place of the tree and is taken out when it is reached.
    trusted : Trusted
        Classes and functions that the tree may name.
    """

    # The fields of each type; `_read_<type>` takes them.
    _FIELDS = {
        "array": {"part"},
        "augmentation": {"fields"},
        "dict": {"items"},
        "dtype": {"value"},
        "estimator": {"name", "params", "attributes"},
        "float": {"value"},
        "keras": {"config"},
        "network": {"config", "values"},
        "object": {"name"},
        "random_state": {"key", "pos", "has_gauss", "gauss"},
        "scalar": {"part"},
        "splitter": {"name", "arguments", "requests"},
        "strings": {"part"},
        "tuple": {"items"},
    }

    def __init__(self, arrays: dict[str, Array], trusted: Trusted) -> None:
        self.arrays = arrays
        self.trusted = trusted
        self._random_states: dict[str, tuple[Any, np.random.RandomState]] = {}

    def unpack(self, node: Any) -> Any:
        """Value of a tree.

        Raises
        ------
        BrokenFileError
            For a tree that :class:`Packer` would not have made.
        UntrustedTypeError
            For a name that is neither known nor trusted.
        """
        if isinstance(node, list):
            return [self.unpack(item) for item in node]
        if not isinstance(node, dict):
            return node
        fields = dict(node)
        kind = fields.pop("type", None)
        _require_as_saved(
            isinstance(kind, str) and kind in self._FIELDS, f"a value of type {kind!r}"
        )
        _require_as_saved(
            fields.keys() == self._FIELDS[kind], f"{sorted(fields)} as fields of {kind}"
        )
        return getattr(self, f"_read_{kind}")(**fields)

    def _read_array(self, part: Any) -> Array:
        _require_as_saved(isinstance(part, str) and part in self.arrays, f"the part {part!r} here")
        return self.arrays.pop(part)

    def _read_augmentation(self, fields: Any) -> Augmentation:
        return _make(Augmentation, self._named(fields))

    def _read_dict(self, items: Any) -> dict[Any, Any]:
        _require_as_saved(isinstance(items, list), f"{type(items).__name__} as a dict")
        pairs = self.unpack(items)
        _require_as_saved(all(map(_is_item, pairs)), "an odd item of a dict")
        return _make(dict, {}, pairs)

    def _read_dtype(self, value: Any) -> np.dtype[Any]:
        _require_as_saved(
            isinstance(value, str) and bool(_DTYPE.fullmatch(value)), f"the dtype {value!r}"
        )
        return _make(np.dtype, {}, value)

    def _read_estimator(self, name: Any, params: Any, attributes: Any) -> BaseEstimator:
        params = self._named(params)
        _require_as_saved(_LEFT_OUT not in params, f"{_LEFT_OUT}, a folder to write to,")
        _require_as_saved(isinstance(name, str), f"the class {name!r}")
        kind = known.estimator(name) or self.trusted.get(name)
        if not (isinstance(kind, type) and issubclass(kind, BaseEstimator)):
            raise UntrustedTypeError(f"{name} is no estimator.")
        estimator = _make(kind, params)
        learnt = self._named(attributes)
        try:
            restore_attributes(estimator, learnt)
            check_consistency(estimator)
        except ValueError as error:
            raise BrokenFileError(f"The file contradicts itself: {error}") from error
        return estimator

    def _read_float(self, value: Any) -> float:
        _require_as_saved(value in ("nan", "inf", "-inf"), f"the number {value!r}")
        return float(value)

    def _read_keras(self, config: Any) -> Any:
        return unpack_keras(config, self.trusted, _KERAS_PARTS)

    def _read_network(self, config: Any, values: Any) -> keras.Model:
        _require_as_saved(isinstance(values, list), f"{type(values).__name__} as weights")
        return unpack_network(config, [self._read_array(part) for part in values], self.trusted)

    def _read_object(self, name: Any) -> Any:
        _require_as_saved(isinstance(name, str), f"the name {name!r}")
        return known.OBJECTS[name] if name in known.OBJECTS else self.trusted.get(name)

    def _read_random_state(
        self, key: Any, pos: Any, has_gauss: Any, gauss: Any
    ) -> np.random.RandomState:
        numbers = pos, has_gauss, gauss
        if isinstance(key, str) and key in self._random_states:  # one that several steps share
            met, random_state = self._random_states[key]
            _require_as_saved(numbers == met, "a RandomState in two states")
            return random_state
        part, key = key, self._read_array(key)
        _require_as_saved(
            key.shape == (624,) and key.dtype == np.uint32, "another key of a RandomState"
        )
        _require_as_saved(type(pos) is int and 0 <= pos <= 624, f"a RandomState at {pos!r}")
        _require_as_saved(has_gauss in (0, 1) and type(gauss) is float, "another RandomState")
        random_state = np.random.RandomState()
        random_state.set_state(("MT19937", key, pos, has_gauss, gauss))
        self._random_states[part] = numbers, random_state
        return random_state

    def _read_scalar(self, part: Any) -> Any:
        array = self._read_array(part)
        _require_as_saved(array.ndim == 0, f"an array of {array.ndim} dimensions as a number")
        return array[()]

    def _read_splitter(self, name: Any, arguments: Any, requests: Any) -> Any:
        _require_as_saved(isinstance(name, str), f"the splitter {name!r}")
        try:
            splitter = make_splitter(name, self._named(arguments))
            set_metadata_requests(splitter, self.unpack(requests))
        except ValueError as error:
            raise BrokenFileError(f"The file contradicts itself: {error}") from error
        return splitter

    def _read_strings(self, part: Any) -> Array:
        array = self._read_array(part)
        _require_as_saved(array.dtype.kind == "U", f"{array.dtype} as text")
        return array.astype(object)

    def _read_tuple(self, items: Any) -> tuple[Any, ...]:
        _require_as_saved(isinstance(items, list), f"{type(items).__name__} as a tuple")
        return tuple(self.unpack(items))

    def _named(self, items: Any) -> dict[str, Any]:
        _require_as_saved(isinstance(items, dict), f"{type(items).__name__} as named values")
        return {name: self.unpack(item) for name, item in items.items()}


def _is_item(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_key(value[0])


def _is_key(value: Any) -> bool:
    """Whether a value may be a key of a dict: thousands could be made that have one hash."""
    return not (isinstance(value, tuple) or (type(value) is int and abs(value) >= _HUGE))


def _make(kind: Callable[..., Any], options: dict[str, Any], *args: Any) -> Any:
    try:
        return kind(*args, **options)
    except (TypeError, ValueError) as error:
        raise BrokenFileError(f"The file holds no {kind.__name__}: {error}") from error


def _require_as_saved(fine: bool, found: str) -> None:
    if not fine:
        raise BrokenFileError(f"The file holds {found[:200]}, which saving never writes.")


def _unchecked(name: str) -> str:
    return (
        f"{name} is not among the estimators of scikit-learn whose state is checked when it is "
        f"loaded. A class of your own that derives from it ('class My{name}({name}): pass') is "
        "saved, and loaded by whoever trusts it"
    )


def _not_saveable(where: str, reason: str) -> NotSaveableError:
    return NotSaveableError(
        f"{where} cannot be saved without code: {reason}. joblib.dump saves it, as a pickle, "
        "which only those should load who trust you."
    )
