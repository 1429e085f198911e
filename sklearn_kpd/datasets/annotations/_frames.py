"""Writing keypoints on the frames of a video, in the form in which DeepLabCut tracks them."""

import csv
import io
import math

import numpy as np
import pandas as pd

from sklearn_kpd._common.texts import shielded
from sklearn_kpd.keypoints import FloatArray


def tracked(X: pd.DataFrame, names: tuple[str, ...], points: FloatArray, scorer: str) -> str:
    """Table of one row a frame; the likelihood is 1 where there is a point.

    Parameters
    ----------
    X : DataFrame with the columns path, frame
        Frames of one video, one row an object. Objects of a frame are individuals, in the order
        of its rows.
    names : tuple of str
        Of the keypoints.
    points : ndarray of shape (n, k, 2)
        Pixels, NaN where there is none.
    scorer : str
        Who has found them.

    Returns
    -------
    str
        CSV.

    Raises
    ------
    ValueError
        For frames of several videos, of which the table could not tell which is which.
    """
    if X["path"].nunique() != 1 or X["frame"].isna().any():
        raise ValueError(
            "DeepLabCut's table is about one video: X must have the frames of one, and no "
            "photographs."
        )
    frames = X["frame"].to_numpy(dtype=np.int64)
    individual = X.groupby("frame").cumcount().to_numpy()
    most = int(individual.max()) + 1
    columns = [(f"individual{at + 1}", name, c) for at in range(most) for name in names
               for c in ("x", "y", "likelihood")]  # fmt: skip
    levels = {
        "scorer": [scorer] * len(columns),
        "individuals": [column[0] for column in columns],
        "bodyparts": [shielded(column[1]) for column in columns],
        "coords": [column[2] for column in columns],
    }
    if most == 1:
        del levels["individuals"]
    rows = {int(frame): [""] * len(columns) for frame in np.unique(frames)}
    for frame, at, row in zip(frames, individual, points, strict=True):
        start = 3 * len(names) * at
        rows[int(frame)][start : start + 3 * len(names)] = [
            field
            for x, y in row.tolist()
            for field in (("", "", "") if math.isnan(x) else (repr(x), repr(y), "1.0"))
        ]
    with io.StringIO() as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([level, *values] for level, values in levels.items())
        writer.writerows([str(frame), *fields] for frame, fields in rows.items())
        return file.getvalue()
