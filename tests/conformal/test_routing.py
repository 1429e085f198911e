"""Metadata on its way through ConformalKeypointRegressor to the estimator and the splitter."""

import contextlib
import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, KFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.tests import test_metaestimators_metadata_routing as common
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_kpd import KeypointRegressor
from sklearn_kpd.conformal import ConformalKeypointRegressor
from tests.conformal.helpers import Given, draw

ENTRY = {
    "metaestimator": ConformalKeypointRegressor,
    "estimator_name": "estimator",
    "estimator": "regressor",
    "X": common.X,
    "y": common.rng.rand(common.N),
    "estimator_routing_methods": ["fit"],
    "preserves_metadata": "subset",
    "init_args": {"random_state": 0},
    "cv_name": "cv",
    "cv_routing_methods": ["fit"],
}
N = 40
WEIGHTS, GROUPS = np.arange(N) + 1.0, np.repeat(np.arange(10), 4)


class Seeing(Given):
    """Requests `colour` too."""

    def fit(self, X, y, sample_weight=None, groups=None, colour=None):
        self.colours_ = colour
        return super().fit(X, y, sample_weight, groups)


class Splitter(GroupKFold):
    """Notes what its split is given."""

    def split(self, X, y=None, groups=None, colour=None):
        self.groups, self.colour = groups, colour
        return super().split(X, y, groups)


def routing(on):
    return config_context(enable_metadata_routing=on)


@pytest.mark.parametrize(
    "check",
    [
        "test_error_on_missing_requests_for_sub_estimator",
        "test_setting_request_on_sub_estimator_removes_error",
        "test_non_consuming_estimator_works",
        "test_metadata_routed_to_group_splitter",
    ],
)
def test_scikit_learns_checks_of_meta_estimators(check):
    getattr(common, check)(ENTRY)


@pytest.mark.parametrize("method", ["split", "cv+"])
def test_what_is_requested_reaches_the_estimator(method):
    X, y = draw(N)
    with routing(True):
        given = Seeing().set_fit_request(sample_weight="importance", groups=True, colour=False)
        other = Splitter(5).set_split_request(colour=True)  # so that somebody wants the colour
        for estimator in (given, Pipeline([("given", given)])):
            conformal = ConformalKeypointRegressor(estimator, method=method, cv=other)
            colour = {"colour": GROUPS} if method == "cv+" else {}
            conformal.fit(X, y, importance=WEIGHTS, groups=GROUPS, **colour)
            for fitted in conformal.estimators_:
                fitted = fitted if isinstance(fitted, Seeing) else fitted[-1]
                np.testing.assert_array_equal((fitted.weights_ - 1) // 4, fitted.groups_)
                assert len(fitted.groups_) == 32
                assert fitted.colours_ is None


def test_what_nobody_requests_is_an_error():
    X, y = draw(N)
    with routing(True):
        conformal = ConformalKeypointRegressor(Given())
        for name in ("sample_weight", "groups"):
            with pytest.raises(UnsetMetadataPassedError, match=rf"\[{name}\] are passed but"):
                conformal.fit(X, y, **{name: WEIGHTS})
        with pytest.raises(TypeError, match="colour"):
            conformal.fit(X, y, colour=WEIGHTS)


def test_groups_are_requested_unless_one_says_otherwise():
    with routing(True):
        conformal = ConformalKeypointRegressor(KeypointRegressor())
        own = get_routing_for_object(conformal)._self_request
        assert own.fit.requests == {"groups": True}
        assert own.score.requests == {"sample_weight": None}
        conformal.set_fit_request(groups="people").set_score_request(sample_weight=True)
        own = get_routing_for_object(clone(conformal))._self_request
        assert own.fit.requests == {"groups": "people"}
        assert own.score.requests == {"sample_weight": True}
        with pytest.raises(TypeError, match="sample_weight"):
            conformal.set_fit_request(sample_weight=True)


def test_through_cross_validation():
    X, y = draw(N)
    with routing(True):
        given = Given().set_fit_request(sample_weight=True, groups=True)
        conformal = ConformalKeypointRegressor(given, calibration_size=0.5, random_state=0)
        conformal.set_score_request(sample_weight=False)
        params = {"sample_weight": WEIGHTS, "groups": GROUPS}
        found = cross_validate(
            conformal, X, y, cv=GroupKFold(2), params=params, return_estimator=True
        )
        for learnt in found["estimator"]:
            inner = learnt.estimators_[0]
            np.testing.assert_array_equal((inner.weights_ - 1) // 4, inner.groups_)


@pytest.mark.parametrize("method", ["split", "cv+"])
def test_a_splitter_is_asked_where_it_is_used(method):
    X, y = draw(N)
    with routing(True):
        splitter = Splitter(5).set_split_request(colour=True)
        given = Given().set_fit_request(groups=False)
        conformal = ConformalKeypointRegressor(given, method=method, cv=splitter)
        if method == "cv+":
            conformal.fit(X, y, groups=GROUPS, colour=WEIGHTS)
            np.testing.assert_array_equal(splitter.groups, GROUPS)
            assert splitter.colour is WEIGHTS
        else:
            with pytest.raises(TypeError, match="colour"):
                conformal.fit(X, y, groups=GROUPS, colour=WEIGHTS)


def test_without_routing_parameters_of_fit_reach_the_estimator():
    X, y = draw(N)
    conformal = ConformalKeypointRegressor(Seeing(), random_state=0)
    fitted = conformal.fit(X, y, groups=GROUPS, colour=WEIGHTS.tolist()).estimators_[0]
    np.testing.assert_array_equal((np.array(fitted.colours_) - 1) // 4, fitted.groups_)
    with pytest.raises(TypeError, match="shade"):
        conformal.fit(X, y, shade=WEIGHTS)


def test_a_frozen_estimator_takes_no_parameters_of_fit():
    X, y = draw(N)
    conformal = ConformalKeypointRegressor(FrozenEstimator(Seeing().fit(X, y)))
    with pytest.raises(ValueError, match=r"\['colour'\] would have no effect"):
        conformal.fit(X, y, colour=WEIGHTS)


@pytest.mark.parametrize("on", [False, True])
def test_a_splitter_that_takes_no_notice_of_groups(on):
    X, y = draw(N)
    with routing(on):
        given = Given().set_fit_request(groups=True) if on else Given()
        conformal = ConformalKeypointRegressor(given, method="cv+", cv=KFold(10))
        # without routing it warns that it leaves them out
        warned = contextlib.nullcontext() if on else pytest.warns(UserWarning, match="ignored")
        with warned, warnings.catch_warnings():
            if on:
                warnings.simplefilter("error")
            conformal.fit(X, y, groups=GROUPS)
        assert len(conformal.estimators_) == 10
