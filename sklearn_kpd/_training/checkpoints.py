"""State of a training, kept on disk after every epoch, so that a killed one can go on."""

import hashlib
import json
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from itertools import filterfalse
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.callbacks import EarlyStopping
from sklearn.base import BaseEstimator

from sklearn_kpd._persistence.archive import read_archive, write_archive
from sklearn_kpd._training.averaging import AveragedWeights
from sklearn_kpd._training.schedules import CosineDecay
from sklearn_kpd._training.state import restore_training_state, training_state
from sklearn_kpd.exceptions import PersistenceError
from sklearn_kpd.images import Array, pieces

_SUFFIX = ".checkpoint"
# Files of the trainings that go on in this process.
_running: set[Path] = set()
# What callbacks know, beside the best weights.
_KEPT: dict[type, tuple[str, ...]] = {
    EarlyStopping: ("best", "best_epoch", "stopped_epoch", "wait"),
    CosineDecay: ("_set", "overruled"),
    AveragedWeights: ("in_model",),
}


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
    digest.update(json.dumps(_as_json([settings, images.shape, str(images.dtype)])).encode())
    for piece in pieces(images):
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _as_json(value: Any) -> Any:
    """What JSON holds of a value, the same in every process."""
    if is_dataclass(value) and not isinstance(value, type):
        return [_as_json(type(value)), _as_json(vars(value))]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(np.ascontiguousarray(value).data).hexdigest()
        return [value.shape, str(value.dtype), content]
    if isinstance(value, BaseEstimator):
        return [_as_json(type(value)), _as_json(value.get_params(deep=False))]
    if isinstance(value, keras.losses.Loss | keras.optimizers.Optimizer):
        return [_as_json(type(value)), _as_json(value.get_config())]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


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
        self.seed, self.history, self.stopped = seed, {}, False
        self._content, self._arrays = self._read_state()
        if self._content:
            self.seed, self.history, self.stopped = (
                self._content[name] for name in ("seed", "history", "stopped")
            )

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have this training count as running for the length of a block."""
        _running.add(self.path)
        try:
            yield
        finally:
            _running.discard(self.path)

    def restore(self, model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
        """Give the model its state, and remember whose state is kept beside it.

        Parameters
        ----------
        model : keras.Model
            Compiled, its optimizer built.
        callbacks : list of Callback
            Those that come before this one.
        """
        self._callbacks = {type(item): item for item in callbacks if type(item) in _KEPT}
        if self._content:
            restore_training_state(model, self._arrays[: self._content["n_state"]])

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Give the callbacks back what they knew, which some have just forgotten."""
        if not self._content:
            return
        for kind, callback in self._callbacks.items():
            for name, value in self._content["callbacks"].get(kind.__name__, {}).items():
                setattr(callback, name, value)
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
            "history": self.history,
            "stopped": stopped,
            "n_state": len(state),
            "callbacks": {
                kind.__name__: {
                    name: np.asarray(getattr(callback, name)).item() for name in _KEPT[kind]
                }
                for kind, callback in self._callbacks.items()
            },
        }
        if stopping is not None:
            state += stopping.best_weights or []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_archive(self.path, {"training": content}, state)

    def remove(self) -> None:
        """Delete the file, and what a kill in the midst of writing left of it."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink(missing_ok=True)

    def _read_state(self) -> tuple[dict[str, Any], list[Array]]:
        try:
            content, arrays = read_archive(self.path)
            return content["training"], [arrays[f"{i}.npy"] for i in range(len(arrays))]
        except FileNotFoundError:
            others = filterfalse(_is_running, self.path.parent.glob(f"*{_SUFFIX}"))
            n_others = len(list(others))
            if not n_others:
                return {}, []
            reason = f"holds {n_others} training(s) of other data or parameters, which stay there"
        except (PersistenceError, KeyError) as error:
            reason = f"holds this training in {self.path.name}, which is damaged: {error}"
        warnings.warn(
            f"checkpoint_dir={str(self.path.parent)!r} {reason}. This training starts anew.",
            stacklevel=6,
        )
        return {}, []


def _is_running(path: Path) -> bool:
    """Whether the training of a file goes on, in this process or another, as those of a search do.

    What another machine writes to a folder that is shared counts as running.
    """
    try:
        host, process = read_archive(path)[0]["training"]["owner"]
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
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
