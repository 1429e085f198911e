"""Metrics over the labelled values of y, and scorers made of them.

`_regression` holds scikit-learn's own metrics, which take NaN in `y_true` here; `_landmarks`
those of the landmark literature, `_coverage` those of regions.
"""

from sklearn_kpd.metrics._coverage import coverage_score, make_coverage_scorer
from sklearn_kpd.metrics._landmarks import (
    area_under_cumulative_error,
    area_under_cumulative_error_scorer,
    cumulative_error_curve,
    error_quantiles,
    failure_rate,
    keypoint_root_mean_squared_error,
    neg_failure_rate,
    neg_normalized_mean_error,
    normalized_errors,
    normalized_mean_error,
    percentage_correct_keypoints,
    percentage_correct_keypoints_scorer,
)
from sklearn_kpd.metrics._regression import (
    mean_absolute_error,
    mean_squared_error,
    neg_mean_absolute_error,
    neg_mean_squared_error,
    neg_root_mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn_kpd.metrics._scorers import make_keypoint_scorer

__all__ = [
    "area_under_cumulative_error",
    "area_under_cumulative_error_scorer",
    "coverage_score",
    "cumulative_error_curve",
    "error_quantiles",
    "failure_rate",
    "keypoint_root_mean_squared_error",
    "make_coverage_scorer",
    "make_keypoint_scorer",
    "mean_absolute_error",
    "mean_squared_error",
    "neg_failure_rate",
    "neg_mean_absolute_error",
    "neg_mean_squared_error",
    "neg_normalized_mean_error",
    "neg_root_mean_squared_error",
    "normalized_errors",
    "normalized_mean_error",
    "percentage_correct_keypoints",
    "percentage_correct_keypoints_scorer",
    "r2_score",
    "root_mean_squared_error",
]
