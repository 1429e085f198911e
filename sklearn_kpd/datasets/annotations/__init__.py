"""Keypoint labels of any annotation tool: a module for each format, and a table of them."""

from sklearn_kpd.datasets.annotations._load import load_annotations
from sklearn_kpd.datasets.annotations._save import save_annotations

__all__ = ["load_annotations", "save_annotations"]
