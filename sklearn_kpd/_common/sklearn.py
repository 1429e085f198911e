"""Door to what is private in scikit-learn: the only module that imports such names.

Each is borrowed, and may be moved or renamed by any release; the lowest and the newest version
that pyproject.toml allows are tested. What would break:

- ``HasMethods``, ``Interval``, ``StrOptions`` and ``BaseEstimator._validate_params``: parameters
  would be checked by hand. scikit-learn recommends the two to nobody but itself, and every
  package around it uses them.
- ``_check_sample_weight``: weights of rows would be read by ``check_array``.
- ``_Scorer``: what ``make_scorer`` makes. A scorer that knows the estimator's keypoints derives
  from it; it would be written anew, with signs, metadata routing and response methods.
- ``_safe_indexing``: rows of arrays, tables and lists would be taken by cases.
"""

import numpy as np
from sklearn.metrics._scorer import _Scorer as Scorer
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "RandomState",
    "Scorer",
    "StrOptions",
    "check_sample_weight",
    "take_rows",
]

#: What scikit-learn takes for `random_state`.
RandomState = int | np.random.RandomState | None
