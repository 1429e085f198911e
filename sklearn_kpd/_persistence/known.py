"""The classes and functions that a file may name without being trusted, besides Keras' own."""

import importlib
from typing import Any

import keras
import numpy as np
from sklearn import feature_selection
from sklearn.base import BaseEstimator

from sklearn_kpd import losses, networks
from sklearn_kpd._persistence.estimators import NAMES, public_name
from sklearn_kpd.augment import AugmentSampler, AugmentTransformer
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.photographs import BoxFinder, CropTransformer
from sklearn_kpd.regressor import KeypointRegressor

_ESTIMATORS: dict[str, type[BaseEstimator]] = {
    "sklearn_kpd.AugmentSampler": AugmentSampler,
    "sklearn_kpd.AugmentTransformer": AugmentTransformer,
    "sklearn_kpd.CropTransformer": CropTransformer,
    "sklearn_kpd.KeypointRegressor": KeypointRegressor,
    "sklearn_kpd.photographs.BoxFinder": BoxFinder,
    "sklearn_kpd.conformal.ConformalKeypointRegressor": ConformalKeypointRegressor,
}
# Classes and functions that may be the value of a parameter.
_CALLBACKS = ("EarlyStopping", "ReduceLROnPlateau", "TerminateOnNaN")  # which write no files
_NUMBERS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "float32", "float64",
)  # fmt: skip
_SCORES = ("chi2", "f_classif", "f_regression", "mutual_info_classif", "mutual_info_regression",
           "r_regression")  # fmt: skip
#: By the names that files have.
OBJECTS: dict[str, Any] = {
    **{f"sklearn_kpd.networks.{name}": item for name, item in networks.NETWORKS.items()},
    **{f"sklearn_kpd.losses.{item.__name__}": item for item in losses.LOSSES.values()},
    **{
        f"keras.optimizers.{name}": item
        for name, item in vars(keras.optimizers).items()
        if isinstance(item, type) and issubclass(item, keras.optimizers.Optimizer)
    },
    **{f"keras.callbacks.{name}": getattr(keras.callbacks, name) for name in _CALLBACKS},
    **{f"builtins.{kind.__name__}": kind for kind in (bool, float, int)},
    **{f"numpy.{name}": np.dtype(name).type for name in _NUMBERS},
    **{f"sklearn.feature_selection.{name}": getattr(feature_selection, name) for name in _SCORES},
}


def estimator(name: str) -> Any:
    """Find one of our estimators, or one of scikit-learn's whose state is checked, or None.

    Examples
    --------
    >>> from sklearn_kpd._persistence import known
    >>> known.estimator("sklearn.impute.SimpleImputer")
    <class 'sklearn.impute._base.SimpleImputer'>
    >>> known.estimator("sklearn.impute._base.SimpleImputer")
    """
    if name not in NAMES:
        return _ESTIMATORS.get(name)
    module, _, class_name = name.rpartition(".")
    return vars(importlib.import_module(module)).get(class_name)


def name_of_estimator(kind: type[BaseEstimator]) -> str | None:
    """Name that :func:`estimator` finds a class by, or None."""
    for name, known in _ESTIMATORS.items():
        if kind is known:
            return name
    public = public_name(kind)
    return public if public is not None and estimator(public) is kind else None


def name_of_object(item: Any) -> str | None:
    """Name of a class or a function in `OBJECTS`, or None."""
    return next((name for name, known in OBJECTS.items() if known is item), None)
