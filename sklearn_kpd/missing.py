"""Missing-label policies: what becomes of NaN in y before training."""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.base import TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning

# Importing this is how scikit-learn has IterativeImputer enabled.
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sklearn_kpd.keypoints import FloatArray

__all__ = ["POLICIES", "apply_policy"]

#: Names of the policies.
POLICIES = ("mask", "drop", "mean", "median", "knn", "iterative")

_IMPUTERS = {
    "mean": lambda: SimpleImputer(strategy="mean"),
    "median": lambda: SimpleImputer(strategy="median"),
    "knn": lambda: KNNImputer(),
    "iterative": lambda: IterativeImputer(random_state=0),
}


def apply_policy(
    missing: str | TransformerMixin, values: FloatArray, columns: list[str] | None = None
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Apply a missing-label policy to the keypoints of the training rows.

    Parameters
    ----------
    missing : {"mask", "drop", "mean", "median", "knn", "iterative"} or imputer
        "mask" leaves NaN to the masked loss, and warns of a column with no label at all;
        "drop" leaves out every row with a NaN; the others fill NaN by scikit-learn's
        SimpleImputer, KNNImputer or IterativeImputer, or by a clone of the imputer given.
    values : ndarray of shape (n, n_outputs)
        Pixels, NaN where not labelled.
    columns : list of str, optional
        Names of the columns, for errors.

    Returns
    -------
    rows : ndarray of int
        The rows that are kept.
    values : ndarray of shape (len(rows), n_outputs)
        Their keypoints. What was labelled is unchanged.

    Raises
    ------
    ValueError
        For an unknown policy, if nothing is labelled, or if the policy lacks labels: a complete
        row for "drop", one in each column for an imputer.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.missing import apply_policy
    >>> apply_policy("mean", np.array([[1.0, 2.0], [3.0, np.nan]]))
    (array([0, 1]), array([[1., 2.], [3., 2.]]))
    """
    check_policy(missing)
    labelled = ~np.isnan(values)
    rows = np.arange(len(values))
    if not labelled.any():
        raise ValueError("y has no label at all in the training rows: there is nothing to learn.")
    unlabelled = [
        _name(column, columns) for column in np.flatnonzero(~labelled.any(axis=0)).tolist()
    ]
    if isinstance(missing, str) and missing == "mask":
        if unlabelled:
            warnings.warn(
                f"{', '.join(unlabelled)} has no label in the training rows: what is predicted "
                "there means nothing. Leave the column out, or add labels.",
                UserWarning,
                stacklevel=5,
            )
        return rows, values
    if unlabelled:
        raise ValueError(
            f"missing={missing!r} needs labels in every column of y, but {', '.join(unlabelled)} "
            "has none in the training rows: use missing='mask', or leave the column out."
        )
    if isinstance(missing, str) and missing == "drop":
        rows = np.flatnonzero(labelled.all(axis=1))
        if not len(rows):
            raise ValueError(
                "missing='drop' keeps the rows with all their labels, and there is none among "
                f"the {len(values)} training rows: use missing='mask' or an imputer."
            )
        return rows, values[rows]
    if labelled.all():
        return rows, values
    imputer = _IMPUTERS[missing]() if isinstance(missing, str) else clone(missing)
    with warnings.catch_warnings():
        if isinstance(missing, str) and missing == "iterative":
            # Its ten rounds are enough, and on Kaggle's labels thirty do not converge either.
            warnings.simplefilter("ignore", ConvergenceWarning)
        filled = np.asarray(imputer.fit_transform(values))
    if filled.shape != values.shape:
        raise ValueError(
            f"The imputer of missing={missing!r} made {filled.shape[1]} columns of "
            f"{values.shape[1]}; it must keep them all."
        )
    if np.isnan(filled).any():
        raise ValueError(f"The imputer of missing={missing!r} has left NaN in y.")
    return rows, np.where(labelled, values, filled)


def check_policy(missing: str | TransformerMixin) -> None:
    """Raise a ValueError unless `missing` is a policy.

    Examples
    --------
    >>> from sklearn_kpd.missing import check_policy
    >>> check_policy("forget")
    Traceback (most recent call last):
    ...
    ValueError: missing='forget' is no missing-label policy; it may be 'mask', 'drop', ...
    """
    known = missing in POLICIES if isinstance(missing, str) else hasattr(missing, "fit_transform")
    if not known:
        names = ", ".join(map(repr, POLICIES))
        raise ValueError(
            f"missing={missing!r} is no missing-label policy; it may be {names}, or an imputer "
            "of scikit-learn such as SimpleImputer()."
        )


def _name(column: int, columns: list[str] | None) -> str:
    return f"column {column}" if columns is None else repr(columns[column])
