"""Faces found in photographs: a table of boxes that CropTransformer takes."""

import os
import warnings
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.photographs._detectors import SMALLEST, Detector, get_detector, suppress
from sklearn_kpd.photographs._reading import read_reduced
from sklearn_kpd.photographs._tables import BOX, check_photographs, check_there, frame_of, path_of
from sklearn_kpd.photographs.video import VideoReader


def find_faces(paths: Any, *, detector: Any = None, min_size: float = 0.03) -> pd.DataFrame:
    """Find the faces in photographs: one row a face, as `CropTransformer` takes them.

    Parameters
    ----------
    paths : list of path, or DataFrame with the column ``path``
        Photographs; they are turned as their EXIF data asks for. With a column ``frame``, frames
        of videos, see `read_video`.
    detector : {None, "mtcnn"} or callable, default=None
        None: the cascade of local binary patterns that comes with scikit-image; it knows
        frontal faces, and takes other things for faces now and then. "mtcnn": three small
        networks, which miss less and err less (``pip install 'sklearn-kpd[faces]'``). Or a
        function that takes a photograph, uint8 of the shape (height, width, 3), and returns
        boxes (left, top, right, bottom) or (left, top, right, bottom, score).
    min_size : float, default=0.03
        Side of the smallest face that is looked for, as a share of the photograph's longer
        side. Larger photographs are reduced until such a face has 24 pixels, so that a smaller
        one takes longer.

    Returns
    -------
    DataFrame
        ``path``, ``left``, ``top``, ``right``, ``bottom`` in pixels of the photograph, edges as in
        a slice, and ``score`` where the detector gives one; in the order of `paths`. Of boxes that
        overlap by more than 0.3 of their union the surest stays. Photographs with no face have no
        row: their paths are in ``attrs["without_face"]``.

    Raises
    ------
    PhotographError
        If a photograph is not there or damaged; names the row.
    ValueError
        For anything but paths, or a detector that finds boxes that are none.

    Warns
    -----
    UserWarning
        If there are photographs with no face.

    See Also
    --------
    BoxFinder : Learns where the one object of each photograph lies.

    Notes
    -----
    .. versionadded:: 0.2

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skimage import data, io
    >>> from sklearn_kpd.photographs import find_faces
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "astronaut.png"
    ...     io.imsave(path, data.astronaut())
    ...     X = find_faces([path], min_size=0.2)
    >>> X.columns.tolist(), len(X)
    (['path', 'left', 'top', 'right', 'bottom'], 1)
    """
    if not isinstance(min_size, Real) or not 0 < min_size <= 1:
        raise ValueError(f"min_size={min_size!r} must be a share of the longer side, 0 to 1.")
    photographs = check_photographs(paths)
    for row, source in enumerate(photographs.sources):
        if path_of(source) is None:
            raise ValueError(f"paths, row {row}: {type(source).__name__} is no path.")
    check_there(photographs)
    detect = get_detector(detector)
    longest = max(SMALLEST, round(SMALLEST / min_size))
    names = photographs.paths()
    frames = [frame_of(source) for source in photographs.sources]
    find = _Finder(detect, longest)
    found = [find(row, source) for row, source in enumerate(photographs.sources)]
    without = [path for path, boxes in zip(names, found, strict=True) if not len(boxes)]
    if without:
        warnings.warn(
            f"No face was found in {len(without)} of {len(names)} photographs, which have no row: "
            f"{', '.join(map(str, without[:3]))}{' ...' if len(without) > 3 else ''}.",
            stacklevel=2,
        )
    n_columns = min(boxes.shape[1] for boxes in found) if len(without) < len(names) else 4
    boxes = np.concatenate([boxes[:, :n_columns] for boxes in found])
    table = pd.DataFrame(boxes, columns=[*BOX, "score"][:n_columns])
    n_found = [len(boxes) for boxes in found]
    paths = np.repeat(names, n_found).astype(object)
    table.insert(0, "path", pd.Series(paths, dtype=object))
    if max(frames) >= 0:
        numbers = pd.Series(np.repeat(frames, n_found))
        table.insert(1, "frame", numbers if min(frames) >= 0 else numbers.where(numbers >= 0))
    table.attrs["without_face"] = without
    return table


class _Finder:
    """Boxes of the faces in one photograph after the other, and scores where there are some."""

    def __init__(self, detect: Detector, longest: int) -> None:
        self.detect = detect
        self.longest = longest
        self.videos: dict[Any, VideoReader] = {}

    def __call__(self, row: int, source: Any) -> FloatArray:
        try:
            photograph, scale = read_reduced(source, "rgb", self.longest, self.videos)
        except PhotographError as error:
            raise PhotographError(f"paths, row {row}: {error}") from error
        found = _checked(self.detect(photograph), row, path_of(source))
        found[:, :4] *= np.tile(scale, 2)
        return found[suppress(found[:, :4], found[:, 4] if found.shape[1] == 5 else None)]


def _checked(boxes: Any, row: int, path: Any) -> FloatArray:
    """What a detector has found, as an array of 4 or 5 columns."""
    found = np.array(list(boxes), dtype=np.float64)
    if not found.size:
        return np.empty((0, 5))  # cut to 4 columns if others have no score
    if found.ndim != 2 or found.shape[1] not in (4, 5):
        raise ValueError(
            f"detector returned an array of the shape {found.shape} for {os.fspath(path)}; boxes "
            "are (left, top, right, bottom) or (left, top, right, bottom, score)."
        )
    bad = ~np.isfinite(found).all(axis=1) | (found[:, 2:4] <= found[:, :2]).any(axis=1)
    if bad.any():
        values = ", ".join(f"{v:g}" for v in found[bad][0])
        raise ValueError(
            f"paths, row {row}: detector found the box {values} in {path}, and right must be "
            "above left, bottom above top."
        )
    return found
