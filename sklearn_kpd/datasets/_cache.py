"""Arrays that took long to make, kept in scikit-learn's data folder."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import get_data_home

from sklearn_kpd._common.files import replacing

#: Older entries than the newest few are removed.
_N_ENTRIES = 4


def cached(key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays that are kept under a key, else those that ``make`` returns, which are then kept.

    A folder that cannot be read or written, or a damaged entry, is as good as none.

    Parameters
    ----------
    key : str
        Tells all that the arrays depend on, and may be a file's name.
    make : callable
        Returns a dict of arrays. Its errors are passed on.

    Returns
    -------
    dict of str to ndarray
        The caller's own arrays.
    """
    arrays = _load(key)
    if arrays is None:
        arrays = make()
        with suppress(OSError):
            _store(key, arrays)
    return arrays


def _folder() -> Path:
    return Path(get_data_home()) / "sklearn_kpd"


def _load(key: str) -> dict[str, np.ndarray] | None:
    try:
        with (
            (_folder() / f"{key}.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as entry,
        ):
            # An npz file is a zip file: reading an array checks its checksum. Damage to the
            # directory can hide an array, hence the names.
            return {name: entry[name] for name in entry["names"].tolist()}
    except Exception:  # a damaged file can raise nearly anything
        return None


def _store(key: str, arrays: dict[str, Any]) -> None:
    folder = _folder()
    folder.mkdir(exist_ok=True)
    with replacing(folder / f"{key}.npz") as file:
        np.savez(file, names=list(arrays), **arrays)
    entries = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime)
    for entry in entries[:-_N_ENTRIES]:
        entry.unlink()
