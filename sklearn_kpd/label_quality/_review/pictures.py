"""What is shown of an image or a photograph: the object with some margin, as PNG or JPEG."""

import io
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.photographs._reading import read_reduced
from sklearn_kpd.photographs._tables import Photographs

#: Images whose sides have no more pixels are shown whole.
_TINY = 128
#: Pictures whose sides have no more pixels are sent without loss.
_SMALL = 512
#: Longest side of what is sent, in pixels.
_LONGEST = 1600
#: Share of the object's longer side that is shown around it.
_MARGIN = 0.25
_QUALITY = 92
#: No photograph is so large: it is read as it is.
_WHOLE = 10**9
_KEPT = 4


class Picture(NamedTuple):
    """Encoded pixels, and which edges of the photograph they show: left, top, right, bottom."""

    content: bytes
    mimetype: str
    region: tuple[int, int, int, int]


class Pictures:
    """Pictures by the number of their row; the last few are kept.

    Parameters
    ----------
    photographs : Photographs
        Where the pixels are.
    """

    def __init__(self, photographs: Photographs) -> None:
        self._photographs = photographs
        self._kept: OrderedDict[int, Picture] = OrderedDict()
        self._videos: dict[Any, Any] = {}
        self._lock = threading.Lock()  # a reader of a video is for one thread

    def picture(self, row: int, points: FloatArray) -> Picture:
        """Picture of a row.

        Parameters
        ----------
        row : int
            Position in the data.
        points : ndarray of shape (m, 2)
            Pixels of the photograph that are to be in the picture, if they are in it; NaN is
            passed over.

        Raises
        ------
        PhotographError
            If the photograph cannot be read.
        """
        with self._lock:
            if row not in self._kept:
                source = self._photographs.sources[row]
                pixels, _ = read_reduced(source, "rgb", _WHOLE, self._videos)
                shown = region(pixels.shape[:2], self._photographs.boxes[row], points)
                self._kept[row] = Picture(*_encoded(pixels, shown), shown)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[row]


def region(
    size: tuple[int, ...], box: FloatArray, points: FloatArray
) -> tuple[int, int, int, int]:
    """Part of a photograph with an object in it.

    Parameters
    ----------
    size : (int, int)
        Height and width of the photograph.
    box : ndarray of shape (4,)
        Of the object, NaN where there is none.
    points : ndarray of shape (m, 2)
        Pixels that belong to it; those beyond the photograph are passed over.

    Returns
    -------
    left, top, right, bottom : int
        Edges, within the photograph.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.label_quality._review.pictures import region
    >>> region((1000, 2000), np.array([100, 100, 300, 200]), np.array([[90.0, 150.0]]))
    (37, 47, 353, 253)
    """
    end = np.array(size[1::-1])
    if end.max() <= _TINY:
        return 0, 0, int(end[0]), int(end[1])
    with np.errstate(invalid="ignore"):
        inside = points[((points >= -0.5) & (points <= end - 0.5)).all(axis=1)]
    corners = np.concatenate([inside, box.reshape(2, 2)])
    corners = corners[~np.isnan(corners).any(axis=1)]
    if not len(corners):
        return 0, 0, int(end[0]), int(end[1])
    low, high = corners.min(axis=0), corners.max(axis=0)
    around = max(16.0, _MARGIN * (high - low).max())
    left, top = np.clip(np.floor(low - around), 0, end - 1).astype(int)
    right, bottom = np.clip(np.ceil(high + around), [left + 1, top + 1], end).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _encoded(pixels: Array, shown: tuple[int, int, int, int]) -> tuple[bytes, str]:
    image = Image.fromarray(pixels).crop(shown)
    small = max(image.size) <= _SMALL
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS, reducing_gap=None)
    with io.BytesIO() as file:
        if small:
            image.save(file, "PNG")
        else:
            image.save(file, "JPEG", quality=_QUALITY)
        return file.getvalue(), "image/png" if small else "image/jpeg"
