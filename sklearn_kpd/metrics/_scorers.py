"""Scorers that meet by the names of keypoints, and what names the predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kpd._common.sklearn import Scorer
from sklearn_kpd.keypoints import columns_from_names, fitted_names, last_step


def make_keypoint_scorer(
    metric: Callable[..., Any], *, greater_is_better: bool = True, **kwargs: Any
) -> Any:
    """Make a scorer of a metric of this module, as scikit-learn's ``make_scorer`` does.

    It gives the predictions the names of the keypoints that the estimator was fitted on, so that
    y may be a table in another order. An estimator that keeps no names, such as scikit-learn's
    own, predicts in the order of y's columns.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred, **kwargs)``, one of :mod:`sklearn_kpd.metrics` or another that
        takes a DataFrame for `y_pred`.
    greater_is_better : bool, default=True
        False for an error: the score is its negative.
    **kwargs
        For the metric.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=``.

    Examples
    --------
    >>> from sklearn_kpd import metrics
    >>> metrics.make_keypoint_scorer(metrics.normalized_mean_error, greater_is_better=False,
    ...                              normalize="bbox")
    make_scorer(normalized_mean_error, greater_is_better=False, ..., normalize=bbox)

    .. versionadded:: 0.2
    """
    return _KeypointScorer(metric, 1 if greater_is_better else -1, kwargs, "predict")


class _KeypointScorer(Scorer):
    """scikit-learn's scorer, with names for what is predicted."""

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: BaseEstimator,
        X: ArrayLike,
        y_true: ArrayLike,
        **kwargs: Any,
    ) -> Any:
        def named(estimator: BaseEstimator, *args: Any, **options: Any) -> Any:
            return name_predictions(method_caller(estimator, *args, **options), estimator, y_true)

        return super()._score(named, estimator, X, y_true, **kwargs)


def name_predictions(
    y_pred: ArrayLike, estimator: BaseEstimator, y_true: ArrayLike | None = None
) -> Any:
    """Give predictions the names of their keypoints, where they are known.

    Parameters
    ----------
    y_pred : array-like
        What `estimator` has predicted.
    estimator : estimator
        Fitted. Without names of its own it predicts in the order of the columns of `y_true`.
    y_true : DataFrame or array-like, optional
        Labels in the form that `estimator` was fitted on.

    Returns
    -------
    DataFrame, or `y_pred` as it is
        A column each coordinate, where the keypoints' names are known and fit.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn_kpd.metrics._scorers import name_predictions
    >>> y = pd.DataFrame([[1.0, 2.0]], columns=["nose_x", "nose_y"])
    >>> name_predictions(np.array([[3.0, 4.0]]), DummyRegressor(), y)
       nose_x  nose_y
    0     3.0     4.0
    """
    if hasattr(y_pred, "columns"):
        return y_pred
    values = np.asarray(y_pred)
    values = values.reshape(len(values), -1)
    names, columns = fitted_names(estimator), None
    if names is not None:
        columns = columns_from_names(names)
    elif (
        y_true is not None
        and hasattr(y_true, "columns")
        and not hasattr(last_step(estimator), "keypoint_names_")
    ):
        columns = y_true.columns
    if columns is None or len(columns) != values.shape[1]:
        return y_pred
    return pd.DataFrame(values, columns=columns)
