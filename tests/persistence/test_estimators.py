"""scikit-learn's estimators: what of them a file may hold."""

import importlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, SGDRegressor
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

import sklearn_kpd
from sklearn_kpd._persistence import estimators, known
from sklearn_kpd.exceptions import BrokenFileError, NotSaveableError, UntrustedTypeError
from tests.helpers import without_address
from tests.persistence.fuzz import put_together, take_apart
from tests.persistence.helpers import through_file
from tests.persistence.mutate_estimators import FITTED, fitted_files

X = np.random.RandomState(0).rand(9, 3)


class MyLasso(Lasso):
    """Trusted by whoever loads it."""


class MySGD(SGDRegressor):
    """Trusted by whoever loads it."""


def test_every_name_in_the_table_is_a_public_class():
    for name in estimators.NAMES - {"sklearn.impute.IterativeImputer"}:
        module, _, class_name = name.rpartition(".")
        kind = getattr(importlib.import_module(module), class_name)
        assert known.estimator(name) is kind
        assert known.name_of_estimator(kind) == name


def test_every_class_that_is_kept_fitted_is_mutated():
    kept = {name for name, text in estimators._LEARNT.items() if text is not None}
    mutated = {estimators.public_name(type(item)) for item in FITTED}
    assert mutated == {f"sklearn.{name}" for name in kept}


@pytest.mark.parametrize("n", [pytest.param(400), pytest.param(2000, marks=pytest.mark.slow)])
def test_what_does_not_fit_never_reaches_compiled_code(n):
    """A child process ends with the mutation that did; its last line names it."""
    command = [sys.executable, "-m", "tests.persistence.mutate_estimators", "--n", str(n)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    last = ended.stdout.splitlines()[-1:]
    assert ended.returncode == 0, (last, ended.stderr[-2000:])
    assert int(last[0].split()[0]) > 0  # some load, so that what follows is tried


@pytest.mark.parametrize("kind", [SGDRegressor, ElasticNet, NearestNeighbors])
def test_others_are_refused_by_name(kind, tmp_path):
    fitted = kind().fit(X, X[:, 0])
    message = f"{kind.__name__} is not among .* derives from it .*trusts it"
    with pytest.raises(NotSaveableError, match=message):
        sklearn_kpd.save(fitted, tmp_path / "m.kpd")
    with pytest.raises(NotSaveableError, match=message):
        sklearn_kpd.save(kind(), tmp_path / "m.kpd")


def test_a_class_of_ones_own_is_saved_and_trusted(tmp_path):
    fitted = MySGD().fit(X, X[:, 0])
    with pytest.raises(UntrustedTypeError, match="MySGD"):
        through_file(fitted, tmp_path)
    loaded = through_file(fitted, tmp_path, trusted=[MySGD])
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def renamed(data, name):
    manifest, parts = take_apart(data)
    manifest["estimator"]["name"] = name
    return put_together(manifest, parts)


def test_files_from_before_the_table_load_with_trusted(tmp_path, load_bytes):
    """Any public class of scikit-learn was kept by its public name."""
    fitted = MySGD().fit(X, X[:, 0])
    sklearn_kpd.save(fitted, tmp_path / "m.kpd")
    data = renamed((tmp_path / "m.kpd").read_bytes(), "sklearn.linear_model.SGDRegressor")
    with pytest.raises(UntrustedTypeError, match=r"linear_model.SGDRegressor' .*trusted="):
        load_bytes(data)
    loaded = load_bytes(data, trusted=[SGDRegressor])
    assert type(loaded) is SGDRegressor
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


FILES = dict(fitted_files())


def changed(name, load_bytes, **attributes):
    manifest, parts = take_apart(FILES[name])
    for attribute, value in attributes.items():
        if isinstance(value, np.ndarray):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, value, version=(1, 0))
            parts[manifest["estimator"]["attributes"][attribute]["part"]] = buffer.getvalue()
        else:
            manifest["estimator"]["attributes"][attribute] = value
    return load_bytes(put_together(manifest, parts))


@pytest.mark.parametrize("name", FILES)
def test_fitted_ones_load_as_they_were(name, load_bytes):
    assert without_address(load_bytes(FILES[name])) == name


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("StandardScaler()", {"mean_": np.zeros(2)}, r"mean_ of StandardScaler is no float\[p\]"),
        ("StandardScaler()", {"mean_": np.zeros(3, ">f8")}, "mean_ of"),
        ("StandardScaler()", {"mean_": np.zeros(3, int)}, "mean_ of"),
        ("StandardScaler()", {"n_features_in_": 4}, "mean_ of"),
        ("StandardScaler()", {"more_": 4}, r"by mistake the attributes \['more_'\]"),
        ("PCA(n_components=2)", {"components_": np.zeros((4, 3))}, "explained_variance_ of PCA"),
        ("PCA(n_components=2)", {"n_components_": 3}, "n_components_ of PCA is no =k"),
        ("KNNImputer(n_neighbors=2)", {"_fit_X": np.zeros((0, 3)),
                                       "_mask_fit_X": np.zeros((0, 3), bool)}, "_fit_X of"),
        ("KNNImputer(n_neighbors=2)", {"_mask_fit_X": np.zeros((19, 3), bool)}, "_mask_fit_X of"),
        ("PowerTransformer()", {"_scaler": None}, "_scaler of PowerTransformer is no StandardSca"),
        ("OneHotEncoder()", {"_n_features_outs": [1, 4, 4]}, "numbers of its categories"),
        ("OneHotEncoder()", {"_infrequent_enabled": True}, "infrequent categories"),
        ("OneHotEncoder()", {"categories_": []}, "categories_ of"),
        ("RegressorChain(estimator=LinearRegression())", {"order_": np.array([0, 5])}, "no order"),
    ],
)  # fmt: skip
def test_attributes_that_do_not_fit_each_other(name, attributes, message, load_bytes):
    with pytest.raises(BrokenFileError, match=message):
        changed(name, load_bytes, **attributes)


@pytest.mark.parametrize("values", [[3.0, 1, 0], [0.0, 0, 1], [0.0, np.nan, 1]])
def test_categories_that_would_be_searched_in_vain(values, tmp_path):
    encoder = OneHotEncoder().fit(np.array([[0.0], [1], [3]]))
    encoder.categories_ = [np.array(values)]
    with pytest.raises(NotSaveableError, match="not sorted"):
        sklearn_kpd.save(encoder, tmp_path / "m.kpd")


def test_a_step_calls_no_class_that_a_file_may_name(tmp_path, load_bytes):
    sklearn_kpd.save(FunctionTransformer(), tmp_path / "m.kpd")
    manifest, parts = take_apart((tmp_path / "m.kpd").read_bytes())
    for name in ("keras.optimizers.SGD", "sklearn_kpd.networks.cnn"):
        manifest["estimator"]["params"]["func"] = {"type": "object", "name": name}
        with pytest.raises(BrokenFileError, match="func of FunctionTransformer is no function"):
            load_bytes(put_together(manifest, parts))


def test_the_message_of_a_name_stays_on_its_line(load_bytes):
    data = renamed(FILES["StandardScaler()"], "sklearn.\x1b[31m\nevil")
    with pytest.raises(UntrustedTypeError) as caught:
        load_bytes(data)
    assert re.search(r"\\x1b\[31m\\n", str(caught.value))
    assert str(caught.value).isprintable()
