"""The file of a saved estimator: a zip of a manifest in JSON and of arrays, nothing compressed.

Nothing in it is code, nothing is unpacked to disk, and no part is parsed before its size and its
SHA-256 are those that the manifest gives. As nothing is compressed, a part takes as much of the
file as of the memory: no small file can ask for a lot.
"""

import hashlib
import io
import json
import math
import os
import re
import zipfile
from typing import Any, NoReturn

import numpy as np

from sklearn_kpd._common.files import open_regular, replacing
from sklearn_kpd._persistence.upgrades import UPGRADES, upgraded
from sklearn_kpd.exceptions import (
    BrokenFileError,
    ChangedFileError,
    NewerFormatError,
    NotSaveableError,
    PersistenceError,
    UnsafeFileError,
)
from sklearn_kpd.images import Array

FORMAT = "sklearn_kpd"
FORMAT_VERSION = 1 + len(UPGRADES)

_MANIFEST = "manifest.json"
_PART = re.compile(r"\d{1,9}\.npy", re.ASCII)
# JSON takes up to a hundredfold in memory; the manifest of a large network has 0.3 MB.
_LARGEST_MANIFEST = 2**23
# A list or an object takes a hundred bytes or more, once for each time that it is copied; the
# manifest of a large network has some ten thousand.
_MOST_CONTAINERS = 100_000
# That of an array with two dimensions has 118 bytes.
_LARGEST_NPY_HEADER = 512


def write_archive(
    path: str | os.PathLike[str],
    content: dict[str, Any],
    arrays: list[Array],
    *,
    follow_links: bool = True,
) -> None:
    """Write a file in one step: whatever happens, the old one is there, or the new one.

    Parameters
    ----------
    path : str or PathLike
        Where to.
    content : dict
        What the manifest holds besides the format and the table of parts.
    arrays : list of ndarray
        Array i becomes the part ``i.npy``.
    follow_links : bool, default=True
        As for :func:`replacing`.

    Raises
    ------
    NotSaveableError
        For content that JSON does not hold.
    OSError
        If the file cannot be written.
    """
    parts = {f"{index}.npy": _npy_bytes(array) for index, array in enumerate(arrays)}
    manifest = _json_bytes(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **content,
            "parts": {
                name: {"size": len(data), "sha256": _sha256(data)} for name, data in parts.items()
            },
        }
    )
    with replacing(path, follow_links=follow_links) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST), manifest)
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def read_archive(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file, and check all of it that can be checked without knowing what it means.

    Parameters
    ----------
    path : str or PathLike
        Of the file.

    Returns
    -------
    content : dict
        What `write_archive` was given, in the newest version of the format.
    arrays : dict of str to ndarray
        The parts by their names.

    Raises
    ------
    BrokenFileError
        Also as ChangedFileError or UnsafeFileError.
    NewerFormatError
        If the format is a later one.
    OSError
        If the file cannot be opened, or is no regular file.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_parts(archive, os.fstat(file.fileno()).st_size)
        except PersistenceError:
            raise
        # zipfile and numpy raise nearly anything about bytes that are no zip or no array.
        except Exception as error:
            raise BrokenFileError(_not_ours(f"{type(error).__name__}: {error}")) from error


def _read_parts(
    archive: zipfile.ZipFile, file_size: int
) -> tuple[dict[str, Any], dict[str, Array]]:
    entries = _check_entries(archive.infolist(), file_size)
    content = _check_format(parse_json(_read_entry(archive, entries.pop(_MANIFEST))))
    table = content.pop("parts")
    if not isinstance(table, dict) or table.keys() != entries.keys():
        raise UnsafeFileError("The entries of the file are not those that its manifest lists.")
    return content, {
        name: _parse_npy(_read_checked(archive, entries[name], table[name])) for name in table
    }


def _check_entries(infos: list[zipfile.ZipInfo], file_size: int) -> dict[str, zipfile.ZipInfo]:
    entries = {info.filename: info for info in infos}
    if _MANIFEST not in entries:
        raise BrokenFileError(_not_ours(f"it has no {_MANIFEST}"))
    if len(entries) < len(infos):
        raise UnsafeFileError("The file has two entries of one name.")
    for name, info in entries.items():
        if name != _MANIFEST and not _PART.fullmatch(name):
            raise UnsafeFileError(f"The file has an entry {name[:80]!r}, which is none of ours.")
        if info.compress_type or info.flag_bits & 1 or info.file_size != info.compress_size:
            raise UnsafeFileError(
                f"The entry {name} is compressed or encrypted; saving never does that."
            )
    if sum(info.file_size for info in infos) > file_size:
        raise UnsafeFileError("The entries declare more bytes than the file has.")
    if entries[_MANIFEST].file_size > _LARGEST_MANIFEST:
        raise UnsafeFileError(f"{_MANIFEST} has more than {_LARGEST_MANIFEST} bytes.")
    return entries


def _check_format(manifest: Any) -> dict[str, Any]:
    if not isinstance(manifest, dict) or manifest.pop("format", None) != FORMAT:
        raise BrokenFileError(_not_ours(f"its {_MANIFEST} is another one"))
    version = manifest.pop("format_version", None)
    if type(version) is not int or version < 1:
        raise BrokenFileError(f"The file has no format version: {version!r}.")
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"The file has format {version}, and this sklearn_kpd reads up to {FORMAT_VERSION}: "
            "update it (pip install -U sklearn-kpd)."
        )
    if "parts" not in manifest:
        raise BrokenFileError(f"{_MANIFEST} does not list the parts of the file.")
    return upgraded(manifest, version)


def _read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as part:
        return part.read(info.file_size)


def _read_checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, expected: Any) -> bytes:
    """Read a part, no further than the manifest says, and compare."""
    if not isinstance(expected, dict) or expected.keys() != {"size", "sha256"}:
        raise BrokenFileError(f"{_MANIFEST} gives no size and no SHA-256 of {info.filename}.")
    if info.file_size != expected["size"]:
        raise ChangedFileError(f"{info.filename} has another size than when it was saved.")
    data = _read_entry(archive, info)
    if _sha256(data) != expected["sha256"]:
        raise ChangedFileError(
            f"{info.filename} has another SHA-256 than when it was saved: the file was damaged "
            "or changed. Get it anew."
        )
    return data


def parse_json(data: bytes) -> Any:
    """Parse JSON to the letter: UTF-8, no key twice, no NaN, no number that is infinite.

    Raises
    ------
    BrokenFileError
        For anything else, and for nesting too deep to follow.

    Examples
    --------
    >>> from sklearn_kpd._persistence.archive import parse_json
    >>> parse_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    sklearn_kpd.exceptions.BrokenFileError: manifest.json: the key 'a' is there twice
    """
    if _n_containers(data) > _MOST_CONTAINERS:
        raise BrokenFileError(f"{_MANIFEST} has more than {_MOST_CONTAINERS} lists and objects.")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"{_MANIFEST}: {error}") from error


def _n_containers(data: bytes) -> int:
    """Lists and objects in JSON, at most: brackets in text count too."""
    return data.count(b"[") + data.count(b"{")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items: dict[str, Any] = {}
    for key, value in pairs:
        if key in items:
            raise ValueError(f"the key {key[:80]!r} is there twice")
        items[key] = value
    return items


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:80]} is no finite number")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _json_bytes(manifest: dict[str, Any]) -> bytes:
    try:
        data = json.dumps(manifest, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSaveableError(f"The network's configuration is no JSON: {error}") from error
    if len(data) > _LARGEST_MANIFEST or _n_containers(data) > _MOST_CONTAINERS:
        raise NotSaveableError(
            f"The parameters take {len(data)} bytes of JSON with {_n_containers(data)} lists; "
            f"{_LARGEST_MANIFEST} and {_MOST_CONTAINERS} are the limits. Give long lists as "
            "arrays, or use joblib.dump."
        )
    return data


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype are kept: numbers, booleans, text.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._persistence.archive import is_plain
    >>> is_plain(np.dtype("float32")), is_plain(np.dtype(object))
    (True, False)
    """
    return dtype.kind in "biuU" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _npy_bytes(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _parse_npy(data: bytes) -> Array:
    """Parse an array; it is as large as its bytes, whatever its header claims."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise BrokenFileError("An array has another version of NumPy's format than 1.0.")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(
        stream, max_header_size=_LARGEST_NPY_HEADER
    )
    values = memoryview(data)[stream.tell() :]
    if not is_plain(dtype) or not dtype.itemsize:
        raise UnsafeFileError(f"An array holds {dtype}, which is neither numbers nor text.")
    if math.prod(shape) * dtype.itemsize != len(values):
        raise BrokenFileError(f"An array claims the shape {shape}, and has {len(values)} bytes.")
    array = np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C").copy("K")
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise BrokenFileError("An array of booleans holds others than True and False.")
    if dtype.kind == "U":
        array.tolist()  # which raises for what is no character
    return array


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _not_ours(reason: str) -> str:
    return (
        f"The file is not one that sklearn_kpd.save has written, or it is cut off ({reason}). "
        "What joblib has written, joblib.load reads."
    )
