"""Images that stay where they are: files mapped into memory, HDF5, zarr, Dask; read by rows."""

import os
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.intp]

# Chunks of HDF5 and zarr that are smaller are read several at a time.
_SMALLEST_BLOCK = 2**20
# Larger ones are worth a word.
_LARGEST_BLOCK = 2**26
# Pixels of the blocks whose rows are shuffled together.
_WINDOW = 10 * 2**20


class Source(ABC):
    """Images somewhere, any rows of which can be read.

    Pickled it says where they are and holds no pixels; another process opens them anew, when it
    reads.

    Attributes
    ----------
    shape : tuple of int
        Rows first.
    dtype : dtype
        Of the pixels.
    place : str
        Where they are, for messages.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    place: str

    def __init__(self, images: Any) -> None:
        self.shape = tuple(images.shape)
        self.dtype = np.dtype(images.dtype)
        if self.dtype.kind not in "buif":
            raise TypeError(f"X holds {self.dtype}: pixels must be numbers or bool.")
        if not 2 <= len(self.shape) <= 4 or 0 in self.shape:
            raise ValueError(
                "X must have the shape (n, height, width, channels), (n, height, width) or "
                f"(n, height * width), but its shape is {self.shape}."
            )
        self._opened: Any = images

    @abstractmethod
    def read(self, rows: IntArray) -> Array:
        """Read rows, in any order, some perhaps more than once."""

    @abstractmethod
    def _open(self) -> Any:
        """Open the images once more, in another process."""

    def blocks(self, rows: IntArray) -> IntArray | None:
        """Number of the block that each row is read with; None where rows are read one by one."""
        return None

    def of_rows(self, rows: IntArray) -> tuple["Source", IntArray]:
        """What another process needs to read some rows, and their numbers in that."""
        return self, rows

    @property
    def opened(self) -> Any:
        """The images, opened."""
        if not self._is_open():
            images = self._open()
            if tuple(images.shape) != self.shape or images.dtype != self.dtype:
                raise ValueError(
                    f"{self.place} was changed: it holds {_words(images)}, but held "
                    f"{_words(self)} when X was made. Make X again."
                )
            self._opened = images
        return self._opened

    def _is_open(self) -> bool:
        return self._opened is not None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}


class MemoryMap(Source):
    """A file that is mapped into memory, or the part of it that an array of the map shows."""

    def __init__(self, images: "np.memmap[Any, Any]") -> None:
        if images.mode == "c":
            raise ValueError(
                f"X maps {images.filename} with mode='c', whose changes no other process would "
                "see: map it with mode='r'."
            )
        super().__init__(images)
        self.place = os.path.abspath(str(images.filename))
        whole = images
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        self._file = _size_and_header(self.place, whole.offset)
        steps = [(n - 1) * by for n, by in zip(images.shape, images.strides, strict=True)]
        self._strides = images.strides
        self._length = sum(map(abs, steps)) + images.itemsize
        # bytes of what is mapped that lie before the first pixel, as in X[::-1]
        self._before = -sum(min(step, 0) for step in steps)
        first = whole.offset + images.ctypes.data - whole.ctypes.data
        self._start = first - self._before

    def read(self, rows: IntArray) -> Array:
        return self.opened[rows]

    def _open(self) -> Array:
        try:
            changed = _size_and_header(self.place, len(self._file[1])) != self._file
        except OSError as error:
            raise _gone(self.place) from error
        if changed:
            raise ValueError(
                f"{self.place} was changed: it has another size or shape than when X was made. "
                "Make X again."
            )
        mapped = np.memmap(self.place, np.uint8, "r", self._start, (self._length,))
        return np.ndarray(self.shape, self.dtype, mapped.data, self._before, self._strides)


class BlockSource(Source):
    """Images that are stored in blocks of many rows, which cost as much as one row to read.

    Attributes
    ----------
    n_together : int
        Blocks whose rows are shuffled together. Twice as many are kept in memory, as batches, and
        threads, also need those of the next ones.
    """

    def __init__(self, images: Any, starts: IntArray) -> None:
        super().__init__(images)
        self._starts = starts  # the first row of each block, and the number of rows
        self._largest = int(np.diff(starts).max())
        n_bytes = self._largest * _row_bytes(images)
        self.n_together = max(2, _WINDOW // n_bytes)
        if n_bytes > _LARGEST_BLOCK:
            warnings.warn(
                f"X has chunks of {n_bytes / 2**20:.0f} MiB, of which four are kept in "
                "memory: write it with chunks of some MiB.",
                stacklevel=1,  # where it is said, so that the steps of a Pipeline say it once
            )
        self._forget()

    def _forget(self) -> None:
        self._reading = threading.Lock()
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._unused: list[Array] = []

    def blocks(self, rows: IntArray) -> IntArray:
        return np.searchsorted(self._starts, rows, side="right") - 1

    def read(self, rows: IntArray) -> Array:
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        numbers = self.blocks(rows)
        order = np.argsort(numbers, kind="stable")
        ends = np.flatnonzero(np.diff(numbers[order])) + 1
        for places in np.split(order, ends) if len(rows) else ():
            number = int(numbers[places[0]])
            with self._reading:  # the place of a block may be another's afterwards
                found[places] = self._block(number)[rows[places] - self._starts[number]]
        return found

    def _block(self, number: int) -> Array:
        """Pixels of a block, which several batches, and threads, ask for in turn.

        They lie in memory that is taken once: blocks that came and went would leave holes in it.
        """
        if number not in self._kept:
            if not self._kept:
                n_kept = min(2 * self.n_together, len(self._starts) - 1)
                self._unused = list(np.empty((n_kept, self._largest, *self.shape[1:]), self.dtype))
            block = self._read_block(number)
            place = self._unused.pop() if self._unused else self._kept.popitem(last=False)[1]
            place[: len(block)] = block
            self._kept[number] = place
        self._kept.move_to_end(number)
        return self._kept[number]

    def _read_block(self, number: int) -> Array:
        start, stop = self._starts[number : number + 2]
        return np.asarray(self.opened[int(start) : int(stop)])

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        here = {"_reading", "_kept", "_unused"}
        return {name: value for name, value in state.items() if name not in here}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()


class HDF5(BlockSource):
    """A dataset of an HDF5 file."""

    def __init__(self, images: Any) -> None:
        if not images:
            raise ValueError("X is an HDF5 dataset whose file is closed: open it again.")
        super().__init__(images, _block_starts(images))
        self._path, self._name = os.path.abspath(images.file.filename), images.name
        self.place = f"{self._path}, {self._name}"

    def _is_open(self) -> bool:
        return bool(self._opened)  # False of what was closed

    def _open(self) -> Any:
        import h5py

        try:
            return h5py.File(self._path, "r")[self._name]
        except FileNotFoundError as error:
            raise _gone(self._path) from error
        except (KeyError, OSError) as error:
            raise OSError(f"{self.place} cannot be opened to be read: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        if self._opened and self._opened.file.mode != "r":
            raise TypeError(
                f"{self._path} is open for writing, so no other process can read it: close it, "
                "and open it by h5py.File(path, 'r')."
            )
        return super().__getstate__()


class Zarr(BlockSource):
    """A zarr array."""

    def __init__(self, images: Any) -> None:
        super().__init__(images, _block_starts(images))
        # another process may have another working directory
        root = getattr(images.store, "root", None)
        self._store = images.store if root is None else os.path.abspath(root)
        self._path = images.path
        self.place = str(images.store_path)

    def _open(self) -> Any:
        import zarr

        try:
            return zarr.open_array(self._store, path=self._path, mode="r")
        except FileNotFoundError as error:
            raise _gone(self.place) from error

    def __getstate__(self) -> dict[str, Any]:
        if "Memory" in type(self._store).__name__:
            raise TypeError(
                "X is a zarr array in memory, which no other process can read: write it to a "
                "folder, or give X[:]."
            )
        return super().__getstate__()


class Dask(BlockSource):
    """A Dask array. Its blocks are computed in this process, by one thread."""

    place = "a Dask array"

    def __init__(self, images: Any) -> None:
        sizes = images.chunks[0]
        if np.isnan(sum(sizes)):
            raise ValueError(
                "X is a Dask array of an unknown number of rows: call X.compute_chunk_sizes()."
            )
        super().__init__(images, np.cumsum([0, *sizes]))

    def _open(self) -> Any:
        raise NotImplementedError  # it is pickled itself

    def _read_block(self, number: int) -> Array:
        # on the workers of a cluster another scheduler would wait for the worker that asks
        return np.asarray(self._opened.blocks[number].compute(scheduler="synchronous"))

    def of_rows(self, rows: IntArray) -> tuple["Dask", IntArray]:
        import dask

        numbers = self.blocks(rows)
        needed, places = np.unique(numbers, return_inverse=True)
        if len(needed) in (0, len(self._starts) - 1):
            return self, rows
        (images,) = dask.optimize(self._opened.blocks[needed.tolist()])
        part = Dask(images)
        part.n_together = self.n_together  # the order of a training is the same everywhere
        return part, rows - self._starts[numbers] + part._starts[places]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_opened": self._opened}


# What images are of a library, if it is imported.
_KINDS: dict[str, tuple[str, type[BlockSource]]] = {
    "h5py": ("Dataset", HDF5),
    "zarr": ("Array", Zarr),
    "dask.array": ("Array", Dask),
}


def source_of(images: Any) -> Source | None:
    """Find out how rows of images are read where they are; None if they are nothing of the kind.

    No library is imported: whatever is made by one has imported it.

    Raises
    ------
    TypeError, ValueError
        For pixels that are no numbers, or images that cannot be read by rows.
    """
    found: type[Source] | None = None
    if isinstance(images, np.memmap) and images.filename is not None:
        found = MemoryMap
    for library, (name, kind) in _KINDS.items():
        module = sys.modules.get(library)
        if module is not None and isinstance(images, getattr(module, name, ())):
            found = kind
    return None if found is None else found(images)


def _block_starts(images: Any) -> IntArray:
    """Where blocks of whole chunks begin, and the number of rows."""
    n_rows, chunk = images.shape[0], images.chunks[0] if images.chunks else 1
    step = chunk * max(1, _SMALLEST_BLOCK // (chunk * _row_bytes(images)))
    return np.append(np.arange(0, n_rows, step), n_rows)


def _row_bytes(images: Any) -> int:
    return int(np.prod(images.shape[1:])) * np.dtype(images.dtype).itemsize


def _words(images: Any) -> str:
    return f"{images.dtype} of the shape {tuple(images.shape)}"


def _size_and_header(path: str, n_bytes: int) -> tuple[int, bytes]:
    """Size of a file, and what a .npy file says of itself before its first pixel."""
    with open(path, "rb") as file:
        header = file.read(n_bytes)
    return os.path.getsize(path), header if header.startswith(b"\x93NUMPY") else b""


def _gone(place: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"The images of X are not there: {place}. Every process needs the path at which X was "
        "made."
    )
