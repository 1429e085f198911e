"""What estimators predict for rows that they were not fitted on."""

import time
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.validation import check_consistent_length, has_fit_parameter

from sklearn_kpd._common.columns import IntArray
from sklearn_kpd._common.folds import make_folds, photographs_of
from sklearn_kpd._common.sklearn import RandomState, take_rows
from sklearn_kpd.augment import AugmentedImages
from sklearn_kpd.images import DeferredImages, lazily
from sklearn_kpd.keypoints import (
    FloatArray,
    align,
    check_keypoints,
    fitted_names,
    keypoint_order,
    last_step,
)


def out_of_fold_predictions(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    n_jobs: int | None = None,
    verbose: int = 1,
    random_state: RandomState = None,
) -> tuple[FloatArray, FloatArray | None]:
    """Predict each row by an estimator that was not fitted on it.

    Each row is predicted by its own labelling scheme, where the estimator has them, and with its
    standard deviation, where the estimator can tell one. So it serves to compare labels with
    predictions; :func:`~sklearn_kpd.label_quality.find_label_issues` takes it, so that nothing is
    trained twice.

    Parameters
    ----------
    estimator : estimator
        A `KeypointRegressor`, or a Pipeline that ends in one. It is cloned, not fitted.
    X : array-like, DataFrame or list
        What the estimator takes: images, or a table of photographs.
    y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Keypoints in pixels, NaN where not labelled.
    cv : int, splitter or iterable, default=5
        Folds. A number draws them at random; a splitter, or pairs of rows to fit on and to hold
        out, has to hold each row out at most once.
    groups : array-like of shape (n,), default=None
        Rows of one group are never on both sides of a fold. By default rows of one photograph are
        a group where X names paths; :func:`~sklearn_kpd.model_selection.duplicate_groups` finds
        images that are alike.
    n_jobs : int, default=None
        Folds that are fitted at once, as in scikit-learn.
    verbose : int, default=1
        1 prints a line after each fold, with the time that is left; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Determines the folds of a number.

    Returns
    -------
    y_pred : ndarray of shape (n, 2 * k), float64
        Pixels, NaN in rows that were not held out.
    y_std : ndarray of shape (n, 2 * k), float64, or None
        Standard deviations in pixels. None if an estimator does not tell them.

    Raises
    ------
    ValueError
        For data that are wrong, or folds that hold a row out more than once.

    Examples
    --------
    >>> from sklearn_kpd import KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.label_quality import out_of_fold_predictions
    >>> X, y = make_faces(40, random_state=0)
    >>> regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0)
    >>> y_pred, y_std = out_of_fold_predictions(regressor, X, y, cv=2, verbose=0, random_state=0)
    >>> y_pred.shape
    (40, 30)

    .. versionadded:: 0.2
    """
    if isinstance(X, DeferredImages | AugmentedImages):
        raise ValueError(
            f"X is {type(X).__name__}, whose rows cannot be held out: give the Pipeline that "
            "makes it, with the regressor as its last step, as estimator, and X as it is."
        )
    values = check_keypoints(y).values
    check_consistent_length(X, values, groups)
    X, y = indexable(lazily(X), y)
    together = photographs_of(X) if groups is None else groups
    named = {} if groups is None else {"groups": groups}
    folds = make_folds(cv, len(values), together, random_state, named)
    jobs = (
        delayed(_predict_fold)(estimator, X, y, training, held_out, groups)
        for training, held_out in folds
    )
    y_pred, y_std = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    told, start = True, time.monotonic()
    for done, fold in enumerate(Parallel(n_jobs, return_as="generator_unordered")(jobs), start=1):
        held_out, y_pred[held_out], said = fold
        told &= said is not None
        if told:
            y_std[held_out] = said
        if verbose:
            minutes = (time.monotonic() - start) / 60
            left = minutes / done * (len(folds) - done)
            print(f"Fold {done} of {len(folds)}: {minutes:.1f} min, some {left:.1f} left.")
    return y_pred, y_std if told else None


def _predict_fold(
    estimator: Any, X: Any, y: Any, training: IntArray, held_out: IntArray, groups: Any
) -> tuple[IntArray, FloatArray, FloatArray | None]:
    """Fit on some rows, and predict others, each by its labelling scheme."""
    options = {}
    if groups is not None and has_fit_parameter(last_step(estimator), "groups"):
        steps = getattr(estimator, "steps", None)
        prefix = f"{steps[-1][0]}__" if steps else ""
        options[f"{prefix}groups"] = take_rows(np.asarray(groups), training)
    fitted = clone(estimator).fit(take_rows(X, training), take_rows(y, training), **options)
    fitted = getattr(fitted, "best_estimator_", fitted)
    return held_out, *predict_labels(fitted, take_rows(X, held_out), take_rows(y, held_out))


def predict_labels(fitted: Any, X: Any, y: Any) -> tuple[FloatArray, FloatArray | None]:
    """What the annotators of each row would have set, and its standard deviation if known.

    Both in the order of y's keypoints.
    """
    keypoints, names = check_keypoints(y), fitted_names(fitted)
    regressor = last_step(fitted)
    asked = {}
    if hasattr(regressor, "schemes_"):
        asked["scheme"] = ~np.isnan(align(keypoints, names).values)
    found = [np.asarray(fitted.predict(X, **asked), np.float64)]
    if getattr(regressor, "calibration_", None) is not None:
        found.append(fitted.predict(X, return_std=True)[1])
    order = np.arange(keypoints.values.shape[1])
    if names is not None and keypoints.names is not None:
        own = keypoint_order(names, keypoints.names)
        order = np.ravel(2 * own[:, np.newaxis] + [0, 1])
    found = [values.reshape(len(values), -1)[:, order] for values in found]
    return found[0], found[1] if len(found) > 1 else None
