"""Folds in which each row is held out at most once, and groups stay together."""

import os
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, check_cv

from sklearn_kpd._common.columns import IntArray
from sklearn_kpd._common.sklearn import RandomState

Folds = list[tuple[IntArray, IntArray]]
_BY_GROUPS = (GroupKFold, GroupShuffleSplit)


def make_folds(
    cv: Any,
    n_rows: int,
    groups: ArrayLike | None,
    random_state: RandomState,
    options: dict[str, Any],
) -> Folds:
    """Rows to fit on and rows held out, fold by fold.

    Parameters
    ----------
    cv : int, splitter, iterable or None
        A number of folds, drawn at random; a splitter; or pairs of rows. None is 5.
    n_rows : int
        Number of rows.
    groups : array-like of shape (n_rows,), or None
        Rows of one group are never on both sides.
    random_state : int, RandomState instance or None
        Determines the folds of a number.
    options : dict
        For the split method of a splitter of the user's, such as groups that the user named.

    Returns
    -------
    list of (ndarray, ndarray)
        Rows to fit on, and rows held out.

    Raises
    ------
    ValueError
        If rows are held out more than once, or a group is on both sides.

    Examples
    --------
    >>> from sklearn_kpd._common.folds import make_folds
    >>> folds = make_folds(2, 4, ["a", "a", "b", "b"], 0, {})
    >>> sorted(held_out.tolist() for _, held_out in folds)
    [[0, 1], [2, 3]]
    """
    names = np.arange(n_rows) if groups is None else np.asarray(groups)
    _, names = np.unique(names, return_inverse=True)
    n_groups = len(np.unique(names))
    if n_groups < 2:
        raise ValueError(
            f"All rows are one group (n_samples={n_rows}), so none can be held out: give more "
            "than one photograph or group."
        )
    if cv is None or isinstance(cv, Integral):
        n_folds = int(cv or 5)
        if n_folds > n_groups:
            raise ValueError(
                f"cv={n_folds} needs as many groups of rows, and there are {n_groups}: take fewer "
                "folds."
            )
        splits = GroupKFold(n_folds, shuffle=True, random_state=random_state)
    else:
        splits = check_cv(cv)
    # a splitter of the user's warns of groups that it takes no notice of
    if isinstance(splits, _BY_GROUPS):
        options = {**options, "groups": names}
    folds = list(splits.split(names, **options))
    held_out = np.concatenate([rows for _, rows in folds])
    if len(np.unique(held_out)) < len(held_out):
        raise ValueError(
            f"cv={cv!r} holds rows out more than once; folds are needed that do not overlap, such "
            "as those of KFold or GroupKFold."
        )
    if any(np.isin(names[rows], names[training]).any() for training, rows in folds):
        raise ValueError(
            f"cv={cv!r} has rows of one group on both sides: use GroupKFold, or a number."
        )
    return folds


def photographs_of(X: Any) -> Any:
    """Paths of the photographs, if X names them: rows of one belong together."""
    if hasattr(X, "columns"):
        return X["path"] if "path" in X.columns else None
    one_dimension = isinstance(X, list | tuple) or len(getattr(X, "shape", ())) == 1
    if not one_dimension or not all(isinstance(item, str | os.PathLike) for item in X):
        return None
    return list(map(os.fspath, X))
