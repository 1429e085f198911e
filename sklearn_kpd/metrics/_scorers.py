"""Scorers that meet by the names of keypoints, and what names the predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kpd._common.sklearn import Scorer
from sklearn_kpd.keypoints import (
    align,
    check_keypoints,
    columns_from_names,
    fitted_names,
    last_step,
)

BoolArray = npt.NDArray[np.bool_]


def make_keypoint_scorer(
    metric: Callable[..., Any],
    *,
    greater_is_better: bool = True,
    by_scheme: bool = False,
    **kwargs: Any,
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
    by_scheme : bool, default=False
        Whether each row is predicted by the labelling scheme that it is labelled with, as where
        another person asks for what that scheme labels; see the `scheme` of
        ``KeypointRegressor.predict``. Else every row is predicted as by ``predict(X)``.
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
    kind = _SchemeScorer if by_scheme else _KeypointScorer
    return kind(metric, 1 if greater_is_better else -1, kwargs, "predict")


# Its own `_score` is what cross_validate calls with cached predictions.
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
            y_pred = self._predict(method_caller, estimator, y_true, *args, **options)
            return name_predictions(y_pred, estimator, y_true)

        return super()._score(named, estimator, X, y_true, **kwargs)

    def _predict(
        self, method_caller: Callable[..., Any], estimator: Any, y_true: Any, *args: Any, **kw: Any
    ) -> Any:
        return method_caller(estimator, *args, **kw)


class _SchemeScorer(_KeypointScorer):
    """A scorer that has each row predicted by the scheme that it is labelled with."""

    def _predict(
        self, method_caller: Callable[..., Any], estimator: Any, y_true: Any, *args: Any, **kw: Any
    ) -> Any:
        if not hasattr(last_step(estimator), "schemes_"):
            raise ValueError(
                "by_scheme=True needs a KeypointRegressor, which has labelling schemes; "
                f"{type(last_step(estimator)).__name__} has none."
            )
        # not by method_caller: predictions that it keeps for other scorers have no scheme
        _, X = args
        return estimator.predict(X, scheme=labelled_pattern(estimator, y_true))


def labelled_pattern(estimator: Any, y_true: Any) -> BoolArray:
    """Which values are labelled, in the order of the keypoints of an estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    y_true : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Labels, NaN where there is none.

    Returns
    -------
    ndarray of shape (n, 2 * k), bool
        True where there is a label.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn_kpd.metrics._scorers import labelled_pattern
    >>> labelled_pattern(DummyRegressor(), np.array([[1.0, 2.0, np.nan, np.nan]]))
    array([[ True,  True, False, False]])
    """
    keypoints, names = check_keypoints(y_true), fitted_names(estimator)
    if names is not None and keypoints.names is not None:
        keypoints = align(keypoints, names)
    return ~np.isnan(keypoints.values)


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
        # one that was fitted on an array predicts in an order that nobody knows
        and not hasattr(last_step(estimator), "keypoint_names_")
    ):
        columns = y_true.columns
    if columns is None or len(columns) != values.shape[1]:
        return y_pred
    return pd.DataFrame(values, columns=columns)
