"""Arrays that took long to make, kept in scikit-learn's data folder."""

import hashlib
import hmac
import io
import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import get_data_home

from sklearn_kpd._common.files import read_regular, remove_strays, replacing

#: Older entries than the newest few are removed.
_N_ENTRIES = 4
#: Names of entries, those of version 0.1 too: nothing else in the folder is removed.
_ENTRY = re.compile(r"kaggle-\d+-[a-z]+-[0-9a-f]{64}\.(cache|npz)", re.ASCII)
_MAGIC = b"sklearn_kpd cache 1\n"
_N_DIGEST = 32
_LARGEST_HEADER = 512


def cached(
    key: str, make: Callable[[], dict[str, np.ndarray]], secret: bytes
) -> dict[str, np.ndarray]:
    """Arrays that are kept under a key, else those that ``make`` returns, which are then kept.

    A folder that cannot be read or written, or an entry that is damaged, or that somebody has
    made who does not have what the arrays were made of, is as good as none.

    Parameters
    ----------
    key : str
        Tells all that the arrays depend on, and may be a file's name.
    make : callable
        Returns a dict of arrays. Its errors are passed on.
    secret : bytes
        Known to those alone who have what the arrays are made of; it is not kept.

    Returns
    -------
    dict of str to ndarray
        The caller's own arrays.
    """
    arrays = _load(key, secret)
    if arrays is None:
        arrays = make()
        with suppress(OSError):
            _store(key, arrays, secret)
    return arrays


def _folder() -> Path:
    return Path(get_data_home()) / "sklearn_kpd"


def _path(key: str) -> Path:
    return _folder() / f"{key}.cache"


def _load(key: str, secret: bytes) -> dict[str, np.ndarray] | None:
    try:
        path = _path(key)
        if path.is_symlink():
            return None
        content = read_regular(path)
        head = len(_MAGIC) + _N_DIGEST
        digest, body = content[len(_MAGIC) : head], memoryview(content)[head:]
        if content[: len(_MAGIC)] != _MAGIC or not hmac.compare_digest(
            digest, _digest(key, secret, body)
        ):
            return None
        return _unpacked(body)
    except Exception:  # a damaged file can raise nearly anything
        return None


def _digest(key: str, secret: bytes, body: bytes | memoryview) -> bytes:
    hashed = hashlib.blake2b(key=hashlib.blake2b(secret).digest(), digest_size=_N_DIGEST)
    hashed.update(key.encode() + b"\n")
    hashed.update(body)
    return hashed.digest()


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    """Names and arrays one after the other: each is as large as its bytes."""
    buffer = io.BytesIO()
    for name, array in arrays.items():
        buffer.write(f"{name}\n".encode())
        np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(body: memoryview) -> dict[str, np.ndarray]:
    stream, arrays = io.BytesIO(body), {}
    while name := stream.readline().decode().rstrip("\n"):
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(
            stream, max_header_size=_LARGEST_HEADER
        )
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or size > len(body) - stream.tell():
            raise ValueError(f"{name} is no array of this entry")
        order: Any = "F" if fortran else "C"
        arrays[name] = np.ndarray(shape, dtype, bytearray(stream.read(size)), order=order)
    return arrays


def _store(key: str, arrays: dict[str, np.ndarray], secret: bytes) -> None:
    body = _packed(arrays)
    folder = _folder()
    folder.mkdir(exist_ok=True)
    with replacing(_path(key), follow_links=False) as file:
        file.write(_MAGIC + _digest(key, secret, body))
        file.write(body)
    ours = [entry for entry in folder.iterdir() if _ENTRY.fullmatch(entry.name)]
    for entry in sorted(ours, key=lambda entry: entry.lstat().st_mtime)[:-_N_ENTRIES]:
        entry.unlink(missing_ok=True)
    remove_strays(folder, _ENTRY.fullmatch)
