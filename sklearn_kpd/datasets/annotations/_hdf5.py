"""Files of HDF5: opened with care, and tables as pandas writes them, read without pickle."""

import mmap
import pickletools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.files import LARGEST, open_regular
from sklearn_kpd.exceptions import AnnotationError

#: What a file of HDF5 begins with.
SIGNATURE = b"\x89HDF\r\n\x1a\n"

#: What a heap of text and images begins with; its header and those of its objects have 16 bytes.
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEADER = 16

#: How large an array may be, by the bytes that the file holds of it: deflate packs no more. A
#: damaged shape must not ask for gigabytes.
_RATIO_LIMIT = 1100
_SIZE_FREE = 2**16


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; what h5py raises for a damaged one becomes our error."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            yield file
    except AnnotationError:
        raise
    # h5py has no base class for what it raises, and the arrays of a damaged file fit nowhere.
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise AnnotationError(f"{path}: damaged, or no file of HDF5 ({error}).") from error
    except MemoryError as error:
        raise AnnotationError(f"{path}: damaged, an array has no sensible size.") from error


def _check_heaps(path: Path) -> None:
    """Walk through the heaps as HDF5 does, which never ends where an object has no size."""
    with (
        open_regular(path, LARGEST) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        at = content.find(_HEAP)
        while at >= 0:
            end = at + int.from_bytes(content[at + 8 : at + 16], "little")
            place = at + _HEAP_HEADER
            while place + _HEAP_HEADER <= end:
                number = int.from_bytes(content[place : place + 2], "little")
                size = int.from_bytes(content[place + 8 : place + 16], "little")
                # The number 0 is the free space, whose size counts its header.
                step = _HEAP_HEADER + -(-size // 8) * 8 if number else size
                if step < _HEAP_HEADER or place + step > end:
                    raise AnnotationError(f"{path}: damaged at byte {place}, in a heap of HDF5.")
                place += step
            at = content.find(_HEAP, at + len(_HEAP))


def keys(path: Path) -> set[str] | None:
    """Names at the top of a file; None if it is damaged."""
    try:
        with opened(path) as file:
            return set(file.keys())
    except (AnnotationError, OSError):
        return None


def array(group: h5py.Group, name: str, path: Path) -> npt.NDArray[Any]:
    """Values of a dataset."""
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise AnnotationError(f"{path}: the data set {name!r} is missing from the file.")
    stored = dataset.id.get_storage_size()
    if dataset.size * dataset.dtype.itemsize > _RATIO_LIMIT * stored + _SIZE_FREE:
        raise AnnotationError(
            f"{path}: the data set {name!r} says that it has the shape {dataset.shape}, but holds "
            f"{stored} bytes; the file is damaged."
        )
    return np.asarray(dataset[()])


def text(value: Any) -> str:
    """Text of an attribute or a field, which HDF5 keeps as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


class Frame(NamedTuple):
    """A table of pandas: a tuple of levels for each column and each row."""

    columns: list[tuple[str, ...]]
    rows: list[tuple[str | int, ...]]
    values: npt.NDArray[np.float64]


def read_frame(group: h5py.Group, path: Path) -> Frame:
    """Read a table that pandas wrote, in its format 'fixed' or its format 'table'."""
    kind = text(group.attrs.get("pandas_type", b""))
    if kind == "frame":
        columns, index, blocks = _fixed(group, path)
    elif kind == "frame_table":
        columns, index, blocks = _table(group, path)
    else:
        raise AnnotationError(f"{path}: {group.name} is no table of pandas.")
    values = np.full((len(index), len(columns)), np.nan)
    position = {column: at for at, column in enumerate(columns)}
    if len(position) < len(columns):
        raise AnnotationError(f"{path}: a column of {group.name} is there more than once.")
    seen: set[int] = set()
    for names, block in blocks:
        places = [position[name] for name in names]
        if block.dtype.kind not in "fiuSO" or block.shape != (len(index), len(names)):
            raise AnnotationError(
                f"{path}: {group.name} holds a block that does not fit the rest."
            )
        values[:, places] = _floats(block, path)
        seen.update(places)
    if len(seen) < len(columns):
        raise AnnotationError(f"{path}: {group.name} has columns without values.")
    return Frame(columns, index, values)


_Blocks = list[tuple[list[tuple[str, ...]], npt.NDArray[Any]]]


def _fixed(
    group: h5py.Group, path: Path
) -> tuple[list[tuple[str, ...]], list[tuple[str | int, ...]], _Blocks]:
    index = _axis(group, "axis1", path)
    blocks = []
    for number in range(int(group.attrs["nblocks"])):
        values = array(group, f"block{number}_values", path)
        if "shape" in group[f"block{number}_values"].attrs:  # pandas' mark of an empty array
            values = np.empty((0, len(_axis(group, f"block{number}_items", path))))
            index = []
        blocks.append((_names(_axis(group, f"block{number}_items", path)), values))
    return _names(_axis(group, "axis0", path)), index, blocks


def _axis(group: h5py.Group, name: str, path: Path) -> list[tuple[str | int, ...]]:
    if text(group.attrs[f"{name}_variety"]) == "regular":
        return [(_key(value, path),) for value in array(group, name, path)]
    levels = []
    for number in range(int(group.attrs[f"{name}_nlevels"])):
        level = [_key(value, path) for value in array(group, f"{name}_level{number}", path)]
        labels = array(group, f"{name}_label{number}", path)
        if labels.size and labels.min() < 0:
            raise AnnotationError(f"{path}: {group.name} has a row or a column without a name.")
        levels.append([level[label] for label in labels])
    return list(zip(*levels, strict=True))


def _table(
    group: h5py.Group, path: Path
) -> tuple[list[tuple[str, ...]], list[tuple[str | int, ...]], _Blocks]:
    records = array(group, "table", path)
    fields = records.dtype.names or ()
    attributes = group["table"].attrs
    if "index" not in fields:
        raise AnnotationError(f"{path}: the table of {group.name} has no index.")
    index: list[tuple[str | int, ...]] = [(_key(value, path),) for value in records["index"]]
    blocks: _Blocks = []
    for field in (field for field in fields if field != "index"):
        # The names of a block's columns are pickled.
        names = _plain_pickle(attributes[f"{field}_kind"], path)
        blocks.append((_names(names), records[field].reshape(len(records), -1)))
    axes = _plain_pickle(group.attrs["non_index_axes"], path)
    return _names(axes[0][1]), index, blocks


def _names(keys: Any) -> list[tuple[str, ...]]:
    return [tuple(str(level) for level in key) for key in keys]


def _key(value: Any, path: Path) -> str | int:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise AnnotationError(
        f"{path}: the rows are named by neither text nor whole numbers; write the table anew "
        "with to_hdf."
    )


def _floats(block: npt.NDArray[Any], path: Path) -> npt.NDArray[np.float64]:
    """Numbers of a block; text can only say that nothing is there."""
    if block.dtype.kind in "fiu":
        return block.astype(np.float64)
    if any(text(value).lower() not in ("nan", "none", "") for value in block.ravel()):
        raise AnnotationError(f"{path}: a column holds text in place of coordinates.")
    return np.full(block.shape, np.nan)


_MARK = object()


def _plain_pickle(content: Any, path: Path) -> Any:
    """Lists, tuples, text and numbers of a pickle; whatever else it holds is an error.

    Nothing is unpickled: a pickle from elsewhere can run any code.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(bytes(content)):
        match opcode.name:
            case "MARK":
                stack.append(_MARK)
            case "LIST" | "TUPLE":
                start = len(stack) - 1 - stack[::-1].index(_MARK)
                items = stack[start + 1 :]
                stack[start:] = [items if opcode.name == "LIST" else tuple(items)]
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "PUT":
                memo[argument] = stack[-1]
            case "GET":
                stack.append(memo[argument])
            case "UNICODE" | "STRING" | "INT" | "LONG":
                stack.append(argument)
            case "STOP":
                return stack.pop()
            case name:
                raise AnnotationError(
                    f"{path}: the names of the columns hold a pickle with {name}, which no table "
                    "of keypoints needs; it is not read."
                )
    raise AnnotationError(f"{path}: the names of the columns are cut off.")
