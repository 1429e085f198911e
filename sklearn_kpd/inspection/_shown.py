"""What is shown of photographs: crops, and keypoints in their pixels."""

from typing import Any

import pandas as pd
from sklearn.utils.validation import check_consistent_length

from sklearn_kpd.keypoints import check_keypoints, in_form_of
from sklearn_kpd.photographs import Crops, CropTransformer
from sklearn_kpd.photographs._tables import SOURCES


def crops_of(X: Any, estimator: Any = None) -> Any:
    """Give photographs as crops: by the first step of a Pipeline, or as CropTransformer does.

    Parameters
    ----------
    X : DataFrame, Crops or array-like
        What is no table of photographs stays as it is, unless the estimator cuts it out.
    estimator : estimator, optional
        Fitted.

    Returns
    -------
    Crops, or `X`
        What the displays show.
    """
    if isinstance(X, Crops):
        return X
    estimator = getattr(estimator, "best_estimator_", estimator)
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else None
    if isinstance(first, CropTransformer):
        return first.transform(X)
    if isinstance(X, pd.DataFrame) and set(SOURCES) & set(X.columns):
        return CropTransformer(color="rgb").fit_transform(X)
    return X


def points_in(X: Any, y: Any) -> Any:
    """Keypoints in the pixels of what is shown, in the form that they have.

    Parameters
    ----------
    X : Crops or array-like
        From :func:`crops_of`.
    y : DataFrame, array-like or None
        Keypoints in pixels of the photographs, or of the images where X is no crops.
    """
    if y is None or not isinstance(X, Crops):
        return y
    values = check_keypoints(y).values
    check_consistent_length(X, values)
    return in_form_of(y, X.to_crop(values))
