"""Displays: look at predicted keypoints, at augmentation and at training."""

from sklearn_kpd.inspection._augmentation import AugmentationDisplay
from sklearn_kpd.inspection._history import HistoryDisplay
from sklearn_kpd.inspection._keypoints import KeypointDisplay

__all__ = ["AugmentationDisplay", "HistoryDisplay", "KeypointDisplay"]
