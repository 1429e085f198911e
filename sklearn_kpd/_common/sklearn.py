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
- ``_check_method_params``: which metadata has an entry for each row would be told here.
- ``SIMPLE_METHODS`` and the attribute ``_metadata_request``: what ``set_fit_request`` and its like
  have set would be lost in saved files.
"""

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.metrics._scorer import _Scorer as Scorer
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._metadata_requests import SIMPLE_METHODS
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params as take_rows_of_metadata
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "RandomState",
    "Scorer",
    "StrOptions",
    "check_sample_weight",
    "metadata_requests",
    "set_metadata_requests",
    "take_rows",
    "take_rows_of_metadata",
]

#: What scikit-learn takes for `random_state`.
RandomState = int | np.random.RandomState | None


def metadata_requests(item: Any) -> dict[str, dict[str, Any]]:
    """What ``set_fit_request`` and its like have set, by method.

    Parameters
    ----------
    item : estimator or splitter
        Whatever its class requests by itself counts once something was set.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_kpd._common.sklearn import metadata_requests
    >>> with config_context(enable_metadata_routing=True):
    ...     metadata_requests(Ridge().set_fit_request(sample_weight=True))["fit"]
    {'sample_weight': True}
    >>> metadata_requests(Ridge())
    {}
    """
    found = vars(item).get("_metadata_request")
    if found is None:
        return {}
    by_method = {method: dict(getattr(found, method).requests) for method in SIMPLE_METHODS}
    return {method: requests for method, requests in by_method.items() if requests}


def set_metadata_requests(item: Any, requests: Any) -> None:
    """Set what :func:`metadata_requests` gave.

    Raises
    ------
    ValueError
        If that is no request of the item's methods.
    """
    try:
        with config_context(enable_metadata_routing=True):
            for method, wanted in requests.items():
                if method not in SIMPLE_METHODS:
                    raise ValueError(f"{str(method)[:80]!r} requests no metadata")
                getattr(item, f"set_{method}_request")(**wanted)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{type(item).__name__} does not request that: {error}"[:300]) from error
