"""Saving estimators to files that hold no code, and loading them without running any."""

from sklearn_kpd._common import quiet  # noqa: F401, isort: skip

import os
import platform
import random
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from sklearn_kpd import __version__
from sklearn_kpd._common.keras import tensorflow_version
from sklearn_kpd._persistence.archive import read_archive, write_archive
from sklearn_kpd._persistence.classes import Trusted
from sklearn_kpd._persistence.tree import Packer, Unpacker
from sklearn_kpd.exceptions import (
    BrokenFileError,
    NotSaveableError,
    OtherVersionWarning,
    PersistenceError,
)

__all__ = ["load", "save"]

_VERSIONS = {
    "python": platform.python_version(),
    "numpy": np.__version__,
    "scikit-learn": sklearn.__version__,
    "keras": keras.__version__,
    "tensorflow": tensorflow_version(),
    "sklearn_kpd": __version__,
}
# With another version of these, what is predicted may differ in the last digits, or more.
_COMPARED = ("scikit-learn", "keras", "tensorflow")


def save(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save an estimator to a file that holds no code.

    The file is a zip of a manifest in JSON and of NumPy's arrays: parameters, what was learnt, the
    network, and the state of its optimizer, so that training goes on after loading as it would
    have before. It takes the place of an older one in one step, once it is complete on disk.

    Parameters
    ----------
    estimator : KeypointRegressor, AugmentTransformer, Pipeline or scikit-learn estimator
        Fitted or not. Of scikit-learn's, scalers, encoders, imputers, feature selection,
        projections, linear regression and what composes these, with splitters as parameters such
        as `cv`; derive a class of your own from others. Functions and classes of your own, such as
        a network, a layer, a loss or an imputer, are kept by name alone, and :func:`load` has to
        be given them. A `checkpoint_dir` is left out.
    path : str or PathLike
        Where to.

    Raises
    ------
    NotSaveableError
        If the estimator is one of scikit-learn's whose state could not be checked, or holds
        something that is neither plain data nor has a name: imgaug's operations, lambdas, caches.
        The message names it.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If `callbacks` cannot be kept, such as instances: the file goes without them.

    See Also
    --------
    load : The inverse.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sklearn_kpd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.kpd"
    ...     sklearn_kpd.save(sklearn_kpd.KeypointRegressor(epochs=5), path)
    ...     sklearn_kpd.load(path)
    KeypointRegressor(epochs=5)
    """
    if not isinstance(estimator, BaseEstimator):
        raise NotSaveableError(
            f"{type(estimator).__name__} is no estimator of scikit-learn's kind."
        )
    packer = Packer()
    try:
        tree = packer.pack(estimator, type(estimator).__name__)
    except RecursionError as error:
        raise NotSaveableError(
            "The estimator contains itself, or is too deeply nested."
        ) from error
    write_archive(path, {"versions": _VERSIONS, "estimator": tree}, packer.arrays)


def load(path: str | os.PathLike[str], *, trusted: Iterable[Any] = ()) -> Any:
    """Load an estimator that :func:`save` has written, without running code from the file.

    Only classes of this package and of lists of scikit-learn's and Keras' are made; sizes and
    hashes are checked before anything is parsed, and what was learnt has to fit together.

    Parameters
    ----------
    path : str or PathLike
        The file.
    trusted : iterable of classes and functions, default=()
        Your own ones that the file names, themselves and not their names: networks, layers,
        losses, imputers; also other estimators of scikit-learn's that an older file holds.
        Nothing is imported for a file's sake, and what these have learnt is not checked.

    Returns
    -------
    estimator
        As it was saved: the same parameters, the same predictions, and fitting goes on.

    Raises
    ------
    BrokenFileError
        If the file is no saved estimator, is cut off, or contradicts itself; as ChangedFileError
        if a part has another hash, as UnsafeFileError if it is built to mislead.
    UntrustedTypeError
        If it names a class or function that is neither known nor in `trusted`.
    NewerFormatError
        If a later version of this package wrote it in a later format.
    OSError
        If the file cannot be opened, or is no regular file.

    Warns
    -----
    OtherVersionWarning
        If it was saved with other versions of scikit-learn, Keras or TensorFlow.

    See Also
    --------
    save : The inverse.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sklearn_kpd
    >>> from sklearn.impute import SimpleImputer
    >>> class HalfImputer(SimpleImputer):
    ...     '''An imputer of your own.'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "model.kpd"
    ...     sklearn_kpd.save(sklearn_kpd.KeypointRegressor(missing=HalfImputer()), path)
    ...     sklearn_kpd.load(path, trusted=[HalfImputer])
    KeypointRegressor(missing=HalfImputer())
    """
    known = Trusted(trusted)
    content, arrays = read_archive(path)
    if content.keys() != {"versions", "estimator"}:
        raise BrokenFileError("The manifest lacks entries, or has some that are unknown.")
    _check_versions(content["versions"])
    numbers = random.getstate()  # which Keras draws seeds from
    try:
        estimator = Unpacker(arrays, known).unpack(content["estimator"])
    except PersistenceError:
        raise
    # What was written to mislead trips over anything, in any library, by its types or depth.
    except Exception as error:
        raise BrokenFileError(
            f"The file holds no estimator: {type(error).__name__}: {str(error)[:500]}"
        ) from error
    finally:
        random.setstate(numbers)
    if not isinstance(estimator, BaseEstimator):
        raise BrokenFileError(f"The file holds {type(estimator).__name__} and no estimator.")
    if arrays:
        raise BrokenFileError(f"The file has parts that belong nowhere: {sorted(arrays)[:3]}.")
    return estimator


def _check_versions(versions: Any) -> None:
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        raise BrokenFileError("The file does not say what versions it was saved with.")
    others = [
        f"{name} {_printable(versions.get(name, '?')[:40])} (here {_VERSIONS[name]})"
        for name in _COMPARED
        if versions.get(name) != _VERSIONS[name]
    ]
    if others:
        warnings.warn(
            f"The file was saved with {', '.join(others)}: check what it predicts, or install "
            "those.",
            OtherVersionWarning,
            stacklevel=3,
        )


def _printable(text: str) -> str:
    """Text from a file, which could bring commands to a terminal."""
    return text if text.isprintable() else repr(text)
