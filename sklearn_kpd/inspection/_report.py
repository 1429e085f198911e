"""A report on an estimator's predictions: one page of HTML that needs nothing else."""

import base64
import io
from collections.abc import Callable
from numbers import Real
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from sklearn_kpd import __version__, metrics
from sklearn_kpd._common.schemes import IntArray
from sklearn_kpd._common.sklearn import RandomState
from sklearn_kpd.inspection._cumulative import CumulativeErrorDisplay
from sklearn_kpd.inspection._errors import KeypointErrorDisplay
from sklearn_kpd.inspection._keypoints import KeypointDisplay
from sklearn_kpd.inspection._missing import MissingLabelDisplay
from sklearn_kpd.inspection._regions import RegionDisplay
from sklearn_kpd.inspection._shown import crops_of
from sklearn_kpd.keypoints import FloatArray, align, check_keypoints, columns_from_names
from sklearn_kpd.metrics._coverage import in_regions
from sklearn_kpd.metrics._landmarks import NORMALIZATIONS, share_of_area, share_of_failures

_N_RESAMPLES = 1000


def evaluation_report(
    X: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    title: str = "Evaluation",
    normalize: ArrayLike | None = None,
    threshold: float = 0.08,
    regions: Any = None,
    n_faces: int = 24,
    image_shape: tuple[int, ...] | None = None,
    random_state: RandomState = None,
) -> str:
    """Write a page with scores and their intervals, curves and faces.

    Parameters
    ----------
    X : array-like, DataFrame or Crops
        Images, or photographs, whose crops are shown.
    y_true : DataFrame or array-like
        True keypoints in pixels, NaN where not labelled.
    y_pred : DataFrame or array-like of the same shape
        Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
    title : str, default="Evaluation"
        Heading of the page.
    normalize : default=None
        As in :func:`sklearn_kpd.metrics.normalized_errors`. None: "interocular" or "interpupil",
        whichever leaves out fewer faces, or "bbox" if y has neither pair of keypoints.
    threshold : float, default=0.08
        Of the failure rate and of the area under the cumulative error curve.
    regions : array-like of shape (n, k) or (n, k, 2, 2), default=None
        Regions round `y_pred`, in its order, from `predict_region` of
        :class:`~sklearn_kpd.conformal.ConformalKeypointRegressor`: how many labels they hold is
        among the scores, and they are shown.

        .. versionadded:: 0.2
    n_faces : int, default=24
        How many of the worst faces to show.
    image_shape : tuple of int, default=None
        Shape of flat images that are no grey squares.
    random_state : int, RandomState instance or None, default=None
        Determines the bootstrap.

    Returns
    -------
    str
        HTML with its pictures inside; it fetches nothing.

    Raises
    ------
    ValueError
        If nothing is labelled, or shapes do not fit.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import evaluation_report
    >>> X, y = make_faces(20, random_state=0)
    >>> page = evaluation_report(X, y, y + 1, n_faces=4, random_state=0)
    >>> page.startswith("<!DOCTYPE html>")
    True
    """
    X = crops_of(X)
    if not np.shape(y_true)[0]:
        raise ValueError("y_true has no row: there is nothing to report on.")
    keypoints = check_keypoints(y_true)
    true, names = keypoints.values, keypoints.names
    if normalize is None:
        normalize = _usual_normalization(true, names)
    pred = align(check_keypoints(y_pred), names).values
    landmark: dict[str, Any] = {"normalize": normalize, "keypoint_names": names}
    face_errors = metrics.normalized_errors(true, pred, **landmark)
    labelled = np.logical_not(np.isnan(true.reshape(len(true), -1, 2)).any(axis=-1))
    displays = {
        "Share of the faces with at most each error": lambda: (
            CumulativeErrorDisplay.from_predictions(true, pred, threshold=threshold, **landmark)
        ),
        "Error of each keypoint, on the mean face": lambda: KeypointErrorDisplay.from_predictions(
            X, y_true, pred, image_shape=image_shape
        ),
        "Which keypoints are labelled": lambda: MissingLabelDisplay.from_labels(y_true),
        "The worst faces first: labels are green circles, predictions red crosses": lambda: (
            KeypointDisplay.from_predictions(
                X, y_true, pred, n_faces=n_faces, image_shape=image_shape
            )
        ),
    }
    held = None
    if regions is not None:
        held = in_regions(y_true, y_pred, regions)
        displays["Regions of the first faces: red where they do not hold the label"] = lambda: (
            RegionDisplay.from_predictions(
                X, y_true, y_pred, regions, n_faces=n_faces, image_shape=image_shape
            )
        )
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("sklearn_kpd.inspection", "."), autoescape=True
    ).get_template("report.html.jinja")
    return template.render(
        title=title,
        version=__version__,
        n_faces=len(true),
        n_labelled=int(labelled.sum()),
        left_out=int(np.isnan(face_errors).sum()),
        table=_score_rows(
            true,
            pred,
            face_errors,
            threshold,
            np.flatnonzero(labelled.any(axis=1)),
            _normalization_in_words(normalize),
            check_random_state(random_state),
            held,
        ),
        by_keypoint=_keypoint_rows(true, pred, labelled.sum(axis=0), names),
        pictures=[(caption, _png(draw)) for caption, draw in displays.items()],
        n_resamples=_N_RESAMPLES,
    )


def _score_rows(
    true: FloatArray,
    pred: FloatArray,
    face_errors: FloatArray,
    threshold: float,
    labelled: IntArray,
    normalization: str,
    rng: np.random.RandomState,
    held: tuple[Any, Any] | None,
) -> list[dict[str, Any]]:
    """Rows of the table of scores: name, unit, value, and the ends of its interval."""

    def scores(rows: IntArray) -> list[float]:
        y, p, errors = true[rows], pred[rows], face_errors[rows]
        errors = errors[~np.isnan(errors)]
        shares = [np.nan] * 3  # of faces that happen to be drawn, none may be measured
        if len(errors):
            shares = [
                float(errors.mean()),
                share_of_failures(errors, threshold),
                share_of_area(errors, threshold),
            ]
        return [
            metrics.mean_squared_error(y, p) ** 0.5,
            metrics.mean_absolute_error(y, p),
            *metrics.error_quantiles(y, p, quantiles=(0.5, 0.95)),
            *(100 * share for share in shares),
            *([] if held is None else _kept(*held, rows)),
        ]

    percent = f"{100 * threshold:g} %"
    labels = [
        ("Root mean squared error", "px"),
        ("Mean absolute error", "px"),
        ("Median distance", "px"),
        ("95 % of the distances are below", "px"),
        (f"Normalised mean error ({normalization})", "%"),
        (f"Failure rate (above {percent})", "%"),
        (f"Area under the cumulative error curve up to {percent}", "%"),
    ]
    if held is not None:
        labels += [
            ("Labels in their regions", "%"),
            ("Faces with all labels in their regions", "%"),
        ]
    intervals = _intervals(scores, labelled, rng)
    return [
        {"name": name, "unit": unit, "value": value, "low": low, "high": high}
        for (name, unit), value, low, high in zip(
            labels, scores(np.arange(len(true))), *intervals, strict=True
        )
    ]


def _keypoint_rows(
    true: FloatArray, pred: FloatArray, counts: IntArray, names: tuple[str, ...] | None
) -> list[dict[str, Any]]:
    """Rows of the table of keypoints: name, RMSE, and how often it is labelled."""
    rmse = metrics.keypoint_root_mean_squared_error(true, pred)
    return [
        {"name": str(name).replace("_", " "), "rmse": error, "count": int(count)}
        for name, error, count in zip(names or range(len(rmse)), rmse, counts, strict=True)
    ]


def _kept(inside: Any, labelled: Any, rows: Any) -> list[float]:
    """Share of the labels in their regions, and of the faces with all of them there, in %."""
    inside, labelled = inside[rows], labelled[rows]
    whole = (inside | ~labelled).all(axis=1)[labelled.any(axis=1)]
    return [100 * inside[labelled].mean(), 100 * whole.mean()]


def _usual_normalization(true: FloatArray, names: tuple[str, ...] | None) -> str:
    """Pair of keypoints that most faces have, or the box."""
    n_faces = {}
    for normalization, pair in NORMALIZATIONS.items():
        if names is not None and set(pair) <= set(names):
            columns = [columns_from_names(names).index(c) for c in columns_from_names(pair)]
            n_faces[normalization] = int((~np.isnan(true[:, columns])).all(axis=1).sum())
    return max(n_faces, key=lambda name: n_faces[name]) if any(n_faces.values()) else "bbox"


def _normalization_in_words(normalize: ArrayLike) -> str:
    if isinstance(normalize, str):
        return {"interocular": "by the distance of the outer eye corners",
                "interpupil": "by the distance of the eye centres",
                "bbox": "by the size of the face"}[normalize]  # fmt: skip
    if isinstance(normalize, Real):
        return f"by {float(normalize):g} pixels"
    return "by a distance of each face"


def _intervals(
    scores: Callable[[IntArray], list[float]], rows: IntArray, rng: np.random.RandomState
) -> tuple[FloatArray, FloatArray]:
    """95 % percentile intervals of the scores, over faces drawn with replacement.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    drawn = [scores(rng.choice(rows, len(rows))) for _ in range(_N_RESAMPLES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def _png(draw: Callable[[], Any]) -> str:
    """Draw a display and give its picture as base64."""
    figure = draw().figure_
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()
