"""Displays: look at labels, at augmentation, at training, at predicted keypoints and errors."""

from sklearn_kpd.inspection._augmentation import AugmentationDisplay
from sklearn_kpd.inspection._cumulative import CumulativeErrorDisplay
from sklearn_kpd.inspection._errors import KeypointErrorDisplay
from sklearn_kpd.inspection._history import HistoryDisplay
from sklearn_kpd.inspection._keypoints import KeypointDisplay
from sklearn_kpd.inspection._missing import MissingLabelDisplay
from sklearn_kpd.inspection._photographs import PhotographDisplay
from sklearn_kpd.inspection._report import evaluation_report

__all__ = [
    "AugmentationDisplay",
    "CumulativeErrorDisplay",
    "HistoryDisplay",
    "KeypointDisplay",
    "KeypointErrorDisplay",
    "MissingLabelDisplay",
    "PhotographDisplay",
    "evaluation_report",
]
