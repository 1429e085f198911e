"""ConformalKeypointRegressor: keypoints with regions that hold what they promise."""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import Tags, get_tags, indexable
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    has_fit_parameter,
)

from sklearn_kpd import metrics
from sklearn_kpd._common.folds import Folds, make_folds, photographs_of
from sklearn_kpd._common.schemes import nearest_scheme
from sklearn_kpd._common.sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    take_rows,
    take_rows_of_metadata,
)
from sklearn_kpd.augment import AugmentedImages
from sklearn_kpd.conformal._scores import (
    SCORES,
    keypoint_scores,
    labels_needed,
    largest_radius,
    reaches,
    regions_of,
    row_maxima,
    scales_of,
)
from sklearn_kpd.images import DeferredImages, lazily
from sklearn_kpd.keypoints import FloatArray, align, check_keypoints, fitted_names, last_step
from sklearn_kpd.metrics._scorers import name_predictions


class ConformalKeypointRegressor(RegressorMixin, MetaEstimatorMixin, BaseEstimator):
    """Keypoints with regions that hold the label as often as promised.

    Rows that no network has seen tell how far off its predictions are; a region is as large as a
    quantile of these distances. If new rows are exchangeable with those of the calibration, a
    region of coverage 0.9 holds the label of its keypoint in at least 90 % of the cases, whatever
    the network and the distribution of its errors.

    Parameters
    ----------
    estimator : estimator
        A `KeypointRegressor`, or a Pipeline or a search that ends in one. A fitted one in
        scikit-learn's ``FrozenEstimator`` is not fitted again: `fit` calibrates it on all rows,
        which must be others than those that it was fitted on.
    method : {"split", "cv+"}, default="split"
        "split" holds a share of the rows out for calibration. "cv+" fits as many estimators as
        there are folds and calibrates each on the fold that it did not see, so that every row
        serves both; predictions are their mean. It promises no more than ``1 - 2 * (1 -
        coverage)`` in the worst case, and keeps about `coverage` in practice.
    calibration_size : float, default=0.2
        Share of the rows, or of the groups, that "split" calibrates on.
    cv : int, splitter or iterable, default=5
        Folds of "cv+". A number draws them at random; a splitter, or pairs of rows to fit on and
        to calibrate on, has to hold each row out at most once. None is 5.
    conformity_score : {"distance", "scaled", "mahalanobis"}, default="distance"
        What is calibrated. "distance": the distance of label and prediction; discs of one radius
        for each keypoint. "scaled": the distance over the standard deviation that the estimator
        predicts; discs that are small where it is sure. "mahalanobis": the same along x and y;
        ellipses. Both others than "distance" need ``predict(X, return_std=True)``, at some ten
        times the cost, or at hardly any where the regressor has ``spread="heatmaps"``.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are held out.

    Attributes
    ----------
    estimators_ : list of estimator
        The fitted estimators: one, or one a fold.
    scores_ : ndarray of shape (n_calibration, k), float64
        Scores of the calibration rows, NaN where not labelled, or labelled by another scheme than
        the predictions follow.
    folds_ : ndarray of shape (n_calibration,), int
        Which of `estimators_` did not see the row.
    keypoint_names_ : tuple of str, or None
        Names of the keypoints, if y was a DataFrame that has them.
    y_shape_ : tuple of int
        Shape of what is predicted for one row.
    conformity_score_ : str
        Score that was calibrated.
    n_features_in_ : int
        Features that the estimator saw in fit, if it tells.
    feature_names_in_ : ndarray of str
        Names of the columns of X that the estimator saw in fit, if it tells.
    image_shape_ : (int, int, int)
        Height, width and channels of the images, if the estimator tells.

    See Also
    --------
    sklearn_kpd.metrics.coverage_score : How often regions hold the label.
    sklearn_kpd.inspection.RegionDisplay : Faces with their regions.

    Notes
    -----
    What is promised is an average over calibrations and new rows, keypoint by keypoint, for the
    labels of the scheme that `predict` follows (see `schemes` of `KeypointRegressor`): labels of
    rows of another scheme were set by other people to other standards, and are left out of the
    calibration. Rows that are alike, such as frames of one video, count as one another's copies:
    name them in `groups`. With groups the promise is that for a row of a new group, as far as
    groups are of one size.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005. Papadopoulos et al.,
    Inductive Confidence Machines for Regression, ECML 2002. Lei et al., Distribution-Free
    Predictive Inference for Regression, JASA 2018: split conformal and scaled scores. Barber et
    al., Predictive Inference with the Jackknife+, Annals of Statistics 2021: CV+.

    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn_kpd import KeypointRegressor
    >>> from sklearn_kpd.conformal import ConformalKeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(60, random_state=0)
    >>> regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0)
    >>> conformal = ConformalKeypointRegressor(regressor, random_state=0).fit(X, y)
    >>> conformal.predict_region(X[:5], coverage=0.9).shape
    (5, 15)
    """

    # Groups matter to what is held out; weights are for the estimator alone, which requests them.
    __metadata_request__fit = {"groups": True, "sample_weight": UNUSED}

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "method": [StrOptions({"split", "cv+"})],
        "calibration_size": [Interval(Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        "conformity_score": [StrOptions(set(SCORES))],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        method: str = "split",
        calibration_size: float = 0.2,
        cv: Any = 5,
        conformity_score: str = "distance",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.calibration_size = calibration_size
        self.cv = cv
        self.conformity_score = conformity_score
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        **fit_params: Any,
    ) -> "ConformalKeypointRegressor":
        """Fit the estimator on some of the rows, and calibrate it on others.

        Parameters
        ----------
        X : array-like, DataFrame or list
            What the estimator takes: images, or a table of photographs.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels, NaN where not labelled. Of single coordinates, (n,), the regions
            are intervals, and radii half their lengths.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, for the estimator's fit alone.
        groups : array-like of shape (n,), default=None
            Rows of one group are never on both sides; the estimator's own validation keeps to
            them too. By default rows of one photograph are a group where X names paths;
            :func:`~sklearn_kpd.model_selection.duplicate_groups` finds images that are alike.
        **fit_params : dict
            For the estimator's fit: of what has an entry for each row, those of the rows that it
            is fitted on. If metadata routing is enabled, these, `sample_weight` and `groups` reach
            the estimator and a splitter `cv` if they request them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters or data that are wrong, or where no calibration row has a label.
        """
        self._validate_params()
        values = check_keypoints(y).values
        check_consistent_length(values, sample_weight, groups)
        frozen = isinstance(self.estimator, FrozenEstimator)
        if frozen and self.method == "cv+":
            raise ValueError(
                "method='cv+' fits an estimator for each fold, but a FrozenEstimator is not "
                "fitted again: use method='split'."
            )
        if frozen and fit_params:
            raise ValueError(
                f"A FrozenEstimator is not fitted again, and {sorted(fit_params)} would have no "
                "effect: leave them out."
            )
        if frozen:
            learnt = [self.estimator.estimator]
            return self._calibrate(learnt, [(X, y)])
        if isinstance(X, DeferredImages | AugmentedImages):
            raise ValueError(
                f"X is {type(X).__name__}, whose rows cannot be held out: give the Pipeline that "
                "makes it, with the regressor as its last step, as estimator, and X as it is."
            )
        X, y = indexable(lazily(X), y)
        metadata = {"sample_weight": sample_weight, "groups": groups, **fit_params}
        for_fit, for_split = self._routed({k: v for k, v in metadata.items() if v is not None})
        known = photographs_of(X) if groups is None else groups
        learnt, held_out = [], []
        for training, calibration in self._folds(len(values), known, for_split):
            options = take_rows_of_metadata(X, for_fit, training)
            estimator = clone(self.estimator)
            learnt.append(estimator.fit(take_rows(X, training), take_rows(y, training), **options))
            held_out.append((take_rows(X, calibration), take_rows(y, calibration)))
        return self._calibrate(learnt, held_out)

    def calibrate(self, X: Any, y: Any) -> "ConformalKeypointRegressor":
        """Calibrate anew, on rows that the fitted estimator has not seen; nothing is trained.

        Such as rows from another camera, for which the regions shall hold from now on, or for
        another `conformity_score`.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            With ``method="cv+"``, whose regions belong to the folds of `fit`.
        """
        check_is_fitted(self)
        if len(self.estimators_) > 1:
            raise ValueError(
                "calibrate needs one estimator, and method='cv+' has "
                f"{len(self.estimators_)}: use method='split'."
            )
        return self._calibrate(self.estimators_, [(X, y)])

    def predict(
        self,
        X: Any,
        *,
        max_radius: float | None = None,
        coverage: float = 0.9,
        joint: bool = False,
    ) -> Any:
        """Find the keypoints.

        Parameters
        ----------
        X : array-like, DataFrame or list
            What the estimator takes.
        max_radius : float, default=None
            Keypoints whose region of this `coverage` has a larger radius, in pixels, are refused:
            they are NaN. Of an ellipse the longer semi-axis counts.
        coverage : float, default=0.9
            As in :meth:`predict_region`; matters with `max_radius` alone.
        joint : bool, default=False
            As in :meth:`predict_region`; likewise.

        Returns
        -------
        ndarray of the shape that the estimator predicts, float64
            Pixels.
        """
        check_is_fitted(self)
        if max_radius is None:
            found = np.mean([estimator.predict(X) for estimator in self.estimators_], axis=0)
            return np.asarray(found, np.float64)
        if not isinstance(max_radius, Real) or not max_radius > 0:
            raise ValueError(f"max_radius={max_radius!r} must be a number of pixels above 0.")
        found, regions = self._regions(X, coverage, joint)
        refused = largest_radius(regions) > max_radius
        points = np.where(refused[..., np.newaxis], np.nan, found.reshape(*refused.shape, -1))
        return points.reshape(found.shape)

    def predict_region(
        self,
        X: Any,
        coverage: Any = 0.9,
        joint: bool = False,
        *,
        return_prediction: bool = False,
    ) -> Any:
        """Regions round the predicted keypoints that hold the labels as often as promised.

        Parameters
        ----------
        X : array-like, DataFrame or list
            What the estimator takes.
        coverage : float or array-like of shape (m,), default=0.9
            What is promised, between 0 and 1: the share of labels that their regions hold.
        joint : bool, default=False
            Whether the share of objects is promised all of whose labelled keypoints lie in their
            regions. An object with more labels than those of the calibration had needs more.
        return_prediction : bool, default=False
            Whether to return what :meth:`predict` does too, at no further cost.

        Returns
        -------
        regions : ndarray of shape (n, k) or (n, k, 2, 2), float64
            Radii of discs in pixels. Where the score is "mahalanobis", matrices M of ellipses in
            square pixels: those points z with ``(z - p) @ inv(M) @ (z - p) <= 1`` round the
            prediction p; the semi-axes are the roots of M's eigenvalues. Several coverages give a
            first axis of length m.
        y_pred : ndarray
            Only if `return_prediction`.

        Raises
        ------
        ValueError
            For a coverage that is none.

        Warns
        -----
        UserWarning
            If a keypoint has too few calibration labels for the coverage; its regions are
            infinite then.
        """
        check_is_fitted(self)
        found, regions = self._regions(X, coverage, joint)
        return (regions, found) if return_prediction else regions

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """R² of the labelled values, averaged over the coordinates.

        Parameters
        ----------
        X : array-like, DataFrame or list
            What the estimator takes.
        y : DataFrame or array-like
            Keypoints in pixels, NaN where not labelled.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 is perfect, 0 what the column means reach.
        """
        found = name_predictions(self.predict(X), self, y)
        return metrics.r2_score(y, found, sample_weight=sample_weight)

    @property
    def n_features_in_(self) -> int:
        """Features that the estimator saw in fit, if it tells."""
        return self.estimators_[0].n_features_in_

    @property
    def feature_names_in_(self) -> Any:
        """Names of the columns of X that the estimator saw in fit, if it tells."""
        return self.estimators_[0].feature_names_in_

    @property
    def image_shape_(self) -> tuple[int, int, int]:
        """Height, width and channels of the images, if the estimator tells."""
        return last_step(self.estimators_[0]).image_shape_

    def _folds(self, n_rows: int, groups: ArrayLike | None, options: dict[str, Any]) -> Folds:
        """Rows to fit on and rows to calibrate on, once or for each fold.

        `options` are for the split method of a splitter of the user's.
        """
        cv = self.cv
        if self.method == "split":
            share, seed = self.calibration_size, self.random_state
            cv, options = GroupShuffleSplit(1, test_size=share, random_state=seed), {}
        return make_folds(cv, n_rows, groups, self.random_state, options)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say what becomes of metadata of `fit`, as scikit-learn's user guide describes it.

        Returns
        -------
        MetadataRouter
            With the estimator, and with `cv` where "cv+" takes a splitter.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        fit = MethodMapping().add(caller="fit", callee="fit")
        router.add(estimator=self.estimator, method_mapping=fit)
        if self.method == "cv+" and hasattr(self.cv, "split"):
            split = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=split)
        return router

    def _routed(self, metadata: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Metadata of `fit` for the estimator's fit, and for the splitter."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **metadata)
            return routed["estimator"]["fit"], routed.get("splitter", {"split": {}})["split"]
        for_fit, for_split = dict(metadata), {}
        if "groups" in metadata:
            for_split["groups"] = metadata["groups"]
            if not has_fit_parameter(last_step(self.estimator), "groups"):
                del for_fit["groups"]
        for name in for_fit.keys() & {"sample_weight", "groups"}:
            if steps := getattr(self.estimator, "steps", None):
                for_fit[f"{steps[-1][0]}__{name}"] = for_fit.pop(name)
        return for_fit, for_split

    def _calibrate(
        self, learnt: list[Any], held_out: list[tuple[Any, Any]]
    ) -> "ConformalKeypointRegressor":
        """Score each estimator's held-out rows; what is learnt is assigned last."""
        scores, names = [], fitted_names(learnt[0])
        for estimator, (X, y) in zip(learnt, held_out, strict=True):
            keypoints = align(check_keypoints(y), names)
            points, scales, y_shape = predicted_points(estimator, X, self.conformity_score)
            labels = comparable(estimator, keypoints.values)
            scores.append(keypoint_scores(labels.reshape(points.shape), points, scales))
        found = np.concatenate(scores)
        if np.isnan(found).all():
            raise ValueError(
                "None of the calibration rows has a label of the scheme that the predictions "
                f"follow, of {len(found)} rows: hold more rows out by calibration_size, or "
                "calibrate on labelled ones."
            )
        self.estimators_ = learnt
        self.scores_ = found
        self.folds_ = np.repeat(np.arange(len(scores)), [len(part) for part in scores])
        self.keypoint_names_ = names
        self.y_shape_ = y_shape
        self.conformity_score_ = self.conformity_score
        return self

    def _regions(self, X: Any, coverage: Any, joint: bool) -> tuple[FloatArray, FloatArray]:
        """Predictions in the shape that the estimator gives them, and their regions."""
        coverages = _check_coverages(coverage)
        scores = row_maxima(self.scores_) if joint else self.scores_
        _warn_of_few_labels(scores, max(coverages), None if joint else self.keypoint_names_)
        score = self.conformity_score_
        found = [predicted_points(estimator, X, score) for estimator in self.estimators_]
        points, scales = np.stack([p for p, _, _ in found]), np.stack([s for _, s, _ in found])
        centres, centre_scales, reach = reaches(scores, self.folds_, points, scales, coverages)
        regions = regions_of(score, reach, centre_scales)
        centres = centres.reshape(len(centres), *self.y_shape_)
        return centres, regions[0] if np.ndim(coverage) == 0 else regions

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scores_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.multi_output = True
        return tags


def predicted_points(
    estimator: Any, X: Any, score: str
) -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """What an estimator predicts and the scale of its scores, (n, k, 2), and its shape of a row.

    Single coordinates are points of a line, (n, 1, 1).
    """
    points_std = None
    if SCORES[score]:
        # a search has no return_std of its own
        regressor = getattr(estimator, "best_estimator_", estimator)
        found, points_std = regressor.predict(X, return_std=True)
    else:
        found = estimator.predict(X)
    found = np.asarray(found, np.float64)
    points = found.reshape(len(found), -1, min(found.ndim, 2))
    if points_std is not None:
        points_std = np.asarray(points_std, np.float64).reshape(points.shape)
        _check_spread(points_std)
    return points, scales_of(score, points_std, points.shape), found.shape[1:]


def comparable(estimator: Any, values: FloatArray) -> FloatArray:
    """Labels of the scheme that `predict` follows for each keypoint; NaN for all others."""
    regressor = last_step(estimator)
    if not hasattr(regressor, "_output_schemes"):
        return values
    row_schemes = nearest_scheme(~np.isnan(values), regressor.schemes_)
    return np.where(row_schemes[:, np.newaxis] == regressor._output_schemes, values, np.nan)


def _check_coverages(coverage: Any) -> list[float]:
    try:
        coverages = np.atleast_1d(np.asarray(coverage, np.float64))
    except (TypeError, ValueError):
        coverages = np.array([np.nan])
    if coverages.ndim != 1 or not coverages.size or not ((coverages > 0) & (coverages < 1)).all():
        raise ValueError(
            f"coverage={coverage!r} must be a share between 0 and 1, such as 0.9, or several."
        )
    return coverages.tolist()


def _check_spread(points_std: FloatArray) -> None:
    wrong = ~(np.isfinite(points_std) & (points_std > 0)).all(axis=(1, 2))
    if wrong.any():
        raise ValueError(
            "The estimator predicts a standard deviation that is 0 or no number for row "
            f"{np.flatnonzero(wrong)[0]}, by which nothing can be scaled: use "
            "conformity_score='distance'."
        )


def _warn_of_few_labels(
    scores: FloatArray, coverage: float, names: tuple[str, ...] | None
) -> None:
    """Say which keypoints have too few calibration labels for a coverage."""
    counts, needed = (~np.isnan(scores)).sum(axis=0), labels_needed(coverage)
    few = np.flatnonzero(counts < needed)
    if not len(few):
        return
    if scores.shape[1] == 1 and names is None:
        found = f"there are {counts[0]}"
    else:
        said = names or [f"keypoint {number}" for number in range(scores.shape[1])]
        found = ", ".join(f"{said[k]} has {counts[k]}" for k in few[:5])
        found += f" and {len(few) - 5} others too few" if len(few) > 5 else ""
    warnings.warn(
        f"A coverage of {coverage:g} needs {needed} calibration labels, and {found}: regions are "
        "infinite there. Calibrate on more rows, or promise less.",
        UserWarning,
        stacklevel=4,
    )
