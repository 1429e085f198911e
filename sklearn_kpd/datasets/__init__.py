"""Data: Kaggle's files and generated faces."""

from sklearn_kpd.datasets._faces import make_faces
from sklearn_kpd.datasets._kaggle import load_kaggle, make_submission

__all__ = ["load_kaggle", "make_faces", "make_submission"]
