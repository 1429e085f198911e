"""Videos: frames as rows of a table, and keypoints drawn into a copy."""

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_kpd._common.files import replacing_path
from sklearn_kpd._common.opencv import cv2, file_name
from sklearn_kpd._common.texts import paths_column
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import Keypoints, check_keypoints

# What OpenCV writes, by the ending of the file.
_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
# Share of the frames that a file may promise too many of: many only estimate them.
_PROMISED_TOO_MANY = 0.05
# One for each keypoint in turn, as OpenCV has colours: blue, green, red.
_COLORS = ((80, 220, 60), (60, 60, 240), (240, 170, 40), (40, 200, 250), (220, 80, 220))


class Frame(NamedTuple):
    """A frame of a video: where the video is, and which it is, from 0."""

    path: Any
    number: int


def read_video(path: Any) -> pd.DataFrame:
    """Make a table of the frames of a video, one row a frame, for `CropTransformer`.

    The video is decoded once, to count its frames: what its header says is an estimate. No pixels
    are kept; they are read when they are needed.

    Parameters
    ----------
    path : str or PathLike
        A video that OpenCV reads.

    Returns
    -------
    DataFrame with the columns path, frame
        The video, and the number of the frame, from 0. With columns left, top, right, bottom for
        the boxes of objects it may have any number of rows for each frame. Rows of one video
        belong together: ``groups=X["path"]``.

    Raises
    ------
    PhotographError
        If the file is not there, or is no video that can be decoded.

    Warns
    -----
    UserWarning
        If the file promises many more frames than can be decoded: it may be cut off.

    See Also
    --------
    write_video : Draws keypoints into a copy.

    Notes
    -----
    Frames are decoded in order, and are as a viewer shows them. Going back begins at the first
    frame again, because a jump may land on the wrong one, so let X have its frames in order.

    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn_kpd.photographs import read_video
    >>> X = read_video("mouse.mp4")  # doctest: +SKIP
    >>> pipe.predict(X[::5])  # doctest: +SKIP
    """
    reader = VideoReader(path)
    n_frames = reader.count()
    if not n_frames:
        raise PhotographError(f"{path}: holds no frame that can be decoded.")
    told = reader.told()
    if told - n_frames > 1 + _PROMISED_TOO_MANY * n_frames:
        warnings.warn(
            f"{path} promises {told} frames, and {n_frames} can be decoded: it may be cut off.",
            stacklevel=2,
        )
    return pd.DataFrame({"path": paths_column([path] * n_frames), "frame": np.arange(n_frames)})


def write_video(
    path: Any, X: pd.DataFrame, points: Any, *, skeleton: Any = None, radius: int = 3
) -> None:
    """Write a copy of a video with keypoints drawn into it.

    Parameters
    ----------
    path : str or PathLike
        Where to; ``.mp4`` (MPEG-4) or ``.avi`` (Motion JPEG). It takes the place of an older file
        once it is complete. There is no sound in it.
    X : DataFrame with the columns path, frame
        Frames of one video, as :func:`read_video` gives them, with one row an object. Those with
        no row are not written.
    points : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Keypoints of each row in pixels of the frame; NaN draws nothing.
    skeleton : list of (str, str) or of (int, int), default=None
        Keypoints that a line joins, by name or number.
    radius : int, default=3
        Of the dots, in pixels.

    Raises
    ------
    ValueError
        For another ending, frames of several videos, or other lengths of `X` and `points`.
    PhotographError
        If the video cannot be read, or lacks a frame.
    OSError
        If the file cannot be written, or this build of OpenCV has no codec for it.

    Notes
    -----
    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn_kpd.photographs import write_video
    >>> write_video("keypoints.mp4", X, pipe.predict(X))  # doctest: +SKIP
    """
    codec = video_codec(path)
    if not {"path", "frame"} <= set(X) or X["path"].nunique() != 1 or X["frame"].isna().any():
        raise ValueError(
            "X must be frames of one video: the column path with one video, and the column frame."
        )
    keypoints = check_keypoints(points)
    if len(keypoints.values) != len(X):
        raise ValueError(f"X has {len(X)} rows, points has {len(keypoints.values)}.")
    lines = _joined(skeleton, keypoints)
    places = keypoints.values.reshape(len(X), -1, 2)
    source = VideoReader(X["path"].iloc[0])
    numbers = X["frame"].to_numpy(dtype=np.int64)
    frames, first = np.unique(np.sort(numbers), return_index=True)
    rows_of = np.split(np.argsort(numbers, kind="stable"), first[1:])
    with replacing_path(path) as temporary:
        height, width = source.size()
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(file_name(temporary), fourcc, source.rate(), (width, height))
        if not writer.isOpened():
            raise OSError(f"{path}: this build of OpenCV cannot write {codec} there.")
        for number, rows in zip(frames, rows_of, strict=True):
            picture = np.ascontiguousarray(source.read(int(number))[..., ::-1])
            for row in rows:
                _draw(picture, places[row], lines, radius)
            writer.write(picture)
        writer.release()
        _check_written(temporary, len(frames), path)


def video_codec(path: Any) -> str:
    """Codec by the ending of a file that is to be written.

    Raises
    ------
    ValueError
        For another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in _CODECS:
        raise ValueError(f"{path}: videos are written as {' or '.join(_CODECS)}.")
    return _CODECS[ending]


class VideoReader:
    """Frames of a video by number, decoded in order; going back begins anew.

    A copy or a pickle of it knows where the video is, and nothing else.

    Parameters
    ----------
    path : str or PathLike
        The video.
    """

    def __init__(self, path: Any) -> None:
        self.path = path
        self._capture: Any = None
        self._next = 0

    def __reduce__(self) -> Any:
        return VideoReader, (self.path,)

    def size(self) -> tuple[int, int]:
        """Height and width of the frames, as a viewer shows them."""
        capture = self._opened()
        height, width = cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH
        return int(capture.get(height)), int(capture.get(width))

    def rate(self) -> float:
        """Frames per second; 25 where the file does not say."""
        return self._opened().get(cv2.CAP_PROP_FPS) or 25.0

    def told(self) -> int:
        """Frames that the header promises; 0 or less where it does not say."""
        return int(self._opened().get(cv2.CAP_PROP_FRAME_COUNT))

    def count(self) -> int:
        """Frames that can be decoded."""
        self._start()
        while self._capture.grab():
            self._next += 1
        return self._next

    def read(self, number: int) -> Array:
        """Decode a frame.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
            Red, green, blue.

        Raises
        ------
        PhotographError
            If the video has no such frame.
        """
        if self._capture is None or number < self._next:
            self._start()
        while self._next <= number:
            if not self._capture.grab():
                raise PhotographError(
                    f"{self.path}: has no frame {number}; {self._next} can be decoded."
                )
            self._next += 1
        there, pixels = self._capture.retrieve()
        if not there:
            raise PhotographError(f"{self.path}: frame {number} cannot be decoded.")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    def _opened(self) -> Any:
        if self._capture is None:
            self._start()
        return self._capture

    def _start(self) -> None:
        if not os.path.isfile(self.path):
            raise PhotographError(f"{self.path}: no such file.")
        self._capture, self._next = cv2.VideoCapture(file_name(self.path)), 0
        if not self._capture.isOpened():
            self._capture = None
            raise PhotographError(f"{self.path}: no video that OpenCV can read.")


def _joined(skeleton: Any, keypoints: Keypoints) -> list[tuple[int, int]]:
    """Numbers of the keypoints that a line joins."""
    numbers: dict[Any, int] = {at: at for at in range(keypoints.values.shape[1] // 2)}
    numbers |= {name: at for at, name in enumerate(keypoints.names or ())}
    lines = []
    for start, end in skeleton or ():
        for point in (start, end):
            if point not in numbers:
                raise ValueError(f"skeleton joins {point!r}, which is none of the keypoints.")
        lines.append((numbers[start], numbers[end]))
    return lines


def _draw(picture: Array, points: Array, lines: list[tuple[int, int]], radius: int) -> None:
    """Draw the keypoints of one object; OpenCV takes sixteenths of a pixel."""
    known = np.asarray(np.isfinite(points).all(axis=1))
    places = np.round(np.where(known[:, np.newaxis], points, 0) * 16).clip(-(2**24), 2**24)
    at = [tuple(map(int, place)) for place in places]
    for start, end in lines:
        if known[start] and known[end]:
            cv2.line(picture, at[start], at[end], (255, 255, 255), 1, cv2.LINE_AA, 4)
    for number in np.flatnonzero(known):
        color = _COLORS[number % len(_COLORS)]
        cv2.circle(picture, at[number], radius * 16, color, -1, cv2.LINE_AA, 4)


def _check_written(temporary: str, n_frames: int, path: Any) -> None:
    """OpenCV does not say that a disk is full: read what it has written."""
    try:
        written = VideoReader(temporary).count()
    except PhotographError:
        written = 0
    if written != n_frames:
        raise OSError(
            f"{path}: {written} of {n_frames} frames could be written; the disk may be full."
        )
