"""What a user gives for photographs, as one table: where each is, and the box in it."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.photographs.video import Frame

BOX = ("left", "top", "right", "bottom")
#: Columns that say which photograph it is.
SOURCES = ("path", "image")


@dataclass(frozen=True)
class Photographs:
    """One row an object.

    Attributes
    ----------
    sources : list
        Path of each row's photograph, the frame of a video, or the photograph itself, an array of
        uint8 of the shape (height, width) or (height, width, channels).
    boxes : ndarray of shape (n, 4)
        Left, top, right, bottom, as in a slice; NaN where the whole photograph is meant.
    """

    sources: list[Any]
    boxes: FloatArray

    def __len__(self) -> int:
        return len(self.sources)

    def path(self, row: int) -> Any:
        """Name of a row's photograph or video; an array has the number of its row."""
        path = path_of(self.sources[row])
        return row if path is None else path

    def paths(self) -> list[Any]:
        """Name of each row's photograph or video."""
        return [self.path(row) for row in range(len(self))]

    def keys(self) -> list[Any]:
        """What tells the photographs apart: the path, and the number of the frame."""
        return [(self.path(row), frame_of(source)) for row, source in enumerate(self.sources)]


def is_path(source: Any) -> bool:
    """Whether a photograph is given by its path."""
    return isinstance(source, str | os.PathLike)


def path_of(source: Any) -> str | None:
    """Path of a photograph, or of the video that a frame belongs to; None for an array."""
    if isinstance(source, Frame):
        return os.fspath(source.path)
    return os.fspath(source) if is_path(source) else None


def frame_of(source: Any) -> int:
    """Number of a frame; -1 for what is none."""
    return source.number if isinstance(source, Frame) else -1


def check_photographs(X: Any) -> Photographs:
    """Read a table of photographs.

    Parameters
    ----------
    X : DataFrame, Series, list or ndarray
        A DataFrame with the column ``path`` or ``image`` (arrays), where there are boxes ``left``,
        ``top``, ``right``, ``bottom``, and for videos ``frame``; or paths or arrays alone.

    Returns
    -------
    Photographs
        The rows, read and checked.

    Raises
    ------
    ValueError
        For another form, a box that is none, or arrays that are no photographs; the message names
        the row.

    Examples
    --------
    >>> from sklearn_kpd.photographs._tables import check_photographs
    >>> check_photographs(["a.jpg", "b.jpg"]).boxes.shape
    (2, 4)
    """
    if isinstance(X, pd.DataFrame):
        column = next((name for name in SOURCES if name in X.columns), None)
        if column is None:
            raise ValueError(
                "X has neither a column 'path' nor a column 'image'; its columns are "
                f"{', '.join(map(str, X.columns[:6]))}."
            )
        sources, boxes = X[column].tolist(), _boxes(X)
        if column == "path" and "frame" in X.columns:
            sources = _frames(sources, X["frame"])
    elif is_path(X):
        raise ValueError("X is one path: give a list of them, [path].")
    elif isinstance(X, pd.Series | list | tuple | np.ndarray):
        sources = list(X)
        boxes = np.full((len(sources), 4), np.nan)
    else:
        raise ValueError(
            f"X is {type(X).__name__}; photographs are given as a table with the columns path, "
            "left, top, right, bottom, or as a list of paths or of arrays."
        )
    if not sources:
        raise ValueError("X has 0 photographs (0 sample(s)); at least 1 is required.")
    for row, source in enumerate(sources):
        if path_of(source) is None:
            sources[row] = _check_array(source, row)
    return Photographs(sources, boxes)


def _frames(paths: list[Any], column: Any) -> list[Any]:
    """Frames where the column has a number, photographs where it has none."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = np.isnan(numbers) != column.isna().to_numpy()
    with np.errstate(invalid="ignore"):
        bad |= ~np.isnan(numbers) & ((numbers < 0) | (numbers % 1 != 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"X, row {row}: frame {column.iloc[row]!r} is no number of a frame, 0, 1, 2 ..., nor "
            "empty for a photograph."
        )
    return [
        path if np.isnan(number) or not is_path(path) else Frame(path, int(number))
        for path, number in zip(paths, numbers, strict=True)
    ]


def _boxes(X: pd.DataFrame) -> FloatArray:
    there = [name for name in BOX if name in X.columns]
    if not there:
        return np.full((len(X), 4), np.nan)
    if len(there) < 4:
        absent = next(name for name in BOX if name not in there)
        raise ValueError(f"X has the column {there[0]!r} of a box, and no column {absent!r}.")
    boxes = X[list(BOX)].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(boxes)
    bad = (known.any(axis=1) & ~known.all(axis=1)) | np.isinf(boxes).any(axis=1)
    with np.errstate(invalid="ignore"):
        bad |= (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        values = ", ".join(f"{v:g}" for v in boxes[row])
        raise ValueError(
            f"X, row {row}: the box left, top, right, bottom = {values} is none: give four "
            "numbers, right above left and bottom above top, or four NaN for the whole photograph."
        )
    return boxes


def _check_array(source: Any, row: int) -> Array:
    if not isinstance(source, np.ndarray):
        raise ValueError(
            f"X, row {row}: {type(source).__name__} is neither a path nor an array of pixels."
        )
    if source.ndim not in (2, 3) or (source.ndim == 3 and source.shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"X, row {row}: an array of the shape {source.shape} is no photograph; it has the "
            "shape (height, width) or (height, width, channels) with 1, 3 or 4 channels."
        )
    if source.dtype == bool:
        return source * np.uint8(255)
    if source.dtype != np.uint8:
        raise ValueError(
            f"X, row {row}: an array of {source.dtype}; photographs are uint8, 0 to 255: "
            "(image * 255).astype('uint8') makes it of floats in 0..1."
        )
    return source


def check_there(photographs: Photographs) -> None:
    """Name the first photographs that are not on disk, before any work is done.

    Raises
    ------
    PhotographError
        Names rows and files.
    """
    seen: dict[str, bool] = {}
    absent = []
    for row, source in enumerate(photographs.sources):
        path = path_of(source)
        if path is not None:
            if path not in seen:
                seen[path] = os.path.isfile(path)
            if not seen[path]:
                absent.append(f"row {row}: {path}")
    if absent:
        raise PhotographError(
            f"{len(absent)} of {len(photographs)} photographs are not there: "
            f"{'; '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}."
        )
