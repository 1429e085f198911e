"""Splitters as parameters of what is saved, and requests of metadata."""

import functools

import numpy as np
import pytest
from sklearn import config_context, model_selection
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

import sklearn_kpd
from sklearn_kpd import KeypointRegressor
from sklearn_kpd._persistence.splitters import ARGUMENTS
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.exceptions import BrokenFileError, NotSaveableError, PersistenceError
from tests.persistence.fuzz import HOSTILE_VALUES, put_together, take_apart
from tests.persistence.helpers import assert_same, through_file

VALUES = {
    "n_splits": 3, "shuffle": True, "random_state": 4, "test_size": 2, "train_size": 0.5,
    "n_groups": 2, "p": 2, "n_repeats": 2, "test_fold": np.arange(24) % 3 - 1,
    "max_train_size": 5, "gap": 1,
}  # fmt: skip
SPLITTERS = {
    name: getattr(model_selection, name)(**{argument: VALUES[argument] for argument in arguments})
    for name, arguments in ARGUMENTS.items()
}


class OwnSplitter(KFold):
    """Of the user's own."""


def conformal(cv):
    return ConformalKeypointRegressor(KeypointRegressor(), method="cv+", cv=cv)


def splits(splitter):
    X, classes, groups = np.zeros((24, 1)), np.arange(24) % 2, np.repeat(np.arange(8), 3)
    given = groups if "Group" in type(splitter).__name__ else None
    return [part.tolist() for pair in splitter.split(X, classes, given) for part in pair]


def test_every_splitter_of_scikit_learns_is_in_the_table():
    public = {
        name
        for name, item in vars(model_selection).items()
        if isinstance(item, type) and hasattr(item, "split") and not name.startswith("Base")
    }
    assert public == set(ARGUMENTS)


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_splitter_splits_as_before(name, tmp_path):
    loaded = through_file(conformal(SPLITTERS[name]), tmp_path).cv
    assert type(loaded) is type(SPLITTERS[name])
    assert splits(loaded) == splits(SPLITTERS[name])
    assert repr(loaded) == repr(SPLITTERS[name])


def test_defaults_and_random_states(tmp_path):
    for name, arguments in ARGUMENTS.items():
        needed = {n: VALUES[n] for n in ("n_groups", "p", "test_fold") if n in arguments}
        splitter = getattr(model_selection, name)(**needed)
        assert repr(through_file(conformal(splitter), tmp_path).cv) == repr(splitter)
    rng = np.random.RandomState(3)
    splitter = KFold(3, shuffle=True, random_state=rng)
    both = ConformalKeypointRegressor(KeypointRegressor(), cv=splitter, random_state=rng)
    loaded = through_file(both, tmp_path)
    assert loaded.cv.random_state is loaded.random_state
    assert_same(loaded.random_state, rng)


def test_folds_as_arrays(tmp_path):
    folds = [(np.array([0, 1]), np.array([2])), (np.array([1, 2]), np.array([0]))]
    assert_same(through_file(conformal(folds), tmp_path).cv, folds)


def test_requests_of_a_splitter(tmp_path):
    with config_context(enable_metadata_routing=True):
        splitter = GroupKFold(3).set_split_request(groups="people")
    loaded = through_file(conformal(splitter), tmp_path).cv
    assert loaded.get_metadata_routing().split.requests == {"groups": "people"}


def test_splitters_that_cannot_be_kept(tmp_path):
    broken = KFold(3)
    broken.n_splits = "three"
    folds = model_selection.check_cv([(np.array([0]), np.array([1]))])  # no public class
    for splitter, message in (
        (OwnSplitter(3), "OwnSplitter is no plain data"),
        (broken, "n_splits of KFold is not what it takes"),
        (folds, "is no plain data"),
    ):
        with pytest.raises(NotSaveableError, match=message):
            sklearn_kpd.save(conformal(splitter), tmp_path / "model.kpd")
        assert not (tmp_path / "model.kpd").exists()


@pytest.fixture
def load_cv(tmp_path, load_bytes):
    """Load a file whose splitter was changed."""
    saved = {}

    def load(splitter, change):
        if splitter not in saved:
            sklearn_kpd.save(conformal(splitter), tmp_path / "model.kpd")
            saved[splitter] = (tmp_path / "model.kpd").read_bytes()
        manifest, parts = take_apart(saved[splitter])
        change(manifest["estimator"]["params"]["cv"])
        return load_bytes(put_together(manifest, parts)).cv

    return load


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "check_cv", "'check_cv' is no splitter"),
        ("name", "GridSearchCV", "'GridSearchCV' is no splitter"),
        ("name", ["KFold"], r"the splitter \['KFold'\]"),
        ("name", "PredefinedSplit", "PredefinedSplit has other arguments"),
        ("arguments", {}, "KFold has other arguments"),
        ("arguments", [], "list as named values"),
        ("arguments", {"n_splits": 1, "shuffle": False, "random_state": None}, "n_splits of"),
        ("arguments", {"n_splits": True, "shuffle": False, "random_state": None}, "n_splits of"),
        ("arguments", {"n_splits": 3, "shuffle": 1, "random_state": None}, "shuffle of KFold"),
        ("arguments", {"n_splits": 3, "shuffle": True, "random_state": -1}, "random_state of"),
        ("arguments", {"n_splits": 3, "shuffle": False, "random_state": 1}, "contradicts itself"),
        ("requests", {"type": "dict", "items": [["fit", {"type": "dict", "items": []}]]}, "fit"),
        ("requests", {"type": "dict", "items": [["params", 1]]}, "requests no metadata"),
        ("requests", None, "does not request that"),
        ("requests", {"type": "dict", "items": [["split", 3]]}, "does not request that"),
    ],
)  # fmt: skip
def test_splitters_that_no_file_has(field, value, message, load_cv):
    with pytest.raises(BrokenFileError, match=message):
        load_cv(KFold(3), lambda node: node.update({field: value}))


def _set(node, *, argument, value):
    node["arguments"][argument] = value


@pytest.mark.parametrize("name", SPLITTERS)
def test_hostile_arguments_are_refused_or_fit(name, load_cv):
    """What loads is a splitter of that class with arguments that it takes."""
    for argument in ARGUMENTS[name]:
        for value in (*HOSTILE_VALUES, [2, 3]):
            changed = functools.partial(_set, argument=argument, value=value)
            try:
                loaded = load_cv(SPLITTERS[name], changed)
            except PersistenceError:
                continue
            assert type(loaded) is type(SPLITTERS[name])
            found = {**vars(loaded), **getattr(loaded, "cvargs", {})}[argument]
            assert ARGUMENTS[name][argument](found)


def test_test_folds_of_another_shape(load_cv, tmp_path):
    for fold in (np.zeros((2, 2), int), np.array([0.5, 1.0])):
        splitter = PredefinedSplit([0, 1])
        splitter.test_fold = fold
        with pytest.raises(NotSaveableError, match="test_fold of PredefinedSplit"):
            sklearn_kpd.save(conformal(splitter), tmp_path / "model.kpd")


# requests of metadata


@pytest.mark.parametrize("kind", ["regressor", "pipeline", "conformal", "scikit-learn"])
def test_requests_of_metadata_are_kept(kind, tmp_path):
    with config_context(enable_metadata_routing=True):
        regressor = KeypointRegressor().set_fit_request(X_val=True, y_val=True, groups="people")
        made = {
            "regressor": regressor,
            "pipeline": Pipeline([("regressor", regressor)], transform_input=["X_val"]),
            "conformal": ConformalKeypointRegressor(regressor).set_fit_request(groups=False),
            "scikit-learn": Ridge().set_score_request(sample_weight="w"),
        }[kind]
    loaded = through_file(made, tmp_path)
    with config_context(enable_metadata_routing=True):
        assert str(get_routing_for_object(loaded)) == str(get_routing_for_object(made))
    assert "_metadata_request" not in vars(through_file(KeypointRegressor(), tmp_path))


def test_requests_of_a_fitted_one(tmp_path):
    with config_context(enable_metadata_routing=True):
        fitted = Ridge().set_fit_request(sample_weight=True).fit(np.eye(3), np.arange(3.0))
    loaded = through_file(fitted, tmp_path)
    np.testing.assert_array_equal(loaded.coef_, fitted.coef_)
    assert loaded.get_metadata_routing().fit.requests == {"sample_weight": True}


@pytest.mark.parametrize(
    "requests",
    [
        5, [], {"type": "dict", "items": [["fit", {"type": "dict", "items": [["colour", True]]}]]},
        {"type": "dict", "items": [["fit", {"type": "dict", "items": [["groups", "a b"]]}]]},
        {"type": "dict", "items": [["fit", {"type": "dict", "items": [["groups", []]]}]]},
        {"type": "dict", "items": [["params", {"type": "dict", "items": [["epochs", 3]]}]]},
        {"type": "dict", "items": [["__class__", {"type": "dict", "items": []}]]},
    ],
)  # fmt: skip
def test_requests_that_no_method_has(requests, tmp_path, load_bytes):
    sklearn_kpd.save(KeypointRegressor(), tmp_path / "model.kpd")
    manifest, parts = take_apart((tmp_path / "model.kpd").read_bytes())
    manifest["estimator"]["attributes"]["_metadata_request"] = requests
    with pytest.raises(BrokenFileError):
        load_bytes(put_together(manifest, parts))
