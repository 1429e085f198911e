"""Displays: look at labels, augmentation, training, predicted keypoints, errors and regions."""

from sklearn_kpd.inspection._augmentation import AugmentationDisplay
from sklearn_kpd.inspection._cumulative import CumulativeErrorDisplay
from sklearn_kpd.inspection._errors import KeypointErrorDisplay
from sklearn_kpd.inspection._history import HistoryDisplay
from sklearn_kpd.inspection._keypoints import KeypointDisplay
from sklearn_kpd.inspection._label_issues import LabelIssueDisplay
from sklearn_kpd.inspection._missing import MissingLabelDisplay
from sklearn_kpd.inspection._photographs import PhotographDisplay
from sklearn_kpd.inspection._regions import CoverageDisplay, RegionDisplay, RiskCoverageDisplay
from sklearn_kpd.inspection._report import evaluation_report

__all__ = [
    "AugmentationDisplay",
    "CoverageDisplay",
    "CumulativeErrorDisplay",
    "HistoryDisplay",
    "KeypointDisplay",
    "KeypointErrorDisplay",
    "LabelIssueDisplay",
    "MissingLabelDisplay",
    "PhotographDisplay",
    "RegionDisplay",
    "RiskCoverageDisplay",
    "evaluation_report",
]
