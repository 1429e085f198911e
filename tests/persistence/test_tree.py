"""Values as JSON, and back."""

import math
import re
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, VarianceThreshold, chi2, f_classif
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor, losses
from sklearn_kpd.exceptions import (
    BrokenFileError,
    NotSaveableError,
    OtherVersionWarning,
    PersistenceError,
    UntrustedTypeError,
)
from tests.helpers import tiny_network, tiny_regressor, without_address
from tests.persistence.helpers import Imputer, assert_same, imgaug_add, layer_of, through_file


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(10**40), 1e-300, -0.0, math.nan, math.inf, -math.inf, "", "é\x00\ud800",
        (), (1, (2.5, [None])), [], {}, {"a": (1,), 2: {"type": "array"}},
        {np.int64(1): 1, None: 2, 0.5: 3}, np.float32(0.1),
        np.int64(3), np.bool_(True), np.str_("x"), np.array([[1, 2], [3, 4]], order="F"),
        np.array(2.5), np.zeros((0, 3)), np.array(["ab", "c"]), np.array(["ab"], dtype=object),
        np.array([True]), np.array([1], dtype=">i2"), np.dtype("float32"), losses.MaskedHuber,
        np.random.RandomState(5), SimpleImputer(strategy="median"), keras.optimizers.SGD,
        np.float64, np.bool_, np.uint8, float, f_classif,
    ],
    ids=without_address,
)  # fmt: skip
def test_parameters_of_every_kind(value, tmp_path):
    estimator = KeypointRegressor(network__value=value)
    assert_same(through_file(estimator, tmp_path).get_params(), estimator.get_params())


def test_a_used_random_state_draws_on(tmp_path):
    rng = np.random.RandomState(1)
    rng.normal(size=3)  # one normal number is kept for later
    loaded = through_file(AugmentTransformer(random_state=rng), tmp_path).random_state
    np.testing.assert_array_equal(loaded.normal(size=1000), rng.normal(size=1000))


def test_callbacks_that_cannot_be_kept_are_left_out_with_a_warning(faces, tmp_path):
    X, y = faces
    callbacks = [keras.callbacks.CSVLogger(tmp_path / "log.csv"), keras.callbacks.EarlyStopping]
    fitted = tiny_regressor(callbacks=callbacks, callbacks__1__monitor="loss", epochs=1).fit(X, y)
    with pytest.warns(UserWarning, match="without callbacks.*callbacks of KeypointRegressor"):
        sklearn_kpd.save(fitted, tmp_path / "m.kpd")
    loaded = sklearn_kpd.load(tmp_path / "m.kpd", trusted=[tiny_network])
    assert loaded.callbacks is None
    np.testing.assert_allclose(loaded.predict(X), fitted.predict(X), rtol=1e-6)
    loaded.fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KeypointRegressor(lambda shape, n: None), "network of KeypointRegressor .*lambda"),
        (
            KeypointRegressor(missing=Pipeline([("i", SimpleImputer())], memory="cache")),
            "memory=None",
        ),
        (KeypointRegressor(network__value={1, 2}), "network__value of .*builtins.set"),
        (KeypointRegressor(network__value=np.array([object()])), "network__value .*object"),
        (KeypointRegressor(network__value=np.array(["a\0"], dtype=object)), "null character"),
        (KeypointRegressor(network__value=np.longdouble(1)), "an array of (float128|longdouble)"),
        (KeypointRegressor(network__value={(1, 2): 3}), "a dict with tuples"),
        (KeypointRegressor(network__value={2**61 - 1: 3}), "huge integers as keys"),
        (KeypointRegressor(network__value=np.dtype(object)), "the dtype object"),
        (KeypointRegressor(random_state=np.random.RandomState(np.random.PCG64(0))), "PCG64"),
        (KeypointRegressor(epochs=0), "'epochs' parameter"),
        (KeypointRegressor(network__value=pd.DataFrame()), "DataFrame"),
        (Pipeline([("a", KeypointRegressor(network__value=object()))]), "network__value of Keyp"),
        (Pipeline([("a", KeypointRegressor())], memory="cache"), "memory=None"),
        (AugmentTransformer(ops=imgaug_add()), "ops of AugmentTransformer .*joblib"),
        (FunctionTransformer(np.log1p), "func of FunctionTransformer"),
        (tiny_network, "no estimator"),
    ],
    ids=without_address,
)
def test_what_cannot_be_saved_is_named(estimator, message, tmp_path):
    with pytest.raises(NotSaveableError, match=message):
        sklearn_kpd.save(estimator, tmp_path / "model.kpd")
    assert not list(tmp_path.iterdir())


def test_an_estimator_that_contains_itself(tmp_path):
    pipe = Pipeline([("a", StandardScaler())])
    pipe.steps.append(("b", pipe))
    with pytest.raises(NotSaveableError, match="contains itself"):
        sklearn_kpd.save(pipe, tmp_path / "model.kpd")


def test_names_are_looked_up_among_the_trusted_alone(tmp_path):
    path = tmp_path / "model.kpd"
    sklearn_kpd.save(KeypointRegressor(tiny_network, missing=Imputer()), path)
    with pytest.raises(UntrustedTypeError, match="'tests.helpers.tiny_network'.*trusted="):
        sklearn_kpd.load(path, trusted=[Imputer])
    with pytest.raises(UntrustedTypeError, match="Imputer"):
        sklearn_kpd.load(path, trusted=[tiny_network, SimpleImputer])
    loaded = sklearn_kpd.load(path, trusted=[tiny_network, Imputer])
    assert loaded.network is tiny_network
    assert type(loaded.missing) is Imputer


def test_trusted_holds_things_with_names_of_their_own(saved, load_bytes):
    with pytest.raises(ValueError, match="may hold classes and functions"):
        load_bytes(saved, ["tests.helpers.tiny_network"])
    other = type("tiny_network", (), {"__module__": "tests.helpers"})
    with pytest.raises(ValueError, match="two objects of the name"):
        load_bytes(saved, [tiny_network, other])


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "builtins.eval", "sklearn_kpd.datasets.load_kaggle", "sklearn.utils.Bunch",
        "sklearn.base.BaseEstimator", "sklearn.pipeline.make_pipeline", "this.Estimator",
        "sklearn.preprocessing._data.StandardScaler",
    ],
)  # fmt: skip
def test_no_module_is_imported_for_a_file(load_changed, name):
    def name_an_estimator(manifest):
        manifest["estimator"] = {
            "type": "estimator", "name": name, "params": {}, "attributes": {}
        }  # fmt: skip

    def name_a_function(manifest):
        manifest["estimator"]["params"]["network"] = {"type": "object", "name": name}

    for change in (name_an_estimator, name_a_function):
        with pytest.raises(UntrustedTypeError, match=rf"^'?{re.escape(name)}'? is n"):
            load_changed(change)
    assert "this" not in sys.modules


def test_deep_nesting(load_changed):
    def nest(manifest):
        node = manifest["estimator"]["params"]["verbose"] = []
        for _ in range(400):
            node.append([])
            node = node[0]

    with pytest.raises(BrokenFileError, match="RecursionError|contradicts itself"):
        load_changed(nest)


def estimator_with(**changes):
    return lambda m: m["estimator"].update(changes)


def parameter(**changes):
    return lambda m: m["estimator"]["params"].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (parameter(epochs="many"), "'epochs' parameter of KeypointRegressor must be"),
        (parameter(unknown=1), "unexpected keyword argument 'unknown'"),
        (estimator_with(params=[]), "list as named values"),
        (estimator_with(more=1), r"\['attributes', 'more', 'name', 'params'\] as fields"),
        (estimator_with(name=["KeypointRegressor"]), r"the class \['KeypointRegressor'\]"),
        (lambda m: m.update(estimator=3), "holds int and no estimator"),
        (
            lambda m: m.update(estimator={"type": "scalar", "part": "0.npy"}),
            r"an array of \d dimensions as a number",
        ),
        (parameter(verbose={"type": "array", "part": "0.npy"}), "the part '0.npy' here"),
        (parameter(verbose={"type": "array", "part": "../0.npy"}), r"the part '\.\./0.npy' here"),
        (parameter(tta={"type": "float", "value": "1e5"}), "the number '1e5'"),
        (parameter(tta={"type": "dtype", "value": "O"}), "the dtype 'O'"),
        (parameter(tta={"type": "dict", "items": [[[], 1]]}), "no dict: unhashable type"),
        (parameter(tta={"type": "dict", "items": [[2**61 - 1, 0]]}), "an odd item of a dict"),
        (parameter(tta={"type": "dict", "items": [[{"type": "tuple", "items": []}, 0]]}),
         "an odd item of a dict"),
        (parameter(tta={"type": "dict", "items": ["ab", [1, 2, 3]]}), "an odd item of a dict"),
        (parameter(tta={"type": "__init__", "arrays": 1}), "a value of type '__init__'"),
        (parameter(tta={"type": "items", "items": []}), "a value of type 'items'"),
        (parameter(checkpoint_dir="x"), "checkpoint_dir, a folder to write to"),
        (
            parameter(missing={"type": "keras", "config": {
                "module": "keras.layers", "class_name": "Flatten", "config": {},
                "registered_name": None}}),
            "a Flatten where it should have a Loss or Optimizer or",
        ),
        (
            parameter(missing={
                "type": "estimator", "name": "sklearn.pipeline.Pipeline", "attributes": {},
                "params": {"steps": [], "memory": "/tmp/evil"}}),
            "would have a file write to disk",
        ),
    ],
)  # fmt: skip
def test_trees_that_saving_never_makes(load_changed, change, message):
    with pytest.raises(BrokenFileError, match=message):
        load_changed(change)


@pytest.mark.parametrize(
    "estimator",
    [
        RBFSampler(n_components=3, random_state=0), Nystroem(n_components=3, random_state=0),
        SelectKBest(f_classif, k=2), SelectKBest(chi2, k=1), OneHotEncoder(sparse_output=False),
        OneHotEncoder(dtype=np.int8, sparse_output=False), OrdinalEncoder(dtype=float),
        PolynomialFeatures(), PCA(2), SimpleImputer(), MinMaxScaler(clip=True),
        VarianceThreshold(),
    ],
    ids=without_address,
)  # fmt: skip
def test_what_scikit_learns_estimators_hold_is_known(estimator, tmp_path):
    """What is saved without a word is loaded without `trusted`."""
    X = np.random.RandomState(0).randint(3, size=(20, 3))
    fitted = estimator.fit(X, np.arange(20) % 2)
    loaded = through_file(fitted, tmp_path)
    assert_same(loaded.get_params(), fitted.get_params())
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))


def test_a_message_does_not_quote_without_end(load_changed):
    with pytest.raises(BrokenFileError, match="'sampling' parameter") as caught:
        load_changed(lambda m: m["estimator"]["params"].update(sampling="x" * 5000))
    assert len(str(caught.value)) == 1000


ESCAPE = "\x1b]0;evil\x07\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["estimator"].update(name=ESCAPE),
        lambda m: m["estimator"]["params"].update({ESCAPE: 1}),
        lambda m: m["estimator"]["attributes"].update({ESCAPE: 1}),
        lambda m: m["estimator"]["params"].update(sampling=ESCAPE),
        lambda m: m.update({ESCAPE: 1}),
        lambda m: layer_of(m, "Flatten").update(class_name=ESCAPE),
        lambda m: layer_of(m, "Dense")["config"].update(units=ESCAPE),
        lambda m: layer_of(m, "Dense")["config"].update({ESCAPE: 1}),
        lambda m: layer_of(m, "Dense")["config"].update(activation=ESCAPE),
    ],
)
def test_what_a_file_names_does_not_command_a_terminal(load_changed, change):
    with pytest.raises(PersistenceError) as caught:
        load_changed(change)
    assert str(caught.value).isprintable()


def test_versions_in_a_file_do_not_command_a_terminal(load_changed):
    with pytest.warns(OtherVersionWarning) as caught:
        load_changed(lambda m: m["versions"].update(keras=ESCAPE))
    assert all(str(item.message).isprintable() for item in caught)
