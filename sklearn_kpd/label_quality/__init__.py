"""Wrong labels: find them, show them, mend them; and which images to label next."""

from sklearn_kpd.label_quality._issues import find_label_issues
from sklearn_kpd.label_quality._out_of_fold import out_of_fold_predictions
from sklearn_kpd.label_quality._unlabelled import rank_unlabelled

__all__ = ["find_label_issues", "out_of_fold_predictions", "rank_unlabelled"]
