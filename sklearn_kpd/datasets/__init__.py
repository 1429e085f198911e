"""Data: Kaggle's files, annotations of any tool, and generated faces."""

from sklearn_kpd.datasets._faces import make_faces
from sklearn_kpd.datasets._kaggle import load_kaggle, make_submission, requested_labels
from sklearn_kpd.datasets.annotations import load_annotations, save_annotations

__all__ = [
    "load_annotations",
    "load_kaggle",
    "make_faces",
    "make_submission",
    "requested_labels",
    "save_annotations",
]
