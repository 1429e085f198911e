"""find_label_issues: the labels that are probably wrong, worst first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control
from sklearn.utils.validation import check_consistent_length

from sklearn_kpd._common.schemes import BoolArray, IntArray
from sklearn_kpd._common.sides import flip_permutation
from sklearn_kpd._common.sklearn import RandomState
from sklearn_kpd.keypoints import (
    FloatArray,
    Keypoints,
    align,
    check_keypoints,
    columns_from_names,
    last_step,
)
from sklearn_kpd.label_quality._disagreement import disagreement
from sklearn_kpd.label_quality._evidence import Evidence, weigh
from sklearn_kpd.label_quality._kinds import Fault, Row, faults_of
from sklearn_kpd.label_quality._objects import outside, same_objects
from sklearn_kpd.label_quality._out_of_fold import out_of_fold_predictions
from sklearn_kpd.model_selection import labelling_schemes


def find_label_issues(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    y_std: ArrayLike | None = None,
    fdr: float = 0.05,
    n_jobs: int | None = None,
    verbose: int = 1,
    random_state: RandomState = None,
) -> pd.DataFrame:
    """Find labels that are probably wrong, worst first, and say what is wrong with them.

    Every row is predicted by an estimator that was not fitted on it. A label is suspicious if it
    is farther from the prediction than right labels are: of this keypoint, in this labelling
    scheme, where the network is as sure, and in an object whose other keypoints are as far off.
    So neither the scatter of the annotators nor a hard image is an issue.

    Parameters
    ----------
    estimator : estimator
        A `KeypointRegressor`, or a Pipeline that ends in one. It is cloned, not fitted. One that
        tells standard deviations (a `KeypointRegressor` with validation rows does) finds far more.
    X : array-like, DataFrame or list
        What the estimator takes: images, or a table of photographs.
    y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Keypoints in pixels, NaN where not labelled.
    cv : int, splitter or iterable, default=5
        Folds, as in :func:`out_of_fold_predictions`.
    groups : array-like of shape (n,), default=None
        Rows of one group are never on both sides of a fold. By default rows of one photograph are
        a group where X names paths. Give :func:`~sklearn_kpd.model_selection.duplicate_groups` of
        images where copies may bear the same mistake.
    y_pred : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2), default=None
        Predictions out of fold, if they are there already; nothing is fitted then.
    y_std : array-like of the same shape, default=None
        Their standard deviations.
    fdr : float, default=0.05
        Share of the listed keypoints that may be right after all, the false discovery rate, on
        average (Benjamini and Hochberg, 1995). 1 lists everything, to be read from the top.
    n_jobs : int, default=None
        Folds that are fitted at once, as in scikit-learn.
    verbose : int, default=1
        1 prints a line after each fold; 0 is silent.
    random_state : int, RandomState instance or None, default=None
        Determines the folds of a number.

    Returns
    -------
    DataFrame
        One row an issue, the least likely first:

        ``row`` : its position in X. ``keypoint`` : names of the keypoints, several joined by
        ", "; their numbers where y has no names. ``kind`` : "moved" (a keypoint for itself),
        "swapped" (two keypoints, or all left and right), "mirrored" and "shifted" (the whole
        object), "wrong object" (all of it, in no such way), "outside" (moved out of the image),
        "duplicates disagree" (other labels than those of an image that is nearly the same).
        ``p_value`` : how likely a right label is as far off. ``distance``, ``labelled_x``,
        ``labelled_y``, ``predicted_x``, ``predicted_y`` : pixels, of the keypoint that is
        farthest off. ``predicted_<name>_x``, ``predicted_<name>_y`` : the whole prediction of the
        row.

    Raises
    ------
    ValueError
        For data that are wrong, or predictions that do not fit y.

    See Also
    --------
    sklearn_kpd.inspection.LabelIssueDisplay : Pictures of the worst.
    rank_unlabelled : Which images to label next.

    Notes
    -----
    The distances of right labels follow a bivariate Student t, fitted to the bulk of them; the
    median distance of an object's keypoints is log-normal. A label's p-value is twice the smaller
    of the two. What is wrong with an object is the fault that takes least to tell (minimum
    description length).

    .. versionadded:: 0.2

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.label_quality import find_label_issues
    >>> X, y = make_faces(100, random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> y_pred = y + rng.normal(size=y.shape)  # of a network that is off by a pixel
    >>> y.loc[7, "nose_tip_x"] += 12
    >>> issues = find_label_issues(None, X, y, y_pred=y_pred)
    >>> issues[["row", "keypoint", "kind"]]
       row  keypoint   kind
    0    7  nose_tip  moved
    """
    if not 0 < fdr <= 1:
        raise ValueError(f"fdr={fdr!r} must be a share, above 0 and at most 1, such as 0.05.")
    keypoints = check_keypoints(y)
    check_consistent_length(X, keypoints.values, groups)
    if y_pred is None:
        options = {"cv": cv, "groups": groups, "n_jobs": n_jobs, "verbose": verbose}
        y_pred, y_std = out_of_fold_predictions(
            estimator, X, y, random_state=random_state, **options
        )
    labels, found = _points(keypoints), _like(y_pred, keypoints, "y_pred")
    if np.isnan(labels - found).all():
        raise ValueError("No label has a prediction out of fold to compare it with.")
    points_std = None if y_std is None else _like(y_std, keypoints, "y_std")
    evidence = weigh(labels, found, points_std, labelling_schemes(y))

    image_shape = getattr(last_step(estimator), "image_shape", None)
    objects = same_objects(X, np.nan_to_num(found), image_shape)
    twins = _twins(estimator, keypoints)
    suspicious = _discovered(evidence.p_values, fdr)
    issues = list(_faults(evidence, labels, suspicious, twins))
    issues = _named_outside(issues, X, labels, image_shape)
    issues += _disagreeing(evidence, objects, fdr, {row for row, *_ in issues})
    return _table(issues, labels, found, keypoints)


class _Issue(NamedTuple):
    row: int
    fault: Fault
    p_value: float


def _points(keypoints: Keypoints) -> FloatArray:
    values = keypoints.values
    if values.shape[1] % 2:
        raise ValueError(
            f"y has {values.shape[1]} columns; labels of points are needed, an x and a y each."
        )
    return values.reshape(len(values), -1, 2)


def _like(given: Any, keypoints: Keypoints, name: str) -> FloatArray:
    """Predictions in the order of the labels."""
    other = check_keypoints(given)
    if other.names is not None and keypoints.names is not None:
        other = align(other, keypoints.names)
    if other.values.shape != keypoints.values.shape:
        raise ValueError(
            f"{name} has the shape {other.values.shape}, and y {keypoints.values.shape}; they "
            "must hold the same rows and keypoints."
        )
    return other.values.reshape(len(other.values), -1, 2)


def _twins(estimator: Any, keypoints: Keypoints) -> IntArray:
    """Which keypoint takes each one's place in a mirror image, as far as anything tells."""
    n_keypoints = keypoints.values.shape[1] // 2
    parameters = estimator.get_params() if hasattr(estimator, "get_params") else {}
    said = [
        value
        for name, value in parameters.items()
        if name.rpartition("__")[2] == "flip_pairs" and value is not None
    ]
    try:
        return flip_permutation(n_keypoints, keypoints.names, said[0] if said else None)
    except ValueError:
        return np.arange(n_keypoints)


def _discovered(p_values: FloatArray, fdr: float) -> BoolArray:
    """Labels that are listed at a false discovery rate."""
    tested, listed = ~np.isnan(p_values), np.zeros(p_values.shape, bool)
    if tested.any():
        listed[tested] = false_discovery_control(p_values[tested]) <= fdr
    return listed


def _faults(
    evidence: Evidence, labels: FloatArray, suspicious: BoolArray, twins: IntArray
) -> Iterator[_Issue]:
    cutoff = evidence.p_values[suspicious].max(initial=0)
    for row in np.flatnonzero(suspicious.any(axis=1)):
        there = np.flatnonzero(~np.isnan(evidence.p_values[row]))
        place = np.full(labels.shape[1], -1)
        place[there] = np.arange(len(there))
        what = Row(
            labels=labels[row, there],
            expected=labels[row, there] - evidence.residuals[row, there],
            scales=evidence.scales[row, there],
            twins=place[twins[there]],
            degrees=evidence.degrees,
        )
        alone = evidence.alone[row, there] <= cutoff
        for fault in faults_of(what, suspicious[row, there], alone):
            keypoints = tuple(int(there[k]) for k in fault.keypoints)
            p_value = evidence.p_values[row, list(keypoints)].min()
            yield _Issue(int(row), Fault(fault.kind, keypoints), float(p_value))


def _named_outside(
    issues: list[_Issue], X: Any, labels: FloatArray, image_shape: Any
) -> list[_Issue]:
    """Say of keypoints that were moved out of the image that they are outside."""
    moved = [number for number, issue in enumerate(issues) if issue.fault.kind == "moved"]
    if not moved:
        return issues
    rows = np.array([issues[number].row for number in moved], np.intp)
    named = list(issues)
    for number, beyond in zip(moved, outside(X, labels, rows, image_shape), strict=True):
        fault = issues[number].fault
        if beyond[fault.keypoints[0]]:
            named[number] = issues[number]._replace(fault=fault._replace(kind="outside"))
    return named


def _disagreeing(
    evidence: Evidence, objects: IntArray, fdr: float, known: set[int]
) -> list[_Issue]:
    """Rows whose labels are others than those of their duplicates, if nothing else is wrong."""
    p_values = disagreement(evidence, objects)
    listed = _discovered(p_values, fdr)
    return [
        _Issue(
            int(row),
            Fault("duplicates disagree", tuple(np.flatnonzero(listed[row]).tolist())),
            float(np.nanmin(p_values[row])),
        )
        for row in np.flatnonzero(listed.any(axis=1))
        if row not in known
    ]


def _table(
    issues: list[_Issue], labels: FloatArray, found: FloatArray, keypoints: Keypoints
) -> pd.DataFrame:
    """One row an issue, the least likely first."""
    names = keypoints.names or tuple(map(str, range(labels.shape[1])))
    distances = np.hypot(*np.moveaxis(labels - found, 2, 0))
    records = []
    for row, (kind, which), p_value in issues:
        worst = which[int(np.argmax(distances[row, list(which)]))]
        records.append(
            {
                "row": row,
                "keypoint": ", ".join(names[k] for k in which),
                "kind": kind,
                "p_value": p_value,
                "distance": distances[row, worst],
                "labelled_x": labels[row, worst, 0],
                "labelled_y": labels[row, worst, 1],
                "predicted_x": found[row, worst, 0],
                "predicted_y": found[row, worst, 1],
            }
        )
    columns = ["row", "keypoint", "kind", "p_value", "distance"]
    columns += ["labelled_x", "labelled_y", "predicted_x", "predicted_y"]
    table = pd.DataFrame(records, columns=columns)
    whole = pd.DataFrame(
        found.reshape(len(found), -1)[table["row"].to_numpy(np.intp)],
        columns=[f"predicted_{column}" for column in columns_from_names(names)],
    )
    table = pd.concat([table, whole], axis=1)
    # of issues that are as unlikely, the one that is farther off comes first
    return table.sort_values(
        ["p_value", "distance"], ascending=[True, False], kind="stable", ignore_index=True
    )
