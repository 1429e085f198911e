"""Facial keypoint detection that lives inside scikit-learn."""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0.dev0"

if TYPE_CHECKING:
    from sklearn_kpd.augment import AugmentSampler, AugmentTransformer
    from sklearn_kpd.persistence import load, save
    from sklearn_kpd.photographs import CropTransformer
    from sklearn_kpd.regressor import KeypointRegressor

# TensorFlow greets every import with log lines that a user can do nothing about. It reads
# these once, when it is first imported or used; what the user has set is left alone.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Several processes share a GPU if none takes all its memory at once.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# joblib divides the cores between its workers by this name, which TensorFlow does not read.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ["OMP_NUM_THREADS"])
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", os.environ["OMP_NUM_THREADS"])

# Imported on first use: TensorFlow takes seconds, and a pickle that holds imgaug objects
# has to find the module that imports imgaug the right way.
_LAZY = {
    "AugmentSampler": "sklearn_kpd.augment",
    "AugmentTransformer": "sklearn_kpd.augment",
    "CropTransformer": "sklearn_kpd.photographs",
    "KeypointRegressor": "sklearn_kpd.regressor",
    "load": "sklearn_kpd.persistence",
    "save": "sklearn_kpd.persistence",
}
_MODULES = (
    "augment",
    "conformal",
    "datasets",
    "exceptions",
    "images",
    "inspection",
    "keypoints",
    "label_quality",
    "losses",
    "metrics",
    "missing",
    "model_selection",
    "networks",
    "persistence",
    "photographs",
    "serving",
)

__all__ = [
    "AugmentSampler",
    "AugmentTransformer",
    "CropTransformer",
    "KeypointRegressor",
    "__version__",
    "load",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(_import(_LAZY[name]), name)
    if name in _MODULES:
        return _import(f"sklearn_kpd.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except AttributeError as error:  # here it would say that the name does not exist
        raise ImportError(f"{module} could not be imported: {error}") from error


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
