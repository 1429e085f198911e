"""Pieces of photographs: what training needs of them, read once and kept small."""

import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray

# Beyond this, pieces are kept in a file.
_MAX_BYTES = 128 * 2**20
# Photographs that are read before their pieces are put away.
_AT_ONCE = 16
_BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}


@dataclass
class CropBatch:
    """Crops that are not made yet: pieces, and the matrix from each to its crop.

    What moves the crops composes into the matrices, so that there is one warp from the
    photograph's own pixels.

    Attributes
    ----------
    pieces : list of ndarray of shape (h, w, channels), uint8
        Of any sizes.
    matrices : ndarray of shape (n, 3, 3)
        From pixels of the piece to pixels of the crop.
    frame : (int, int)
        Height and width of the crop.
    border : {"replicate", "reflect"} or float
        What lies beyond the photograph.
    """

    pieces: list[Array]
    matrices: FloatArray
    frame: tuple[int, int]
    border: Any

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the crops, (n, height, width, channels)."""
        return len(self.pieces), *self.frame, self.pieces[0].shape[2]

    def __getitem__(self, chosen: Any) -> "CropBatch":
        rows = np.arange(len(self))[chosen]
        pieces = [self.pieces[row] for row in rows]
        return CropBatch(pieces, self.matrices[rows], self.frame, self.border)

    def warped(self, matrices: FloatArray | None = None) -> Array:
        """Make the crops.

        Parameters
        ----------
        matrices : ndarray of shape (n, 3, 3), optional
            What moves each crop, from its pixels to its pixels.

        Returns
        -------
        ndarray of shape (n, height, width, channels), uint8
            Pixels of the crops.
        """
        composed = self.matrices if matrices is None else matrices @ self.matrices
        affine = bool((composed[:, 2, :2] == 0).all())
        n_crops, height, width, n_channels = self.shape
        crops = np.empty((n_crops, height, width, n_channels), np.uint8)
        flat = crops[..., 0] if n_channels == 1 else crops
        options: dict[str, Any] = {"flags": cv2.INTER_LINEAR}
        if isinstance(self.border, str):
            options["borderMode"] = _BORDERS[self.border]
        else:
            options.update(borderMode=cv2.BORDER_CONSTANT, borderValue=(float(self.border),) * 4)
        for piece, matrix, target in zip(self.pieces, composed, flat, strict=True):
            source = piece[..., 0] if n_channels == 1 else piece
            if affine:
                cv2.warpAffine(source, matrix[:2], (width, height), target, **options)
            else:
                cv2.warpPerspective(source, matrix, (width, height), target, **options)
        return crops


class Pieces:
    """Pieces of photographs, in memory up to a bound, beyond it in a file that is read as needed.

    To the rest of the package they are images: an array of crops that is made when it is read.

    Parameters
    ----------
    n_rows : int
        How many there will be.
    frame : (int, int)
        Height and width of the crops.
    n_channels : int
        Of the crops.
    border : {"replicate", "reflect"} or float
        What lies beyond the photographs.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, n_rows: int, frame: tuple[int, int], n_channels: int, border: Any) -> None:
        self.frame = frame
        self.n_channels = n_channels
        self.border = border
        self.matrices = np.empty((n_rows, 3, 3))
        # each an array, or its place in the file and its shape
        self._pieces: list[Any] = [None] * n_rows
        self._n_bytes = 0
        self._file: Any = None
        self._reading = threading.Lock()

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the crops, (n, height, width, channels)."""
        return len(self), *self.frame, self.n_channels

    def put(self, row: int, piece: Array, matrix: FloatArray) -> None:
        """Keep the piece of a row, and its matrix to the crop."""
        self.matrices[row] = matrix
        if self._n_bytes + piece.nbytes <= _MAX_BYTES:
            self._n_bytes += piece.nbytes
            self._pieces[row] = np.ascontiguousarray(piece)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self._pieces[row] = self._file.tell(), piece.shape
        self._file.write(np.ascontiguousarray(piece).data)

    def batch(self, rows: Any) -> CropBatch:
        """Crops of some rows, not made yet."""
        rows = np.arange(len(self))[rows]
        pieces = [self._read(row) for row in rows]
        return CropBatch(pieces, self.matrices[rows], self.frame, self.border)

    def __getitem__(self, rows: Any) -> Array:
        return self.batch(rows).warped()

    def _read(self, row: int) -> Array:
        piece = self._pieces[row]
        if isinstance(piece, np.ndarray):
            return piece
        start, shape = piece
        read = np.empty(shape, np.uint8)
        with self._reading:
            self._file.seek(start)
            self._file.readinto(read.data.cast("B"))
        return read


def reduced(pixels: Array, factor: int) -> Array:
    """Mean of each square of `factor` x `factor` pixels; the last ones of what there is.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, channels), uint8
        The sides may be no multiples of the factor: the edge is repeated.
    factor : int
        1 or more.

    Returns
    -------
    ndarray of shape (ceil(height / factor), ceil(width / factor), channels), uint8
        Each pixel the mean of those that it stands for.
    """
    if factor == 1:
        return pixels
    height, width = (-(-side // factor) for side in pixels.shape[:2])
    missing = height * factor - pixels.shape[0], width * factor - pixels.shape[1]
    if any(missing):
        pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return small.reshape(height, width, -1)


def in_turn(
    read: Callable[[Any], Any], items: Iterable[Any], progress: Callable[[int], None] | None
) -> Any:
    """Results of a function that waits for the disk and decodes, in the order of its arguments.

    Parameters
    ----------
    read : callable
        Lets go of Python's lock while it works.
    items : iterable
        Its arguments. They are made in the thread that asks for the results, a few ahead.
    progress : callable, optional
        Told after each how many are done.

    Yields
    ------
    object
    """
    remaining, done = iter(items), 0
    with ThreadPoolExecutor() as pool:
        while some := list(islice(remaining, _AT_ONCE)):
            for result in pool.map(read, some):
                yield result
                done += 1
                if progress is not None:
                    progress(done)
