"""scikit-learn's splitters that a file may hold, as `cv` of an estimator.

A splitter is written as its name and the arguments that make it anew. Only these classes and only
these arguments are taken, so that no other code of scikit-learn's sees what a file holds.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import model_selection


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _is_count(value: Any) -> bool:
    return _whole(value, 1)


def _is_gap(value: Any) -> bool:
    return _whole(value, 0)


def _are_folds(value: Any) -> bool:
    return _whole(value, 2)


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_share(value: Any) -> bool:
    """Whether it is a number of rows, a share of them, or None."""
    return _is_count_or_none(value) or (
        isinstance(value, Real) and not isinstance(value, Integral) and 0 < float(value) < 1
    )


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_random_state(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, np.random.RandomState)
        or (_whole(value, 0) and value < 2**32)
    )


def _is_fold_of_each_row(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "i"


_Arguments = dict[str, Callable[[Any], bool]]

_K_FOLD: _Arguments = {
    "n_splits": _are_folds,
    "shuffle": _is_switch,
    "random_state": _is_random_state,
}
_SHUFFLE: _Arguments = {
    "n_splits": _is_count,
    "test_size": _is_share,
    "train_size": _is_share,
    "random_state": _is_random_state,
}
_REPEATED: _Arguments = {
    "n_splits": _are_folds,
    "n_repeats": _is_count,
    "random_state": _is_random_state,
}
#: What each splitter is made of, by its name in sklearn.model_selection.
ARGUMENTS: dict[str, _Arguments] = {
    "GroupKFold": _K_FOLD,
    "GroupShuffleSplit": _SHUFFLE,
    "KFold": _K_FOLD,
    "LeaveOneGroupOut": {},
    "LeaveOneOut": {},
    "LeavePGroupsOut": {"n_groups": _is_count},
    "LeavePOut": {"p": _is_count},
    "PredefinedSplit": {"test_fold": _is_fold_of_each_row},
    "RepeatedKFold": _REPEATED,
    "RepeatedStratifiedKFold": _REPEATED,
    "ShuffleSplit": _SHUFFLE,
    "StratifiedGroupKFold": _K_FOLD,
    "StratifiedKFold": _K_FOLD,
    "StratifiedShuffleSplit": _SHUFFLE,
    "TimeSeriesSplit": {
        "n_splits": _are_folds,
        "max_train_size": _is_count_or_none,
        "test_size": _is_count_or_none,
        "gap": _is_gap,
    },
}
#: The classes.
KINDS: tuple[type, ...] = tuple(getattr(model_selection, name) for name in ARGUMENTS)


def arguments_of(splitter: Any) -> dict[str, Any]:
    """Arguments that make a splitter anew.

    Raises
    ------
    ValueError
        If one of them is not what the splitter takes.

    Examples
    --------
    >>> from sklearn.model_selection import RepeatedKFold
    >>> from sklearn_kpd._persistence.splitters import arguments_of
    >>> arguments_of(RepeatedKFold(n_splits=3, random_state=0))
    {'n_splits': 3, 'n_repeats': 10, 'random_state': 0}
    """
    name = type(splitter).__name__
    values = {**vars(splitter), **getattr(splitter, "cvargs", {})}  # of the repeated ones
    arguments = {argument: values.get(argument) for argument in ARGUMENTS[name]}
    _check(name, arguments)
    return arguments


def make_splitter(name: str, arguments: dict[str, Any]) -> Any:
    """Make a splitter: the inverse of :func:`arguments_of`.

    Raises
    ------
    ValueError
        For another name, other arguments, or values that the splitter does not take.
    """
    if name not in ARGUMENTS:
        raise ValueError(f"{name[:80]!r} is no splitter that a file may hold")
    if arguments.keys() != ARGUMENTS[name].keys():
        raise ValueError(f"{name} has other arguments than {sorted(arguments)}"[:300])
    _check(name, arguments)
    return getattr(model_selection, name)(**arguments)


def _check(name: str, arguments: dict[str, Any]) -> None:
    for argument, fine in ARGUMENTS[name].items():
        if not fine(arguments[argument]):
            raise ValueError(f"{argument} of {name} is not what it takes")
