import copy
import gzip
import io
import json
import math
import os
import pickle
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

import sklearn_kpd
from sklearn_kpd import AugmentSampler, AugmentTransformer, KeypointRegressor, losses
from sklearn_kpd._persistence.checks import check_consistency
from sklearn_kpd.exceptions import (
    BrokenFileError,
    ChangedFileError,
    NewerFormatError,
    NotSaveableError,
    OtherVersionWarning,
    PersistenceError,
    UnsafeFileError,
    UntrustedTypeError,
)
from tests.data import make_fixtures
from tests.helpers import tiny_network, tiny_regressor
from tests.persistence import fuzz
from tests.persistence.fuzz import put_together, take_apart

SMALL_CNN = {"network__filters": (2, 2, 2, 2), "network__units": (3,), "epochs": 1, "verbose": 0}


def doubled(x):
    return keras.ops.relu(x) * 2


class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


@keras.saving.register_keras_serializable("tests")
class Cubic(losses.MaskedLoss):
    def penalty(self, error):
        return keras.ops.abs(error) ** 3


class Imputer(SimpleImputer):
    pass


def random_network(image_shape, n_outputs):
    """A network with custom parts, operations and a random layer."""
    images = keras.Input(image_shape)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(images)) / 255.0
    x = keras.ops.where(x[:, ::2] > 0.5, x[:, ::2], 0.0)
    x = Doubled()(keras.layers.Dense(4, activation=doubled)(x))
    x = keras.layers.Dropout(0.5)(keras.ops.tanh(x))
    return keras.Model(images, keras.layers.Dense(n_outputs)(x))


def through_file(estimator, tmp_path, **options):
    path = tmp_path / "estimator.kpd"
    sklearn_kpd.save(estimator, path)
    return sklearn_kpd.load(path, **options)


def assert_same(a, b):
    """Equal values of equal types, NaN included."""
    assert type(a) is type(b)
    if isinstance(a, BaseEstimator):
        assert_same(a.get_params(), b.get_params())
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, np.random.RandomState):
        assert_same(a.get_state(), b.get_state())
    elif isinstance(a, (keras.losses.Loss, keras.optimizers.Optimizer)):
        assert a.get_config() == b.get_config()
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, float):
        assert a == b or (math.isnan(a) and math.isnan(b))
    else:
        assert a == b


@pytest.fixture(scope="module")
def fitted(faces):
    return tiny_regressor(epochs=1, network__width=2).fit(*faces)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """Bytes of a saved file."""
    path = tmp_path_factory.mktemp("saved") / "model.kpd"
    sklearn_kpd.save(fitted, path)
    return path.read_bytes()


@pytest.fixture
def load_bytes(tmp_path):
    def load(data, trusted=(tiny_network,)):
        path = tmp_path / "model.kpd"
        path.write_bytes(data)
        return sklearn_kpd.load(path, trusted=trusted)

    return load


@pytest.fixture
def load_changed(saved, load_bytes):
    """Load the saved file after a function has changed its manifest, hashes made right."""

    def load(change, trusted=(tiny_network,)):
        manifest, parts = take_apart(saved)
        change(manifest)
        return load_bytes(put_together(manifest, parts), trusted)

    return load


def network_of(manifest):
    return manifest["estimator"]["attributes"]["model_"]["config"]


def layer_of(manifest, class_name):
    layers = network_of(manifest)["config"]["layers"]
    return next(layer for layer in layers if layer["class_name"] == class_name)


# there and back


@pytest.mark.parametrize(
    ("estimator", "trusted"),
    [
        (KeypointRegressor(network__width=2, epochs=1, verbose=0, random_state=0), []),
        (
            KeypointRegressor("cnn", tta="flip", missing=IterativeImputer(LinearRegression()),
                              random_state=np.random.RandomState(3), **SMALL_CNN),
            [],
        ),
        (
            KeypointRegressor("cnn", loss=losses.MaskedWing(0.1, 0.02),
                              optimizer=keras.optimizers.SGD(
                                  keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9),
                                  momentum=0.9), random_state=0, **SMALL_CNN),
            [],
        ),
        (
            tiny_regressor(network=random_network, loss=Cubic(), missing=Imputer(),
                           optimizer=keras.optimizers.Adam,
                           callbacks=[keras.callbacks.TerminateOnNaN]),
            [random_network, doubled, Doubled, Cubic, Imputer],
        ),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*Early stopping criterion")
def test_a_regressor_predicts_and_goes_on_as_before(kaggle_like, tmp_path, estimator, trusted):
    X, y = kaggle_like[0][:30, ::4, ::4], kaggle_like[1][:30]
    fitted = clone(estimator).fit(X, y)
    loaded = through_file(fitted, tmp_path, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    for one, other in zip(
        loaded.predict(X[:3], return_std=True), fitted.predict(X[:3], return_std=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert_same(loaded.get_params(), fitted.get_params())
    assert_same(clone(loaded).get_params(), clone(fitted).get_params())
    np.testing.assert_array_equal(
        loaded.partial_fit(X, y).predict(X), fitted.partial_fit(X, y).predict(X)
    )
    assert_same(loaded.history_, fitted.history_)


def test_what_was_saved_is_as_it_was(fitted, faces, tmp_path):
    before = fitted.predict(faces[0])
    through_file(fitted, tmp_path, trusted=[tiny_network])
    np.testing.assert_array_equal(fitted.predict(faces[0]), before)
    assert fitted.model_.optimizer.iterations > 0


def test_a_pipeline(kaggle_like, tmp_path):
    X, y = kaggle_like
    augment = AugmentTransformer(rotation=(-5, 5), flip=0.5, random_state=0)
    pipe = Pipeline([("augment", augment), ("cnn", KeypointRegressor("cnn", **SMALL_CNN))])
    loaded = through_file(pipe.fit(X, y), tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), pipe.predict(X))
    assert_same(vars(loaded.named_steps["augment"].augmentation_), vars(augment.augmentation_))
    assert loaded.named_steps["cnn"].keypoint_names_[0] == "left_eye_center"
    assert loaded.fit(X, y).predict(X).shape == y.shape


def test_a_pipeline_with_scikit_learns_steps_and_named_columns(faces, tmp_path):
    X, y = faces
    X = pd.DataFrame(X[:, ::8, ::8].reshape(40, -1)).add_prefix("pixel")
    union = FeatureUnion([("same", MinMaxScaler((0, 255))), ("none", "drop")])
    pipe = Pipeline([("union", union), ("skip", "passthrough"), ("cnn", tiny_regressor(epochs=1))])
    loaded = through_file(pipe.fit(X, y), tmp_path, trusted=[tiny_network])
    np.testing.assert_array_equal(loaded.predict(X), pipe.predict(X))
    assert_same(loaded.feature_names_in_, pipe.feature_names_in_)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(X.add_prefix("other"))


@pytest.mark.parametrize(
    "estimator",
    [
        KNNImputer(n_neighbors=1), SimpleImputer(), StandardScaler(),
        AugmentTransformer(rotation=5), MinMaxScaler(clip=True),
    ],
)  # fmt: skip
def test_fitted_transformers(estimator, tmp_path):
    X = np.random.default_rng(0).uniform(size=(9, 16))
    expected = estimator.fit(X).transform(X)
    np.testing.assert_array_equal(through_file(estimator, tmp_path).transform(X), expected)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(10**40), 1e-300, -0.0, math.nan, math.inf, -math.inf, "", "é\x00\ud800",
        (), (1, (2.5, [None])), [], {}, {"a": (1,), 2: {"type": "array"}}, np.float32(0.1),
        np.int64(3), np.bool_(True), np.str_("x"), np.array([[1, 2], [3, 4]], order="F"),
        np.array(2.5), np.zeros((0, 3)), np.array(["ab", "c"]), np.array(["ab"], dtype=object),
        np.array([True]), np.array([1], dtype=">i2"), np.dtype("float32"), losses.MaskedHuber,
        np.random.RandomState(5), SimpleImputer(strategy="median"), keras.optimizers.SGD,
    ],
    ids=repr,
)  # fmt: skip
def test_parameters_of_every_kind(value, tmp_path):
    estimator = KeypointRegressor(network__value=value)
    assert_same(through_file(estimator, tmp_path).get_params(), estimator.get_params())


def test_a_used_random_state_draws_on(tmp_path):
    rng = np.random.RandomState(1)
    rng.normal(size=3)  # one normal number is kept for later
    loaded = through_file(AugmentTransformer(random_state=rng), tmp_path).random_state
    np.testing.assert_array_equal(loaded.normal(size=1000), rng.normal(size=1000))


def test_an_unfitted_sampler(tmp_path):
    sampler = AugmentSampler(n_copies=2, rotation=(1, 2.5), random_state=0)
    assert_same(through_file(sampler, tmp_path), sampler)


LOAD = """
import sys
import numpy as np, sklearn_kpd
from tests.helpers import tiny_network
estimator = sklearn_kpd.load(sys.argv[1], trusted=[tiny_network])
np.save(sys.argv[3], estimator.predict(np.load(sys.argv[2])))
"""


def test_a_new_process_loads_and_predicts_the_same(saved, fitted, faces, tmp_path):
    files = [str(tmp_path / name) for name in ("model.kpd", "X.npy", "pred.npy")]
    Path(files[0]).write_bytes(saved)
    np.save(files[1], faces[0])
    subprocess.run([sys.executable, "-c", LOAD, *files], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(files[2]), fitted.predict(faces[0]), atol=1e-6)


def test_saving_twice_gives_the_same_bytes(saved, fitted, tmp_path):
    sklearn_kpd.save(fitted, tmp_path / "again.kpd")
    assert (tmp_path / "again.kpd").read_bytes() == saved


# the file


def test_the_file_is_a_zip_of_json_and_arrays(saved, fitted):
    manifest, parts = take_apart(saved)
    assert manifest["format"] == "sklearn_kpd"
    assert manifest["format_version"] == 2
    assert set(manifest["versions"]) == {
        "python", "numpy", "scikit-learn", "keras", "tensorflow", "sklearn_kpd",
    }  # fmt: skip
    assert manifest["estimator"]["attributes"]["image_shape_"]["items"] == [96, 96, 1]
    for name, part in parts.items():
        array = np.load(io.BytesIO(part), allow_pickle=False)
        assert manifest["parts"][name]["size"] == len(part)
        assert array.dtype.kind in "biufU"
    assert b"pickle" not in saved


def test_a_crash_leaves_the_old_file_and_nothing_else(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.kpd"
    path.write_bytes(b"old")

    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            sklearn_kpd.save(fitted, path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            sklearn_kpd.save(fitted, path)
    with pytest.raises(NotSaveableError):
        sklearn_kpd.save(KeypointRegressor(network__value=object()), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        sklearn_kpd.save(fitted, tmp_path / "nowhere" / "model.kpd")
    with pytest.raises(FileNotFoundError):
        sklearn_kpd.load(tmp_path / "nothing.kpd")


def test_a_link_stays_a_link_and_permissions_are_the_users(fitted, tmp_path):
    target, link = tmp_path / "target.kpd", tmp_path / "link.kpd"
    link.symlink_to(target)
    sklearn_kpd.save(fitted, link)
    assert link.is_symlink()
    assert target.exists()
    (tmp_path / "plain").touch()
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode


# what cannot be saved


def lambda_network(image_shape, n_outputs):
    images = keras.Input(image_shape)
    x = keras.layers.Lambda(lambda x: x / 255)(images)
    return keras.Model(images, keras.layers.Dense(n_outputs)(keras.layers.Flatten()(x)))


def imgaug_add():
    import imgaug.augmenters as iaa

    return iaa.Add((-5, 5))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KeypointRegressor(lambda shape, n: None), "network of KeypointRegressor .*lambda"),
        (KeypointRegressor(callbacks=[keras.callbacks.TerminateOnNaN()]), "callbacks of .*joblib"),
        (KeypointRegressor(missing=Pipeline([("i", SimpleImputer())], memory="cache")), "memory"),
        (KeypointRegressor(network__value={1, 2}), "network__value of .*builtins.set"),
        (KeypointRegressor(network__value=np.array([object()])), "network__value .*object"),
        (KeypointRegressor(network__value=np.array(["a\0"], dtype=object)), "null character"),
        (KeypointRegressor(network__value=np.longdouble(1)), "network__value"),
        (KeypointRegressor(random_state=np.random.RandomState(np.random.PCG64(0))), "PCG64"),
        (KeypointRegressor(epochs=0), "'epochs' parameter"),
        (KeypointRegressor(network__value=pd.DataFrame()), "DataFrame"),
        (Pipeline([("a", KeypointRegressor(network__value=object()))]), "network__value of Keyp"),
        (Pipeline([("a", KeypointRegressor())], memory="cache"), "memory=None"),
        (AugmentTransformer(ops=imgaug_add()), "ops of AugmentTransformer .*joblib"),
        (FunctionTransformer(np.log1p), "func of FunctionTransformer"),
        (tiny_network, "no estimator"),
    ],
    ids=repr,
)
def test_what_cannot_be_saved_is_named(estimator, message, tmp_path):
    with pytest.raises(NotSaveableError, match=message):
        sklearn_kpd.save(estimator, tmp_path / "model.kpd")
    assert not list(tmp_path.iterdir())


def test_networks_that_would_not_load_are_not_saved(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(network=lambda_network, epochs=1).fit(X[:, ::8, ::8], y)
    with pytest.raises(NotSaveableError, match="keras.layers.Lambda is not among.*joblib"):
        sklearn_kpd.save(fitted, tmp_path / "model.kpd")
    fitted = AugmentTransformer(rotation=5, ops=[]).fit(X, y)
    fitted.augmentation_.ops.append(imgaug_add())
    with pytest.raises(NotSaveableError, match=r"ops"):
        sklearn_kpd.save(fitted, tmp_path / "model.kpd")


def test_an_estimator_that_contains_itself(tmp_path):
    pipe = Pipeline([("a", StandardScaler())])
    pipe.steps.append(("b", pipe))
    with pytest.raises(NotSaveableError, match="contains itself"):
        sklearn_kpd.save(pipe, tmp_path / "model.kpd")


# trust


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


def test_what_keras_knows_is_not_trusted_for_that(faces, tmp_path):
    X, y = faces

    @keras.saving.register_keras_serializable("test")
    class Registered(Doubled):
        pass

    def network(image_shape, n_outputs):
        model = tiny_network(image_shape, n_outputs)
        return keras.Model(model.input, Registered()(model.output))

    path = tmp_path / "model.kpd"
    fitted = tiny_regressor(network=network, epochs=1).fit(X, y)
    sklearn_kpd.save(fitted, path)
    with pytest.raises(UntrustedTypeError, match="test>Registered"):
        sklearn_kpd.load(path, trusted=[network])
    loaded = sklearn_kpd.load(path, trusted=[network, Registered])
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


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
        with pytest.raises(UntrustedTypeError):
            load_changed(change)
    assert "this" not in sys.modules


# hostile files


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"\x80\x04N.", b"PK\x05\x06" + b"\0" * 18, b"\x89HDF\r\n\x1a\n" * 99]
)
def test_files_of_another_kind(load_bytes, data):
    with pytest.raises(BrokenFileError, match="joblib.load"):
        load_bytes(data)


def test_every_truncation_is_noticed(saved, load_bytes):
    for length in range(0, len(saved), 499):
        with pytest.raises(BrokenFileError):
            load_bytes(saved[:length])


def test_changed_bytes_are_noticed(saved, load_bytes):
    manifest, parts = take_apart(saved)
    manifest["parts"]["0.npy"]["sha256"] = "0" * 64
    with pytest.raises(ChangedFileError, match="another SHA-256"):
        load_bytes(put_together(json.dumps(manifest).encode(), parts))
    manifest["parts"]["0.npy"]["size"] += 1
    with pytest.raises(ChangedFileError, match="another size"):
        load_bytes(put_together(json.dumps(manifest).encode(), parts))


def compressed(name):
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../evil", "none of ours"), ("/tmp/evil", "none of ours"), ("0.npy", "one name"),
        ("manifest.json", "one name"), ("99.npy", "not those that its manifest lists"),
        (compressed("99.npy"), "compressed"), ("x" * 5000, "none of ours"),
    ],
    ids=str,
)  # fmt: skip
def test_entries_that_do_not_belong_there(saved, load_bytes, entry, message):
    manifest, parts = take_apart(saved)
    data = put_together(
        json.dumps({**manifest, "parts": manifest["parts"]}).encode(), parts,
        [(entry, b"\0" * 10**6)],
    )  # fmt: skip
    with pytest.raises(UnsafeFileError, match=message):
        load_bytes(data)


def test_sizes_that_are_not_true(saved, load_bytes):
    _, parts = take_apart(saved)
    at = saved.rfind(b"PK\x01\x02") + 20  # the last entry of the directory
    huge = (2**31).to_bytes(4, "little")
    with pytest.raises(UnsafeFileError, match="more bytes than the file has"):
        load_bytes(saved[:at] + huge * 2 + saved[at + 8 :])
    with pytest.raises(UnsafeFileError, match="compressed"):
        load_bytes(saved[:at] + huge + saved[at + 4 :])
    with pytest.raises(UnsafeFileError, match="has more than"):
        load_bytes(put_together(b" " * (2**23 + 1), parts))


@pytest.mark.parametrize("header", fuzz.HOSTILE_HEADERS)
def test_arrays_take_no_memory_that_they_do_not_bring(saved, load_bytes, header):
    manifest, parts = take_apart(saved)
    header = header.encode() + b"\n"
    parts["0.npy"] = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + b"12345678"
    with pytest.raises(BrokenFileError):
        load_bytes(put_together(manifest, parts))


@pytest.mark.parametrize("text", fuzz.HOSTILE_JSON, ids=lambda text: text[:20])
def test_manifests_that_are_none(saved, load_bytes, text):
    with pytest.raises((BrokenFileError, NewerFormatError)):
        load_bytes(put_together(text, take_apart(saved)[1]))


def test_deep_nesting(load_changed):
    def nest(manifest):
        node = manifest["estimator"]["params"]["verbose"] = []
        for _ in range(400):
            node.append([])
            node = node[0]

    with pytest.raises(BrokenFileError, match="RecursionError|contradicts itself"):
        load_changed(nest)


def test_versions(load_changed):
    with pytest.raises(NewerFormatError, match="update it"):
        load_changed(lambda manifest: manifest.update(format_version=99))
    with pytest.raises(BrokenFileError, match="format version"):
        load_changed(lambda manifest: manifest.update(format_version=True))
    with pytest.raises(BrokenFileError, match="another one"):
        load_changed(lambda manifest: manifest.update(format="onnx"))
    with pytest.raises(BrokenFileError, match="unknown"):
        load_changed(lambda manifest: manifest.update(more=1))
    with pytest.raises(BrokenFileError, match="versions"):
        load_changed(lambda manifest: manifest.update(versions=[]))
    with pytest.warns(OtherVersionWarning, match=r"keras 2\.0 \(here 3"):
        load_changed(lambda manifest: manifest["versions"].update(keras="2.0"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherVersionWarning)
        load_changed(lambda manifest: manifest["versions"].update(numpy="1.0", python="3.0"))


# hostile networks


def replace_layer(**changes):
    return lambda manifest: layer_of(manifest, "Flatten").update(changes)


LAMBDA = {
    "module": "builtins", "class_name": "__lambda__", "config": {"value": "AAAA"},
    "registered_name": "sklearn_kpd>MaskedHuber",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        replace_layer(class_name="Lambda", config={"function": LAMBDA}),
        replace_layer(class_name="TFSMLayer", config={"filepath": "/tmp/x"}),
        replace_layer(class_name="TorchModuleWrapper"),
        replace_layer(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
        replace_layer(module="os", class_name="system"),
        replace_layer(module="keras.src.layers", class_name="Flatten"),
        replace_layer(module="keras.src.utils.file_utils", class_name="get_file"),
        replace_layer(module=None),
        replace_layer(registered_name="tests>Flatten"),
        replace_layer(config=LAMBDA),
        replace_layer(config={"activation": {"class_name": "function", "config": "eval",
                                             "module": "builtins", "registered_name": "eval"}}),
        replace_layer(config={"value": {"class_name": "__numpy__", "config": {
            "value": 0, "dtype": "U999999999"}}}),
        replace_layer(config={"value": {"class_name": "__typespec__", "config": []}}),
        lambda manifest: layer_of(manifest, "Flatten").pop("module"),
        lambda manifest: network_of(manifest).update(LAMBDA),
        lambda manifest: network_of(manifest)["compile_config"]["optimizer"].update(
            module="keras.callbacks", class_name="ModelCheckpoint"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("unsafe", [False, True])
def test_classes_that_are_not_on_the_list(load_changed, change, unsafe, monkeypatch):
    if unsafe:  # the user has switched Keras' own guard off
        keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(UntrustedTypeError):
            load_changed(change)
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


def test_registered_names_in_strings(load_changed):
    @keras.saving.register_keras_serializable("test")
    def poison(x):
        raise AssertionError

    with pytest.raises(UntrustedTypeError, match="test>poison"):
        load_changed(lambda m: layer_of(m, "Dense")["config"].update(activation="test>poison"))


def test_a_network_takes_no_memory_that_the_file_does_not_bring(load_changed):
    start = time.perf_counter()
    with pytest.raises(BrokenFileError, match="more weights than the file has"):
        load_changed(lambda m: layer_of(m, "Dense")["config"].update(units=10**10))
    with pytest.raises(BrokenFileError, match="no tensor"):
        load_changed(
            lambda m: layer_of(m, "AveragePooling2D").update(
                class_name="UpSampling2D", config={"size": [10**5, 10**5]},
                inbound_nodes=[{"args": [[[[[1.0]]]]], "kwargs": {}}],
            )
        )  # fmt: skip
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize(
    "change",
    [
        lambda m: layer_of(m, "Dense")["config"].update(units=3),
        lambda m: network_of(m).update(compile_config=None),
        lambda m: network_of(m)["compile_config"].update(optimizer="sgd"),
        lambda m: network_of(m).update(config={}),
        lambda m: network_of(m)["config"].update(output_layers=[["rescaling", 0, 0]]),
        lambda m: m["estimator"]["attributes"]["model_"]["values"].reverse(),
        lambda m: m["estimator"]["attributes"]["model_"]["values"].pop(),
        lambda m: m["estimator"]["attributes"]["model_"].update(config="Dense"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit(load_changed, change):
    with pytest.raises(BrokenFileError):
        load_changed(change)


# files that contradict themselves


def tuple_of(*items):
    return {"type": "tuple", "items": list(items)}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("image_shape_", tuple_of(96, 96, 3)), ("image_shape_", [96, 96, 1]),
        ("image_shape_", tuple_of(96, -96, -1)), ("image_shape_", tuple_of(96, 96.0, 1)),
        ("n_features_in_", 9215), ("n_features_in_", True), ("n_features_in_", "9216"),
        ("y_shape_", tuple_of(28)), ("y_shape_", tuple_of(10, 3)), ("y_shape_", 30),
        ("keypoint_names_", tuple_of("nose")), ("keypoint_names_", [1] * 15),
        ("flip_permutation_", [0] * 15), ("flip_permutation_", "left"),
        ("schemes_", None), ("schemes_", [[True] * 30]), ("_output_schemes", [0] * 30),
        ("float_gain_", 2.0), ("float_gain_", math.pi), ("calibration_", 3),
        ("_random_state", -1), ("_random_state", "0"), ("history_", {"type": "dict", "items": []}),
        ("history_", {"type": "dict", "items": [["loss", "low"]]}), ("model_", None),
        ("predict", 1), ("__class__", 1), ("_validate_params", 1), ("more_", 1), ("epochs_x", 1),
    ],
)  # fmt: skip
def test_attributes_that_do_not_fit(load_changed, attribute, value):
    with pytest.raises(BrokenFileError):
        load_changed(lambda m: m["estimator"]["attributes"].update({attribute: value}))


@pytest.mark.parametrize("value", [0, -1, True, None])
def test_numbers_of_features_that_no_fit_finds(value):
    scaler = StandardScaler().fit([[1.0]])
    scaler.n_features_in_ = value
    with pytest.raises(ValueError, match="n_features_in_ does not fit"):
        check_consistency(scaler)


@pytest.mark.parametrize("attribute", ["image_shape_", "model_", "history_", "calibration_"])
def test_attributes_that_lack(load_changed, attribute):
    with pytest.raises(BrokenFileError):
        load_changed(lambda m: m["estimator"]["attributes"].pop(attribute))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["estimator"]["params"].update(epochs="many"),
        lambda m: m["estimator"]["params"].update(unknown=1),
        lambda m: m["estimator"].update(params=[]),
        lambda m: m["estimator"].update(more=1),
        lambda m: m["estimator"].update(name=["KeypointRegressor"]),
        lambda m: m.update(estimator=3),
        lambda m: m.update(estimator={"type": "scalar", "part": "0.npy"}),
        lambda m: m["estimator"]["params"].update(verbose={"type": "array", "part": "0.npy"}),
        lambda m: m["estimator"]["params"].update(verbose={"type": "array", "part": "../0.npy"}),
        lambda m: m["estimator"]["params"].update(tta={"type": "float", "value": "1e5"}),
        lambda m: m["estimator"]["params"].update(tta={"type": "dtype", "value": "O"}),
        lambda m: m["estimator"]["params"].update(tta={"type": "dict", "items": [[[], 1]]}),
        lambda m: m["estimator"]["params"].update(tta={"type": "__init__", "arrays": 1}),
        lambda m: m["estimator"]["params"].update(
            missing={"type": "keras", "config": {"module": "keras.layers", "class_name": "Flatten",
                                                 "config": {}, "registered_name": None}}),
        lambda m: m["estimator"]["params"].update(
            missing={"type": "estimator", "name": "sklearn.pipeline.Pipeline", "attributes": {},
                     "params": {"steps": [], "memory": "/tmp/evil"}}),
    ],
)  # fmt: skip
def test_trees_that_saving_never_makes(load_changed, change):
    with pytest.raises(BrokenFileError):
        load_changed(change)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ranges", {"type": "dict", "items": [["rotation", 5]]}), ("flip", 2), ("flip", "often"),
        ("ranges", {"type": "dict", "items": [["melt", tuple_of(0, 1)]]}), ("border", 256),
        ("permutation", [1, 0]), ("probability", None), ("out_of_frame", "drop"), ("seed", -1),
        ("engine", "gpu"), ("ops", ["Add"]), ("more", 1),
    ],
)  # fmt: skip
def test_augmentations_that_do_not_fit(faces, tmp_path, load_bytes, field, value):
    path = tmp_path / "augment.kpd"
    sklearn_kpd.save(AugmentTransformer(rotation=5, flip=0.5).fit(*faces), path)
    manifest, parts = take_apart(path.read_bytes())
    manifest["estimator"]["attributes"]["augmentation_"]["fields"][field] = value
    with pytest.raises(BrokenFileError):
        load_bytes(put_together(manifest, parts))


# compatibility and fuzzing


@pytest.mark.parametrize("name", ["heatmap", "pipeline", "unfitted"])
def test_files_of_every_format_load(name, load_bytes):
    data = gzip.decompress((make_fixtures.FOLDER / f"{name}.kpd.gz").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherVersionWarning)
        loaded = load_bytes(data)
    assert_same(type(loaded).__name__, type(dict(make_fixtures.estimators())[name]).__name__)
    if name == "unfitted":
        assert loaded.network is tiny_network
        assert math.isnan(loaded.missing.fill_value)
    else:
        expected = np.load(make_fixtures.FOLDER / f"{name}.npy")
        # Another TensorFlow may round in another way.
        np.testing.assert_allclose(loaded.predict(make_fixtures.images()), expected, atol=1e-2)


def test_mutated_files_load_as_they_were_or_raise_an_error_of_ours():
    # In a process of its own, as the peak of memory that it looks at is that of a process.
    command = [sys.executable, "-m", "tests.persistence.fuzz", "--n", "200"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr
    results = {line.rpartition(": ")[2] for line in ended.stdout.splitlines()}
    assert {"same", "BrokenFileError", "UnsafeFileError", "UntrustedTypeError"} <= results


def test_a_message_does_not_quote_without_end(load_changed):
    with pytest.raises(BrokenFileError, match="'sampling' parameter") as caught:
        load_changed(lambda m: m["estimator"]["params"].update(sampling="x" * 5000))
    assert len(str(caught.value)) == 1000


def test_errors_have_one_base():
    for error in (BrokenFileError, NotSaveableError, UntrustedTypeError, NewerFormatError):
        assert issubclass(error, PersistenceError)
    assert issubclass(ChangedFileError, BrokenFileError)
    assert issubclass(UnsafeFileError, BrokenFileError)
    assert issubclass(PersistenceError, ValueError)


def test_pickling_a_model_changes_nothing_about_saving(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(network="cnn", network__filters=(2,), epochs=1).fit(X, y)
    functional = keras.saving.get_registered_name(type(fitted.model_))
    copied = pickle.loads(pickle.dumps(copy.deepcopy(fitted)))
    assert keras.saving.get_registered_name(type(copied.model_)) == functional
    sklearn_kpd.save(copied, tmp_path / "model.kpd")
    found = sklearn_kpd.load(tmp_path / "model.kpd").predict(X)
    np.testing.assert_array_equal(found, fitted.predict(X))
