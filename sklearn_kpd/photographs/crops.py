"""Crops: objects in photographs on their way through a Pipeline, and how to find the way back."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from sklearn_kpd._common.html import gallery
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.images import Array, DeferredImages
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.photographs._geometry import (
    crop_matrices,
    cut,
    move,
    move_back,
    piece_matrix,
    reduction,
    regions,
)
from sklearn_kpd.photographs._pieces import Pieces, in_turn, reduced
from sklearn_kpd.photographs._reading import COLORS, in_color, photograph_size, read_photograph
from sklearn_kpd.photographs._tables import Photographs, frame_of, is_path, path_of
from sklearn_kpd.photographs.video import Frame, VideoReader


class Crops(DeferredImages):
    """Objects to cut out of photographs, and the matrix of each from there to its crop.

    This is what `CropTransformer.transform` returns and `KeypointRegressor` takes. It holds paths
    and boxes; pixels are read when they are needed. It is no array: a step that would take it for
    one would lose the way back.

    Parameters
    ----------
    photographs : Photographs
        Sources and boxes, from `CropTransformer`.
    frame : (int, int)
        Height and width of the crops.
    margin, keep_aspect, color, border
        As in `CropTransformer`.

    Examples
    --------
    >>> from sklearn_kpd import CropTransformer
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(3, random_state=0)
    >>> CropTransformer(size=48).fit_transform(list(X))
    Crops(3 crops of 48x48x1)
    """

    def __init__(
        self,
        photographs: Photographs,
        frame: tuple[int, int],
        *,
        margin: float,
        keep_aspect: bool,
        color: str,
        border: Any,
    ) -> None:
        self.photographs = photographs
        self.frame = frame
        self.margin = margin
        self.keep_aspect = keep_aspect
        self.color = color
        self.border = border
        self._first_row = 0
        self._areas: FloatArray | None = None
        self._videos: dict[str | None, VideoReader] = {}

    def __len__(self) -> int:
        return len(self.photographs)

    @property
    def shape(self) -> tuple[int, int, int, int]:  # type: ignore[override]
        """Shape of the crops, (n, height, width, channels)."""
        return len(self), *self.frame, COLORS[self.color][1]

    def __getitem__(self, rows: Any) -> Array:
        return self.pixels(rows)

    def head(self, n: int = 5) -> "Crops":
        """Crops of the first rows; no photograph is read.

        Parameters
        ----------
        n : int, default=5
            How many.

        Returns
        -------
        Crops
            The first rows.

        Examples
        --------
        >>> from sklearn_kpd import CropTransformer
        >>> from sklearn_kpd.datasets import make_faces
        >>> X, y = make_faces(3, random_state=0)
        >>> CropTransformer(size=48).fit_transform(list(X)).head(2)
        Crops(2 crops of 48x48x1)

        .. versionadded:: 0.2
        """
        return self.part(slice(n))

    def part(self, rows: slice) -> "Crops":
        """Crops of some rows that follow each other; no photograph is read.

        Errors name the rows as before, and a video goes on where it was decoded.

        Parameters
        ----------
        rows : slice
            Which, in steps of 1.

        Returns
        -------
        Crops
            Of these rows.

        Examples
        --------
        >>> from sklearn_kpd import CropTransformer
        >>> from sklearn_kpd.datasets import make_faces
        >>> X, y = make_faces(3, random_state=0)
        >>> CropTransformer(size=48).fit_transform(list(X)).part(slice(1, 3))
        Crops(2 crops of 48x48x1)

        .. versionadded:: 0.2
        """
        part = copy.copy(self)
        of = self.photographs
        part.photographs = Photographs(of.sources[rows], of.boxes[rows])
        part._first_row = self._first_row + rows.indices(len(self))[0]
        part._areas = None
        return part

    @property
    def paths(self) -> list[Any]:
        """Each row's photograph or video: rows of one belong together. Arrays have their row."""
        return self.photographs.paths()

    @property
    def n_photographs(self) -> int:
        """Number of photographs and frames, of which one may have several rows."""
        return len(set(self.photographs.keys()))

    @property
    def areas(self) -> FloatArray:
        """What is cut out of each photograph, (n, 4): left, top, right, bottom, as in a slice."""
        if self._areas is None:
            boxes = self.photographs.boxes.copy()
            for row in np.flatnonzero(np.isnan(boxes).any(axis=1)):
                height, width = self._size(int(row))
                boxes[row] = 0, 0, width, height
            self._areas = regions(boxes, self.frame, self.margin, self.keep_aspect)
        return self._areas

    @property
    def matrices(self) -> FloatArray:
        """Matrix of each row from pixels of the photograph to pixels of the crop, (n, 3, 3)."""
        return crop_matrices(self.areas, self.frame)

    def to_crop(self, values: FloatArray) -> FloatArray:
        """Keypoints in pixels of the photographs to pixels of the crops; NaN stays NaN.

        Parameters
        ----------
        values : ndarray of shape (n, 2 * k)
            Pixels.

        Returns
        -------
        ndarray of the same shape
            Pixels of the crops.
        """
        return move(values.reshape(len(values), -1, 2), self.matrices).reshape(values.shape)

    def to_photograph(self, values: FloatArray) -> FloatArray:
        """Keypoints in pixels of the crops to pixels of the photographs: inverse of `to_crop`."""
        return move_back(values.reshape(len(values), -1, 2), self.matrices).reshape(values.shape)

    def scale_to_photograph(self, lengths: FloatArray) -> FloatArray:
        """Lengths along x and y, in pixels of the crops, to pixels of the photographs.

        Parameters
        ----------
        lengths : ndarray of shape (n, 2 * k)
            Such as standard deviations.

        Returns
        -------
        ndarray of the same shape
            Pixels of the photographs.
        """
        scale = self.matrices[:, np.newaxis, [0, 1], [0, 1]]
        return (lengths.reshape(len(lengths), -1, 2) / scale).reshape(lengths.shape)

    def pixels(self, rows: Any = slice(None)) -> Array:
        """Crops of some rows, as they are.

        Parameters
        ----------
        rows : slice or array-like of int, default=slice(None)
            Which.

        Returns
        -------
        ndarray of shape (n, height, width, channels), uint8
            Pixels of the crops.
        """
        return self.read(rows=rows)[:]

    def read(
        self,
        reach: float = 0.0,
        *,
        rows: Any = slice(None),
        progress: Callable[[int], None] | None = None,
    ) -> Pieces:
        """Read each photograph once, at the resolution that the crops need.

        Parameters
        ----------
        reach : float, default=0.0
            Share of a crop's sides to keep around it, for what augmentation brings into the
            frame.
        rows : slice or array-like of int, default=slice(None)
            Which rows.
        progress : callable, optional
            Told after each photograph how many are done.

        Returns
        -------
        Pieces
            What the batches are made of.

        Raises
        ------
        PhotographError
            For a photograph that is not there or damaged, or a box outside of it; names the row.
        """
        chosen, areas = np.arange(len(self))[rows], self.areas

        def cut_out(item: tuple[list[int], Any]) -> Any:
            places, source = item
            rows = chosen[places]
            return zip(places, self._cut(rows, areas[rows], source, reach), strict=True)

        pieces = Pieces(len(chosen), self.frame, self.shape[3], self.border)
        for found in in_turn(cut_out, self._by_photograph(chosen), progress):
            for place, (piece, matrix) in found:
                pieces.put(place, piece, matrix)
        return pieces

    def _by_photograph(self, chosen: Any) -> Iterator[tuple[list[int], Any]]:
        """Places of the rows of each photograph, and its source; videos are decoded in order."""
        groups: dict[Any, dict[int, list[int]]] = {}
        for place, row in enumerate(chosen):
            frames = groups.setdefault(self.photographs.path(int(row)), {})
            frames.setdefault(frame_of(self.photographs.sources[row]), []).append(place)
        for frames in groups.values():
            for _, places in sorted(frames.items()):
                row = chosen[places[0]]
                source = self.photographs.sources[row]
                if isinstance(source, Frame):
                    with self._row_named(row):
                        source = self._video(source).read(source.number)
                yield places, source

    def _cut(
        self, rows: Any, areas: FloatArray, source: Any, reach: float
    ) -> list[tuple[Array, FloatArray]]:
        """Pieces of one photograph, and their matrices to the crops."""
        factors = [reduction(area, self.frame) for area in areas]
        with self._row_named(rows[0]):
            photograph, done, size = self._open(source, min(factors))
        self._check_inside(rows, areas, size)
        cuts = []
        for area, factor in zip(areas, factors, strict=True):
            # what is left to do after a JPEG was reduced while it was decoded
            rest = max(1, min(factor, *size) // done)
            left, top, right, bottom = cut(
                area, reach, size, rest * done, reflected=self.border == "reflect"
            )
            part = photograph[top // done : -(-bottom // done), left // done : -(-right // done)]
            to_crop = crop_matrices(area[np.newaxis], self.frame)[0]
            matrix = to_crop @ piece_matrix(left, top, rest * done)
            cuts.append((np.array(reduced(part, rest)), matrix))
        return cuts

    def _check_inside(self, rows: Any, areas: FloatArray, size: tuple[int, int]) -> None:
        """Check that boxes, and what their margin leaves of them, are not beside a photograph."""
        boxes = self.photographs.boxes[rows]  # where they are NaN, the region counts alone
        low = np.fmax(boxes[:, :2], areas[:, :2])
        high = np.fmin(boxes[:, 2:], areas[:, 2:])
        outside = (high <= 0) | (low >= np.array(size[::-1]))
        for row in rows[outside.any(axis=1)]:
            raise PhotographError(
                f"X, row {self._first_row + row}: the box lies outside of the photograph, which "
                f"is {size[1]} x {size[0]} pixels."
            )

    def _open(self, source: Any, factor: int) -> tuple[Array, int, tuple[int, int]]:
        """Pixels of a photograph, by what they are reduced, and its size."""
        if is_path(source):
            pixels, done = read_photograph(source, self.color, factor)
            return pixels, done, photograph_size(source) if done > 1 else pixels.shape[:2]
        return in_color(source, self.color), 1, source.shape[:2]

    def _size(self, row: int) -> tuple[int, int]:
        source = self.photographs.sources[row]
        with self._row_named(row):
            if isinstance(source, Frame):
                return self._video(source).size()
            return photograph_size(source) if is_path(source) else source.shape[:2]

    def _video(self, frame: Frame) -> VideoReader:
        """A reader for all frames of a video: what was decoded need not be decoded again."""
        return self._videos.setdefault(path_of(frame), VideoReader(frame.path))

    @contextmanager
    def _row_named(self, row: Any) -> Iterator[None]:
        """Say which row of X a photograph that cannot be read is in."""
        try:
            yield
        except PhotographError as error:
            raise PhotographError(f"X, row {self._first_row + row}: {error}") from error

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "Crops is no array: the step after CropTransformer would lose the way back to the "
            "photographs. Put AugmentTransformer or KeypointRegressor right after CropTransformer "
            "in the Pipeline; for arrays of pixels use Crops.pixels()."
        )

    def __repr__(self) -> str:
        height, width, channels = self.shape[1:]
        return f"Crops({len(self)} crops of {height}x{width}x{channels})"

    def _repr_html_(self) -> str | None:
        return gallery(f"{len(self)} crops", self)
