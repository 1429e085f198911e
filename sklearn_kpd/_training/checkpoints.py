"""State of a training, kept on disk after every epoch, so that a killed one can go on."""

import functools
import hashlib
import json
import math
import os
import platform
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from itertools import filterfalse
from pathlib import Path
from types import CodeType, FunctionType, NoneType
from typing import Any

import keras
import numpy as np
from keras.callbacks import EarlyStopping
from sklearn.base import BaseEstimator

from sklearn_kpd import __version__
from sklearn_kpd._common.files import remove_strays
from sklearn_kpd._common.keras import tensorflow_version
from sklearn_kpd._persistence.archive import read_archive, write_archive
from sklearn_kpd._training.averaging import AveragedWeights
from sklearn_kpd._training.schedules import CosineDecay
from sklearn_kpd._training.state import restore_training_state, training_state
from sklearn_kpd.exceptions import BrokenFileError, PersistenceError
from sklearn_kpd.images import Array, pieces

_SUFFIX = ".checkpoint"
# Where an object lies in memory, as its repr may tell: another place in each process.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Files of the trainings that go on in this process.
_running: set[Path] = set()
_NUMBER = (int, float)
# What callbacks know, beside the best weights, and of what types.
_KEPT: dict[type, dict[str, Any]] = {
    EarlyStopping: {"best": _NUMBER, "best_epoch": int, "stopped_epoch": int, "wait": int},
    CosineDecay: {"_set": (*_NUMBER, NoneType), "overruled": bool},
    AveragedWeights: {"in_model": bool},
}
# What JSON has no numbers for.
_NOT_FINITE = ("nan", "inf", "-inf")


def fingerprint(images: Array, settings: Any) -> str:
    """Hash of images and of whatever else decides how a training goes.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Read a part at a time.
    settings : object
        Numbers, strings, arrays, functions, classes, estimators, Keras objects, and lists, tuples
        and dicts of these.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._training.checkpoints import fingerprint
    >>> images = np.zeros((2, 4, 4, 1), np.uint8)
    >>> fingerprint(images, {"epochs": 3}) == fingerprint(images, {"epochs": 4})
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    versions = [keras.__version__, tensorflow_version(), __version__]
    digest.update(
        json.dumps(_as_json([versions, settings, images.shape, str(images.dtype)])).encode()
    )
    for piece in pieces(images):
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _as_json(value: Any) -> Any:
    """What JSON holds of a value, the same in every process: no address of an object."""
    if value is None or isinstance(value, bool | int | float | str):
        return value if type(value) in (bool, int, str, type(None)) else repr(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [_as_json(type(value)), _as_json(vars(value))]
    if isinstance(value, dict):
        items = [[_as_json(key), _as_json(item)] for key, item in value.items()]
        return ["dict", sorted(items, key=json.dumps)]
    if isinstance(value, set | frozenset):
        return ["set", sorted(map(_as_json, value), key=json.dumps)]
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [value.shape, _as_json(value.tolist())]
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(np.ascontiguousarray(value).data).hexdigest()
        return [value.shape, str(value.dtype), content]
    return _object_as_json(value)


def _object_as_json(value: Any) -> Any:
    """What tells objects of one kind apart, as far as they show it."""
    if isinstance(value, np.random.RandomState):
        return ["RandomState", _as_json(value.get_state(legacy=False))]
    if isinstance(value, BaseEstimator):
        return [_as_json(type(value)), _as_json(value.get_params(deep=False))]
    if isinstance(value, functools.partial):
        return [_as_json(value.func), _as_json(value.args), _as_json(value.keywords)]
    if isinstance(value, FunctionType):
        return [_name(value), _code_as_json(value)]
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return _name(value)
    if hasattr(value, "get_config"):
        return [_as_json(type(value)), _as_json(_without_names(value.get_config()))]
    if type(value).__repr__ is not object.__repr__:
        return _ADDRESS.sub("", repr(value))
    plain = {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if isinstance(item, bool | int | float | str | NoneType)
    }
    return [_as_json(type(value)), _as_json(plain)]


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', None)}.{value.__qualname__}"


def _code_as_json(function: FunctionType) -> Any:
    """What tells functions of one name apart, as lambdas are: code, defaults, enclosed values."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_plain(cell)]
    return [
        _constants_as_json(function.__code__),
        _as_json(function.__defaults__),
        _as_json(function.__kwdefaults__),
        _as_json(cells),
    ]


def _constants_as_json(code: CodeType) -> Any:
    constants = [
        _constants_as_json(item) if isinstance(item, CodeType) else _as_json(item)
        for item in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), constants]


def _is_plain(cell: Any) -> bool:
    """Whether a function encloses a number or text: what else it does may enclose itself."""
    try:
        return isinstance(cell.cell_contents, bool | int | float | str | NoneType)
    except ValueError:  # not set yet
        return False


class Checkpoint(keras.callbacks.Callback):
    """Write the state of a training to disk after every epoch, and take it up again.

    A file holds one training, is named by its fingerprint, and is written anew in one step, so a
    kill at any moment leaves a whole one.

    Parameters
    ----------
    directory : str or PathLike
        Made if it is not there.
    key : str
        From :func:`fingerprint`.
    seed : int
        Of the training, unless a file is found, which knows the seed that its training began with.

    Attributes
    ----------
    seed : int
        Seed to train with.
    history : dict of str to list of float
        Of the epochs that are done.
    stopped : bool
        Whether the training was stopped early, so that nothing is left to do.
    """

    def __init__(self, directory: str | os.PathLike[str], key: str, seed: int) -> None:
        super().__init__()
        self.path = Path(directory) / f"{key}{_SUFFIX}"
        self._content, self._arrays = self._read_state()
        known = self._content or {"seed": seed, "history": {}, "stopped": False}
        self.seed, self.stopped = known["seed"], known["stopped"]
        self.history = {name: list(values) for name, values in known["history"].items()}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have this training count as running for the length of a block."""
        _running.add(self.path)
        try:
            yield
        finally:
            _running.discard(self.path)

    def forget(self, reason: str, stacklevel: int = 1) -> None:
        """Start anew, with a warning that says why; what was found is overwritten."""
        self._content, self._arrays = {}, []
        self.history, self.stopped = {}, False
        warnings.warn(
            f"checkpoint_dir={str(self.path.parent)!r} {reason}. This training starts anew.",
            stacklevel=stacklevel + 1,
        )

    def restore(self, model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> bool:
        """Give the model its state, and remember whose state is kept beside it.

        Parameters
        ----------
        model : keras.Model
            Compiled, its optimizer built.
        callbacks : list of Callback
            Those that come before this one.

        Returns
        -------
        bool
            Whether the training goes on; else what the file holds belongs to another network,
            and a warning was given.
        """
        self._callbacks = {type(item): item for item in callbacks if type(item) in _KEPT}
        self._network = _network_identity(model)
        if not self._content:
            return False
        if not self._fits(model):
            self.forget(f"holds in {self.path.name} the training of another network", 5)
            return False
        restore_training_state(model, self._arrays[: self._content["n_state"]])
        return True

    def _fits(self, model: keras.Model) -> bool:
        """Whether what was read is the state of this network and of these callbacks."""
        n_state = self._content["n_state"]
        state, best = self._arrays[:n_state], self._arrays[n_state:]
        known = {kind.__name__ for kind in self._callbacks}
        return (
            self._content["network"] == self._network
            and self._content["callbacks"].keys() == known
            and _forms(state) == _forms(training_state(model))
            and (not best or _forms(best) == _forms(model.get_weights()))
        )

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Give the callbacks back what they knew, which some have just forgotten."""
        if not self._content:
            return
        for kind, callback in self._callbacks.items():
            for name, value in self._content["callbacks"].get(kind.__name__, {}).items():
                setattr(callback, name, _from_json(value))
        if EarlyStopping in self._callbacks:
            best = self._arrays[self._content["n_state"] :]
            self._callbacks[EarlyStopping].best_weights = best or None
        self._content, self._arrays = {}, []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count the batches, to know a whole epoch."""
        self._last_batch = batch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the file."""
        stopping = self._callbacks.get(EarlyStopping)
        whole = self._last_batch == self.params["steps"] - 1
        stopped = stopping is not None and stopping.stopped_epoch > 0
        if not whole or (self.model.stop_training and not stopped):
            return  # ended by Ctrl-C or divergence
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        state = training_state(self.model)
        content = {
            "owner": [platform.node(), os.getpid()],
            "seed": self.seed,
            "history": {
                name: [_to_json(value) for value in values]
                for name, values in self.history.items()
            },
            "network": self._network,
            "stopped": stopped,
            "n_state": len(state),
            "callbacks": {
                kind.__name__: {
                    name: _to_json(np.asarray(getattr(callback, name)).item())
                    for name in _KEPT[kind]
                }
                for kind, callback in self._callbacks.items()
            },
        }
        if stopping is not None:
            state += stopping.best_weights or []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_archive(self.path, {"training": content}, state, follow_links=False)

    def remove(self) -> None:
        """Delete the file, and what a kill in the midst of writing left of it."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir():
            remove_strays(self.path.parent, self.path.name.__eq__, age=0)

    def _read_state(self) -> tuple[dict[str, Any], list[Array]]:
        try:
            if self.path.is_symlink():
                raise BrokenFileError("it is a link")
            content, arrays = read_archive(self.path)
            return _checked(content), [arrays[f"{i}.npy"] for i in range(len(arrays))]
        except FileNotFoundError:
            others = filterfalse(_is_running, self.path.parent.glob(f"*{_SUFFIX}"))
            n_others = len(list(others))
            if not n_others:
                return {}, []
            reason = f"holds {n_others} training(s) of other data or parameters, which stay there"
        # Of a file that somebody has changed, anything; of a folder in its place, OSError.
        except Exception as error:
            reason = f"holds this training in {self.path.name}, which is damaged: {error}"
        self.forget(reason, 6)
        return {}, []


def _checked(content: Any) -> dict[str, Any]:
    """State of a training, if it is one: all types and lengths are as they were written.

    Raises
    ------
    BrokenFileError
        If something is not.
    """
    training: Any = content.get("training")
    if content.keys() != {"training"} or not isinstance(training, dict):
        raise BrokenFileError("it holds no training")
    history: Any = training.get("history")
    callbacks: Any = training.get("callbacks")
    fine = (
        training.keys() == _FIELDS
        and type(training["seed"]) is int
        and 0 <= training["seed"] < 2**32
        and type(training["stopped"]) is bool
        and type(training["n_state"]) is int
        and training["n_state"] >= 0
        and isinstance(training["network"], str)
        and isinstance(history, dict)
        and "loss" in history
        and all(_is_column(values, len(history["loss"])) for values in history.values())
        and isinstance(callbacks, dict)
        and all(_is_of(callbacks[kind.__name__], types) for kind, types in _KEPT.items()
                if kind.__name__ in callbacks)
    )  # fmt: skip
    if not fine:
        raise BrokenFileError("it holds something else than a training leaves")
    return {
        **training,
        "history": {name: [*map(_from_json, values)] for name, values in history.items()},
    }


_FIELDS = {"owner", "seed", "history", "network", "stopped", "n_state", "callbacks"}


def _is_column(values: Any, length: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == length > 0
        and all(isinstance(_from_json(value), float) for value in values)
    )


def _is_of(values: Any, types: dict[str, Any]) -> bool:
    return (
        isinstance(values, dict)
        and values.keys() == types.keys()
        and all(
            isinstance(_from_json(values[name]), kind)
            and (kind is bool or not isinstance(values[name], bool))
            for name, kind in types.items()
        )
    )


def _to_json(value: Any) -> Any:
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _from_json(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in _NOT_FINITE else value


def _forms(arrays: list[Array]) -> list[Any]:
    return [(array.shape, array.dtype) for array in arrays]


def _network_identity(model: keras.Model) -> str:
    """Hash of what was built, without the names that Keras counts up in a process."""
    layers = [[_as_json(type(layer)), _config_of(layer)] for layer in _all_layers(model)]
    weights = [[list(weight.shape), str(weight.dtype)] for weight in model.weights]
    content = json.dumps([layers, weights, _config_of(model.optimizer), _config_of(model.loss)])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _all_layers(layer: Any) -> Iterator[Any]:
    for inner in getattr(layer, "layers", []):
        yield inner
        yield from _all_layers(inner)


def _config_of(item: Any) -> Any:
    if isinstance(item, keras.Model) or not hasattr(item, "get_config"):
        return None  # its layers are looked at
    try:
        return _as_json(_without_names(item.get_config()))
    except NotImplementedError:  # a layer of the user's without one
        return None


def _without_names(node: Any) -> Any:
    """Leave out the names that Keras counts up."""
    if isinstance(node, list | tuple):
        return [_without_names(item) for item in node]
    if isinstance(node, dict):
        return {key: _without_names(item) for key, item in node.items() if key != "name"}
    return node


def _is_running(path: Path) -> bool:
    """Whether the training of a file goes on, in this process or another, as those of a search do.

    What another machine writes to a folder that is shared counts as running.
    """
    try:
        host, process = read_archive(path)[0]["training"]["owner"]
        if type(host) is not str or type(process) is not int or path.is_symlink():
            return False
    except (OSError, PersistenceError, KeyError, TypeError, ValueError):
        return False
    if host != platform.node():
        return True
    if process == os.getpid():
        return path in _running
    if os.name == "nt":  # where looking for a process by a signal would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
