"""Generated faces: the data of the demonstration and of the tests."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sklearn_kpd.datasets._drawn_face import draw_face
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

# Share of rows of Kaggle's training.csv with all 15 keypoints and with these four alone; in
# the rest, single keypoints are missing.
_COMPLETE, _FOUR = 2140 / 7049, 4755 / 7049
_FOUR_KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "nose_tip",
    "mouth_center_bottom_lip",
)


def make_faces(
    n_samples: int = 100, *, missing: str | float | None = None, random_state: Any = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Generate grey faces with Kaggle's 15 keypoints.

    Drawn faces that vary in pose (turned, tilted, nodding, placed and sized differently), in
    shape (of head, eyes, brows, nose and mouth, hair, beard, glasses), in skin, light,
    background, sharpness and noise. They are made to show and to test the package: a network
    has to learn them, but learns nothing about real faces.

    Parameters
    ----------
    n_samples : int, default=100
        Number of faces.
    missing : {"kaggle"} or float or None, default=None
        "kaggle" leaves out labels as Kaggle's training file does: about 30 % of the rows are
        complete, 67 % have the centres of the eyes, the tip of the nose and the lower lip
        alone. A float is the share of keypoints that are left out at random. None leaves none
        out.
    random_state : int, RandomState instance or None, default=None
        Determines the faces.

    Returns
    -------
    X : ndarray of shape (n_samples, 96, 96, 1), uint8
        Grey levels.
    y : DataFrame of shape (n_samples, 30)
        Pixels, (0, 0) the centre of the first pixel; NaN where left out.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(3, missing="kaggle", random_state=0)
    >>> X.shape, X.dtype, y.shape
    ((3, 96, 96, 1), dtype('uint8'), (3, 30))
    """
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples={n_samples!r} must be a whole number of 1 or more.")
    share = missing if isinstance(missing, (int, float)) else 0.0
    if missing not in (None, "kaggle") and not (
        isinstance(missing, (int, float)) and 0 <= share <= 1
    ):
        raise ValueError(
            f"missing={missing!r} is unknown; it may be None, 'kaggle' or a share from 0 to 1."
        )
    seed = check_random_state(random_state).randint(2**31 - 1)
    faces_rng, missing_rng = np.random.default_rng(seed).spawn(2)
    faces = [draw_face(rng) for rng in faces_rng.spawn(int(n_samples))]
    points = np.stack([face[1] for face in faces])
    if missing == "kaggle":
        points[_kaggle_pattern(len(points), missing_rng)] = np.nan
    elif share:
        points[missing_rng.random(points.shape[:2]) < share] = np.nan
    images = np.stack([face[0] for face in faces])[..., np.newaxis]
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    return images, pd.DataFrame(points.reshape(len(points), -1), columns=columns)


def _kaggle_pattern(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Whether each keypoint is left out, (n_samples, 15)."""
    kind = rng.random(n_samples)
    four = np.isin(KAGGLE_KEYPOINTS, _FOUR_KEYPOINTS)
    left_out = np.zeros((n_samples, len(KAGGLE_KEYPOINTS)), dtype=bool)
    left_out[kind < _FOUR] = ~four
    single = np.flatnonzero(kind >= _FOUR + _COMPLETE)
    left_out[single, rng.integers(len(KAGGLE_KEYPOINTS), size=len(single))] = True
    return left_out
