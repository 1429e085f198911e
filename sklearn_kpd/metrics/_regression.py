"""scikit-learn's metrics over the labelled values of y, and scorers made of them.

They take what scikit-learn's metrics of the same names take, and NaN in `y_true` besides. On
complete labels they are those very functions. Two tables meet by the names of their columns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics as sklearn_metrics
from sklearn.utils.validation import check_consistent_length

from sklearn_kpd._common.sklearn import check_sample_weight
from sklearn_kpd.keypoints import (
    FloatArray,
    as_floats,
    check_keypoints,
    columns_from_names,
    names_from_columns,
)
from sklearn_kpd.metrics._scorers import make_keypoint_scorer


def mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: ArrayLike = "uniform_average",
) -> Any:
    """Mean squared error over the labelled values.

    Parameters
    ----------
    y_true : DataFrame or array-like of shape (n,), (n, n_outputs) or (n, k, 2)
        Labels, NaN where there is none. The columns of a DataFrame go by their names, as
        :func:`sklearn_kpd.keypoints.check_keypoints` reads them: x then y for each keypoint.
    y_pred : DataFrame or array-like of the same shape
        Predictions. Two DataFrames meet by their names; an array is in the order in which
        `y_true` is read.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        "uniform_average": every labelled value counts the same. "raw_values": an error for
        each column, over its labelled values; NaN if it has none. An array: weights of the
        columns.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        Squared pixels, where y is pixels.

    Raises
    ------
    ValueError
        If nothing is labelled, shapes differ or `y_pred` contains NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import mean_squared_error
    >>> mean_squared_error([[1.0, np.nan], [2.0, 4.0]], [[2.0, 7.0], [2.0, 6.0]])
    1.66...
    """
    return _over_labelled(
        sklearn_metrics.mean_squared_error,
        np.square,
        _identity,
        y_true,
        y_pred,
        sample_weight,
        multioutput,
    )


def root_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: ArrayLike = "uniform_average",
) -> Any:
    """Root of the mean squared error of each column, over the labelled values.

    Like scikit-learn's, it takes the root column by column and averages then. Kaggle's score
    takes one root over all values: it is ``mean_squared_error(...) ** 0.5``.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in :func:`mean_squared_error`.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        "uniform_average": the mean over the columns, each with the weight of its labelled
        values. Else as in :func:`mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        Pixels, where y is pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import root_mean_squared_error
    >>> root_mean_squared_error([[1.0, np.nan], [2.0, 4.0]], [[2.0, 7.0], [3.0, 6.0]])
    1.33...
    """
    return _over_labelled(
        sklearn_metrics.root_mean_squared_error,
        np.square,
        np.sqrt,
        y_true,
        y_pred,
        sample_weight,
        multioutput,
    )


def mean_absolute_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: ArrayLike = "uniform_average",
) -> Any:
    """Mean absolute error over the labelled values.

    Parameters
    ----------
    y_true, y_pred, sample_weight, multioutput
        As in :func:`mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        Pixels, where y is pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import mean_absolute_error
    >>> mean_absolute_error([[1.0, np.nan], [2.0, 4.0]], [[2.0, 7.0], [2.0, 6.0]])
    1.0
    """
    return _over_labelled(
        sklearn_metrics.mean_absolute_error,
        np.abs,
        _identity,
        y_true,
        y_pred,
        sample_weight,
        multioutput,
    )


def r2_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """R² of each column over its labelled values, averaged over the columns.

    Columns with fewer than two labelled values are left out: they have no variance.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in :func:`mean_squared_error`.

    Returns
    -------
    float
        1 is perfect, 0 what the column means reach.

    Raises
    ------
    ValueError
        As :func:`mean_squared_error`, and if no column has two labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import r2_score
    >>> r2_score([[1.0, np.nan], [2.0, 4.0], [3.0, 6.0]], [[1.0, 0.0], [2.0, 4.0], [3.0, 6.0]])
    1.0
    """
    y_true, y_pred, weight = check_values(y_true, y_pred, sample_weight)
    labelled = ~np.isnan(y_true)
    if labelled.all():
        return sklearn_metrics.r2_score(y_true, y_pred, sample_weight=sample_weight)
    scores = [
        sklearn_metrics.r2_score(true[rows], pred[rows], sample_weight=weight[rows])
        for true, pred, rows in zip(y_true.T, y_pred.T, labelled.T, strict=True)
        if rows.sum() > 1
    ]
    if not scores:
        raise ValueError("R² needs a column with two labels: there is no variance to explain.")
    return float(np.mean(scores))


neg_mean_squared_error = make_keypoint_scorer(mean_squared_error, greater_is_better=False)
neg_root_mean_squared_error = make_keypoint_scorer(
    root_mean_squared_error, greater_is_better=False
)
neg_mean_absolute_error = make_keypoint_scorer(mean_absolute_error, greater_is_better=False)


def _over_labelled(
    complete: Callable[..., Any],
    elementwise: Callable[[FloatArray], FloatArray],
    columnwise: Callable[[FloatArray], FloatArray],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sample_weight: ArrayLike | None,
    multioutput: ArrayLike,
) -> Any:
    """Scikit-learn's metric on complete labels, else the same over the labelled values."""
    y_true, y_pred, weight = check_values(y_true, y_pred, sample_weight)
    labelled = ~np.isnan(y_true)
    if labelled.all():
        return complete(y_true, y_pred, sample_weight=sample_weight, multioutput=multioutput)
    if not labelled.any():
        raise ValueError("y_true has no label at all: there is nothing to measure.")
    weights = labelled * weight[:, np.newaxis]
    column_weights = weights.sum(axis=0)
    errors = elementwise(np.where(labelled, y_pred - y_true, 0.0))
    with np.errstate(invalid="ignore"):  # columns with no label become NaN
        scores = columnwise((weights * errors).sum(axis=0) / column_weights)
    if isinstance(multioutput, str):
        if multioutput == "raw_values":
            return scores
        if multioutput != "uniform_average":
            raise ValueError(
                f"multioutput={multioutput!r} is unknown; it may be 'uniform_average', "
                "'raw_values' or an array of weights."
            )
    else:
        column_weights = np.asarray(multioutput, dtype=float) * (column_weights > 0)
    return float(np.average(np.nan_to_num(scores), weights=column_weights))


def check_values(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Labels and predictions as (n, n_outputs), and a weight for each row."""
    true, pred = _meet(y_true, y_pred)
    check_consistent_length(true, pred, sample_weight)
    if true.shape != pred.shape and true.size != pred.size:
        raise ValueError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}; they must be the same."
        )
    if not np.isfinite(pred).all():
        raise ValueError("y_pred contains NaN or infinity.")
    if np.isinf(true).any():
        raise ValueError("y_true contains infinity; mark what is not labelled by NaN.")
    weight = check_sample_weight(sample_weight, true)
    return true.reshape(len(true), -1), pred.reshape(len(pred), -1), weight


def _meet(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Values of both; those of `y_pred` in the order of `y_true` where both have names."""
    (true, labels), (pred, others) = _values_and_columns(y_true), _values_and_columns(y_pred)
    if labels is None or others is None or labels == others:
        return true, pred
    for mine, theirs, whose in ((labels, others, "y_true"), (others, labels, "y_pred")):
        alone = [label for label in mine if label not in theirs]
        if alone:
            raise ValueError(
                f"y_true and y_pred are tables with other columns: {whose} alone has "
                f"{alone[0]!r}. Give both the same, or y_pred as an array in the order of y_true."
            )
    return true, np.take(pred, [others.index(label) for label in labels], axis=1)


def _values_and_columns(y: ArrayLike) -> tuple[FloatArray, list[Any] | None]:
    """Values, and the labels of their columns where they have any."""
    if not hasattr(y, "columns"):
        values = as_floats(y)
        with_visibility = values.ndim == 3 and values.shape[2] == 3
        return (check_keypoints(values).values if with_visibility else values), None
    try:
        names = names_from_columns(y.columns)
    except ValueError:  # no keypoints, which a metric of numbers may well have
        return as_floats(y), list(y.columns)
    if names is None:
        return as_floats(y), None
    return check_keypoints(y).values, columns_from_names(names)


def _identity(values: FloatArray) -> FloatArray:
    return values
