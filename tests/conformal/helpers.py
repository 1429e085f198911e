"""Estimators whose predictions are given, so that nothing is trained."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class Given(RegressorMixin, BaseEstimator):
    """X holds what is predicted: x, y, and the standard deviation of each, for each keypoint.

    `shift` moves the predictions by the mean of the first column that was fitted, so that the
    estimators of different folds differ.
    """

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y, sample_weight=None, groups=None):
        self.rows_ = np.asarray(X)[:, 0].copy()
        self.weights_, self.groups_ = sample_weight, groups
        self.y_shape_ = np.asarray(y).shape[1:]
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X, return_std=False):
        X = np.asarray(X)
        half = X.shape[1] // 2
        points = (X[:, :half] + self.shift * self.rows_.mean()).reshape(len(X), *self.y_shape_)
        return (points, np.abs(X[:, half:]).reshape(points.shape)) if return_std else points


def draw(n_rows, n_keypoints=2, *, seed=0, missing=0.0):
    """X for `Given`, and labels that are off by errors of the predicted spread."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 96, (n_rows, 2 * n_keypoints))
    spread = rng.gamma(2.0, size=points.shape) + 0.1
    y = points + spread * rng.standard_t(3, size=points.shape)
    y[rng.random(y.shape) < missing] = np.nan
    return np.hstack([points, spread]), y
