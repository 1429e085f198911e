"""What has to hold of an estimator before it is saved, and after it is loaded."""

import math
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator

from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.augment.ranges import OPERATIONS
from sklearn_kpd.augment.transformer import AugmentBase
from sklearn_kpd.regressor import KeypointRegressor

_ATTRIBUTE = re.compile(r"(_[A-Za-z]\w*|[A-Za-z]\w*_)", re.ASCII)

_REGRESSOR = {
    "image_shape_", "n_features_in_", "y_shape_", "keypoint_names_", "flip_permutation_",
    "schemes_", "_output_schemes", "float_gain_", "calibration_", "history_", "model_",
    "_random_state",
}  # fmt: skip
_AUGMENTATION = {"image_shape_", "n_features_in_", "augmentation_"}
_OPTIONAL = {"feature_names_in_", "_split_seed"}


def learnt_attributes(estimator: BaseEstimator) -> dict[str, Any]:
    """Attributes of an estimator that are no parameters.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_kpd._estimator_checks import learnt_attributes
    >>> sorted(learnt_attributes(StandardScaler().fit([[1.0]])))
    ['mean_', 'n_features_in_', 'n_samples_seen_', 'scale_', 'var_']
    """
    params = estimator.get_params(deep=False)
    return {name: item for name, item in vars(estimator).items() if name not in params}


def check_estimator(estimator: BaseEstimator) -> None:
    """Check parameters, and for estimators of ours that all that was learnt fits together.

    Raises
    ------
    ValueError
        If something does not; the message says what.
    """
    params, learnt = estimator.get_params(deep=False), learnt_attributes(estimator)
    kind = type(estimator)
    if params.get("memory") is not None:
        raise ValueError(
            f"{kind.__name__}(memory=...) would have a file write to disk: set memory=None"
        )
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
    for name in learnt:
        # Whatever hides a method or stands in for one is nothing that a fit has learnt.
        if not _ATTRIBUTE.fullmatch(name) or hasattr(kind, name):
            raise ValueError(
                f"{kind.__name__} has an attribute {name[:80]!r} that no fit gives it"
            )
    n_features = learnt.get("n_features_in_", 1)
    _require(_is_integer(n_features) and n_features > 0, "n_features_in_")
    if learnt and isinstance(estimator, KeypointRegressor):
        _check_names(estimator, learnt, _REGRESSOR)
        _check_regressor(estimator)
    elif learnt and isinstance(estimator, AugmentBase):
        _check_names(estimator, learnt, _AUGMENTATION)
        _check_images(estimator)
        _check_augmentation(estimator.augmentation_)


def _check_names(estimator: Any, learnt: Mapping[str, Any], expected: set[str]) -> None:
    wrong = (learnt.keys() ^ expected) - _OPTIONAL
    if wrong:
        raise ValueError(
            f"{type(estimator).__name__} lacks or has by mistake the attributes {sorted(wrong)}: "
            "fit it, to the end"
        )


def _check_images(estimator: Any) -> None:
    shape = estimator.image_shape_
    _require(_is_shape(shape) and len(shape) == 3, "image_shape_")
    _require(
        _is_integer(estimator.n_features_in_) and estimator.n_features_in_ == math.prod(shape),
        "n_features_in_",
    )
    names = getattr(estimator, "feature_names_in_", None)
    _require(
        names is None
        or (isinstance(names, np.ndarray) and names.shape == (estimator.n_features_in_,)),
        "feature_names_in_",
    )


def _check_regressor(estimator: Any) -> None:
    _check_images(estimator)
    shape = estimator.y_shape_
    _require(
        _is_shape(shape) and (len(shape) < 2 or (len(shape) == 2 and shape[1] == 2)), "y_shape_"
    )
    n_outputs = math.prod(shape)
    names = estimator.keypoint_names_
    _require(
        names is None
        or (
            isinstance(names, tuple)
            and all(isinstance(name, str) for name in names)
            and 2 * len(names) == n_outputs
        ),
        "keypoint_names_",
    )
    _require(_is_permutation(estimator.flip_permutation_, n_outputs // 2), "flip_permutation_")
    schemes, chosen = estimator.schemes_, estimator._output_schemes
    _require(
        _is_array(schemes, "b", (len(np.atleast_1d(schemes)), n_outputs)) and len(schemes) > 0,
        "schemes_",
    )
    _require(
        _is_array(chosen, "i", (n_outputs,)) and _within(chosen, 0, len(schemes) - 1),
        "_output_schemes",
    )
    _require(estimator.float_gain_ in (None, 1.0, 255.0), "float_gain_")
    calibration = estimator.calibration_
    _require(calibration is None or _is_array(calibration, "f", (2, n_outputs)), "calibration_")
    seed = estimator._random_state
    _require(seed is None or (_is_integer(seed) and 0 <= seed < 2**32), "_random_state")
    _check_history(estimator.history_)
    _check_network(estimator.model_, estimator.image_shape_, len(schemes) * n_outputs)


def _check_history(history: Any) -> None:
    _require(
        isinstance(history, dict)
        and "loss" in history
        and all(isinstance(name, str) for name in history)
        and all(
            isinstance(values, list) and all(isinstance(value, Real) for value in values)
            for values in history.values()
        ),
        "history_",
    )


def _check_network(model: Any, image_shape: tuple[int, ...], n_outputs: int) -> None:
    _require(isinstance(model, keras.Model), "model_")
    _require(
        model.input_shape == (None, *image_shape) and model.output_shape == (None, n_outputs),
        "model_, by its shapes,",
    )


def _check_augmentation(augmentation: Any) -> None:
    _require(isinstance(augmentation, Augmentation), "augmentation_")
    _require(augmentation.ops == [], "ops (imgaug's operations are code; joblib.dump keeps them)")
    _require(
        isinstance(augmentation.ranges, dict)
        and augmentation.ranges.keys() <= OPERATIONS.keys()
        and all(_is_range(item) for item in augmentation.ranges.values()),
        "augmentation_.ranges",
    )
    for name in ("flip", "probability"):
        _require(_is_number(getattr(augmentation, name), 0, 1), f"augmentation_.{name}")
    permutation = augmentation.permutation
    _require(
        _is_permutation(permutation, 0 if permutation is None else np.size(permutation)),
        "augmentation_.permutation",
    )
    border, seed = augmentation.border, augmentation.seed
    _require(
        border in ("replicate", "reflect") or _is_number(border, 0, 255), "augmentation_.border"
    )
    _require(augmentation.out_of_frame in ("nan", "keep", "clip"), "augmentation_.out_of_frame")
    _require(augmentation.engine in ("fused", "imgaug"), "augmentation_.engine")
    _require(seed is None or (_is_integer(seed) and seed >= 0), "augmentation_.seed")


def _require(fine: Any, name: str) -> None:
    if not fine:
        raise ValueError(f"{name} does not fit what else the estimator has learnt")


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and low <= value <= high


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(_is_number(item, -math.inf, math.inf) for item in value)
    )


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(_is_integer(size) and size > 0 for size in value)


def _is_array(value: Any, kind: str, shape: tuple[int, ...]) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == kind and value.shape == shape


def _within(values: Any, low: int, high: int) -> bool:
    return bool(((values >= low) & (values <= high)).all())


def _is_permutation(value: Any, size: int) -> bool:
    """Whether it is None, or says which keypoints swap."""
    return value is None or (
        _is_array(value, "i", (size,))
        and _within(value, 0, size - 1)
        and bool((value[value] == np.arange(size)).all())
    )
