"""Regions round predicted keypoints that hold the label with a promised probability."""

from sklearn_kpd.conformal._regressor import ConformalKeypointRegressor
from sklearn_kpd.conformal._scores import (
    conformal_quantile,
    keypoint_scores,
    labels_needed,
)

__all__ = [
    "ConformalKeypointRegressor",
    "conformal_quantile",
    "keypoint_scores",
    "labels_needed",
]
