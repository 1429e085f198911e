"""Wrong labels: find them, show them, mend them."""

from sklearn_kpd.label_quality._issues import find_label_issues
from sklearn_kpd.label_quality._out_of_fold import out_of_fold_predictions

__all__ = ["find_label_issues", "out_of_fold_predictions"]
