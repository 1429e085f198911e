"""What has to hold of an estimator before it is saved, and after it is loaded."""

import math
import re
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sklearn_kpd._common.sklearn import set_metadata_requests
from sklearn_kpd._persistence.estimators import check_learnt
from sklearn_kpd._persistence.known import name_of_object
from sklearn_kpd._training.heatmaps import ends_in_heatmaps
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.augment.ranges import OPERATIONS
from sklearn_kpd.augment.transformer import AugmentBase, AugmentTransformer
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.conformal._scores import SCORES
from sklearn_kpd.keypoints import fitted_names
from sklearn_kpd.photographs import BoxFinder, CropTransformer
from sklearn_kpd.regressor import KeypointRegressor

#: Attribute for what ``set_fit_request`` and its like have set, which is neither a parameter nor
#: learnt.
REQUESTS = "_metadata_request"
_ATTRIBUTE = re.compile(r"(_[A-Za-z]\w*|[A-Za-z]\w*_)", re.ASCII)

# What every file has; see `LEARNT`.
_ALWAYS = object()
# What a fit of an estimator of ours leaves behind. A file from before there was an attribute is
# taken to have had the value that stands here, which describes how a fit went at that time, and
# is immutable: a new attribute gets one, and never `_ALWAYS`.
LEARNT: dict[type[BaseEstimator], dict[str, Any]] = {
    KeypointRegressor: {
        "image_shape_": _ALWAYS,
        "n_features_in_": _ALWAYS,
        "y_shape_": _ALWAYS,
        "keypoint_names_": _ALWAYS,
        "flip_permutation_": _ALWAYS,
        "schemes_": _ALWAYS,
        "_output_schemes": _ALWAYS,
        "float_gain_": _ALWAYS,
        "calibration_": _ALWAYS,
        "heatmap_calibration_": None,
        "history_": _ALWAYS,
        "model_": _ALWAYS,
        "_random_state": _ALWAYS,
        "_split_seed": None,
    },
    AugmentBase: {
        "image_shape_": _ALWAYS,
        "n_features_in_": _ALWAYS,
        "augmentation_": _ALWAYS,
    },
    CropTransformer: {"frame_": _ALWAYS},
    BoxFinder: {"pipeline_": _ALWAYS},
    ConformalKeypointRegressor: {
        "estimators_": _ALWAYS,
        "scores_": _ALWAYS,
        "folds_": _ALWAYS,
        "keypoint_names_": _ALWAYS,
        "y_shape_": _ALWAYS,
        "conformity_score_": _ALWAYS,
    },
}
# Those that a fit leaves behind for some X.
_FOR_SOME_X = {"feature_names_in_"}


def learnt_attributes(estimator: BaseEstimator) -> dict[str, Any]:
    """Attributes of an estimator that are no parameters, nor requests of metadata.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_kpd._persistence.checks import learnt_attributes
    >>> sorted(learnt_attributes(StandardScaler().fit([[1.0]])))
    ['mean_', 'n_features_in_', 'n_samples_seen_', 'scale_', 'var_']
    """
    others = {*estimator.get_params(deep=False), REQUESTS}
    return {name: item for name, item in vars(estimator).items() if name not in others}


def restore_attributes(estimator: BaseEstimator, attributes: dict[str, Any]) -> None:
    """Give an estimator what it had learnt when it was saved.

    Parameters
    ----------
    estimator : BaseEstimator
        With its parameters.
    attributes : dict of str to object
        From :func:`learnt_attributes`, maybe of an older version of the package, and `REQUESTS`,
        if there were any.

    Raises
    ------
    ValueError
        If an attribute has the name of a parameter or a method, so that it would stand in for it.
    """
    attributes = dict(attributes)
    set_metadata_requests(estimator, attributes.pop(REQUESTS, {}))
    _check_names(type(estimator), attributes)
    params = attributes.keys() & estimator.get_params(deep=False).keys()
    if params:
        raise ValueError(f"{type(estimator).__name__} has learnt its parameters {sorted(params)}")
    if attributes:
        missing = {
            name: value for name, value in _attributes(estimator).items() if value is not _ALWAYS
        }
        attributes = {**missing, **attributes}
    vars(estimator).update(attributes)


def check_consistency(estimator: BaseEstimator) -> None:
    """Check parameters, and that all that was learnt fits together.

    Of classes that are neither ours nor in the table of scikit-learn's, names alone are known.

    Raises
    ------
    ValueError
        If something does not; the message says what.
    """
    kind, learnt = type(estimator), learnt_attributes(estimator)
    _check_names(kind, learnt)
    if estimator.get_params(deep=False).get("memory") is not None:
        raise ValueError(
            f"{kind.__name__}(memory=...) would have a file write to disk: set memory=None"
        )
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
    _check_functions(estimator)
    n_features = learnt.get("n_features_in_", 1)
    _require_fit(_is_integer(n_features) and n_features > 0, "n_features_in_")
    check_learnt(estimator, learnt)
    if learnt and isinstance(estimator, tuple(LEARNT)):
        _check_ours(estimator, learnt)


def _check_names(kind: type, names: Iterable[str]) -> None:
    for name in names:
        if not _ATTRIBUTE.fullmatch(name) or hasattr(kind, name):
            raise ValueError(
                f"{kind.__name__} has an attribute {name[:80]!r} that no fit gives it"
            )


def _check_functions(estimator: BaseEstimator) -> None:
    """Refuse to have a step of scikit-learn's call what has a name for another purpose."""
    params = estimator.get_params(deep=False)
    for name in ("func", "inverse_func"):
        if params.get(name) is not None and name_of_object(params[name]):
            raise ValueError(f"{name} of {type(estimator).__name__} is no function of X")


def _attributes(estimator: BaseEstimator) -> dict[str, Any]:
    """What a fit leaves behind, of an estimator of ours."""
    return next((table for kind, table in LEARNT.items() if isinstance(estimator, kind)), {})


def _check_ours(estimator: Any, learnt: dict[str, Any]) -> None:
    wrong = (learnt.keys() ^ _attributes(estimator).keys()) - _FOR_SOME_X
    if wrong:
        raise ValueError(
            f"{type(estimator).__name__} lacks or has by mistake the attributes {sorted(wrong)}: "
            "fit it, to the end"
        )
    if isinstance(estimator, ConformalKeypointRegressor):
        _check_conformal(estimator)
    elif isinstance(estimator, CropTransformer):
        frame = estimator.frame_
        _require_fit(_is_shape(frame) and len(frame) == 2, "frame_")
    elif isinstance(estimator, BoxFinder):
        _require_fit(_finds_boxes(estimator.pipeline_), "pipeline_")
    elif isinstance(estimator, AugmentBase):
        _check_images(estimator)
        _check_augmentation(estimator.augmentation_)
    else:
        _check_images(estimator)
        _check_regressor(estimator)


def _finds_boxes(pipeline: Any) -> bool:
    """Whether it predicts the middles of four edges in photographs."""
    steps = [step for _, step in getattr(pipeline, "steps", [])]
    return (
        isinstance(pipeline, Pipeline)
        and list(map(type, steps)) == [CropTransformer, AugmentTransformer, KeypointRegressor]
        and getattr(steps[-1], "y_shape_", None) == (8,)
    )


def _check_images(estimator: Any) -> None:
    shape = estimator.image_shape_
    _require_fit(_is_shape(shape) and len(shape) == 3, "image_shape_")
    _require_fit(
        _is_integer(estimator.n_features_in_) and estimator.n_features_in_ == math.prod(shape),
        "n_features_in_",
    )
    names = getattr(estimator, "feature_names_in_", None)
    _require_fit(
        names is None
        or (isinstance(names, np.ndarray) and names.shape == (estimator.n_features_in_,)),
        "feature_names_in_",
    )


def _check_regressor(estimator: Any) -> None:
    _check_keypoints(estimator)
    n_outputs = math.prod(estimator.y_shape_)
    n_schemes = _check_schemes(estimator, n_outputs)
    _require_fit(estimator.float_gain_ in (None, 1.0, 255.0), "float_gain_")
    for name in ("calibration_", "heatmap_calibration_"):
        calibration = getattr(estimator, name)
        _require_fit(calibration is None or _is_array(calibration, "f", (2, n_outputs)), name)
    seed = estimator._random_state
    _require_fit(_is_seed(seed), "_random_state")
    _require_fit(_is_seed(estimator._split_seed), "_split_seed")
    _check_history(estimator.history_)
    _check_network(estimator.model_, estimator.image_shape_, n_schemes * n_outputs)
    _require_fit(
        estimator.heatmap_calibration_ is None or ends_in_heatmaps(estimator.model_),
        "heatmap_calibration_",
    )


def _check_keypoints(estimator: Any) -> None:
    shape, names = estimator.y_shape_, estimator.keypoint_names_
    _require_fit(
        _is_shape(shape) and (len(shape) < 2 or (len(shape) == 2 and shape[1] == 2)), "y_shape_"
    )
    n_outputs = math.prod(shape)
    _require_fit(
        names is None
        or (
            isinstance(names, tuple)
            and all(isinstance(name, str) for name in names)
            and 2 * len(names) == n_outputs
        ),
        "keypoint_names_",
    )
    _require_fit(_is_permutation(estimator.flip_permutation_, n_outputs // 2), "flip_permutation_")


def _check_schemes(estimator: Any, n_outputs: int) -> int:
    """Check the labelling schemes, and count them."""
    schemes, chosen = estimator.schemes_, estimator._output_schemes
    _require_fit(
        _is_array(schemes, "b", (len(np.atleast_1d(schemes)), n_outputs)) and len(schemes) > 0,
        "schemes_",
    )
    _require_fit(
        _is_array(chosen, "i", (n_outputs,)) and _within(chosen, 0, len(schemes) - 1),
        "_output_schemes",
    )
    return len(schemes)


def _check_history(history: Any) -> None:
    _require_fit(
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
    _require_fit(isinstance(model, keras.Model), "model_")
    _require_fit(
        model.input_shape == (None, *image_shape)
        # once, or once more for mirror images
        and model.output_shape in ((None, n_outputs), (None, 2 * n_outputs)),
        "model_, by its shapes,",
    )


def _check_conformal(estimator: Any) -> None:
    learnt, scores, folds = estimator.estimators_, estimator.scores_, estimator.folds_
    _require_fit(
        isinstance(learnt, list)
        and len(learnt) > 0
        and all(isinstance(item, BaseEstimator) for item in learnt),
        "estimators_",
    )
    _require_fit(isinstance(scores, np.ndarray) and scores.ndim == 2, "scores_")
    # NaN is not labelled; none is below 0
    _require_fit(scores.dtype.kind == "f" and not (scores < 0).any(), "scores_")
    _require_fit(
        _is_array(folds, "i", (len(scores),)) and _within(folds, 0, len(learnt) - 1), "folds_"
    )
    _require_fit(estimator.conformity_score_ in list(SCORES), "conformity_score_")
    shape, names = estimator.y_shape_, estimator.keypoint_names_
    n_axes = 2 if shape else 1
    _require_fit(
        _is_shape(shape) and math.prod(shape) == n_axes * scores.shape[1],
        "y_shape_",
    )
    _require_fit(
        names == fitted_names(learnt[0]) and (names is None or len(names) == scores.shape[1]),
        "keypoint_names_",
    )


def _check_augmentation(augmentation: Any) -> None:
    _require_fit(isinstance(augmentation, Augmentation), "augmentation_")
    _require_fit(
        augmentation.ops == [], "ops (imgaug's operations are code; joblib.dump keeps them)"
    )
    _require_fit(
        isinstance(augmentation.ranges, dict)
        and augmentation.ranges.keys() <= OPERATIONS.keys()
        and all(_is_range(item) for item in augmentation.ranges.values()),
        "augmentation_.ranges",
    )
    permutation, border, seed = augmentation.permutation, augmentation.border, augmentation.seed
    n_keypoints = 0 if permutation is None else np.size(permutation)
    for name, fine in {
        "flip": _is_number(augmentation.flip, 0, 1),
        "probability": _is_number(augmentation.probability, 0, 1),
        "permutation": _is_permutation(permutation, n_keypoints),
        "border": border in ("replicate", "reflect") or _is_number(border, 0, 255),
        "out_of_frame": augmentation.out_of_frame in ("nan", "keep", "clip"),
        "engine": augmentation.engine in ("fused", "imgaug"),
        "seed": seed is None or (_is_integer(seed) and seed >= 0),
    }.items():
        _require_fit(fine, f"augmentation_.{name}")


def _require_fit(fine: Any, name: str) -> None:
    if not fine:
        raise ValueError(f"{name} does not fit what else the estimator has learnt")


def _is_seed(value: Any) -> bool:
    return value is None or (_is_integer(value) and 0 <= value < 2**32)


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
