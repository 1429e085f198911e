"""save and load, there and back."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import sklearn_kpd
from sklearn_kpd import AugmentSampler, AugmentTransformer, KeypointRegressor, losses
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
from tests.helpers import tiny_network, tiny_regressor
from tests.persistence.helpers import Doubled, Imputer, assert_same, doubled, through_file

SMALL_CNN = {"network__filters": (2, 2, 2, 2), "network__units": (3,), "epochs": 1, "verbose": 0}


@keras.saving.register_keras_serializable("tests")
class Cubic(losses.MaskedLoss):
    def penalty(self, error):
        return keras.ops.abs(error) ** 3


def random_network(image_shape, n_outputs):
    """A network with custom parts, operations and a random layer."""
    images = keras.Input(image_shape)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(images)) / 255.0
    x = keras.ops.where(x[:, ::2] > 0.5, x[:, ::2], 0.0)
    x = Doubled()(keras.layers.Dense(4, activation=doubled)(x))
    x = keras.layers.Dropout(0.5)(keras.ops.tanh(x))
    return keras.Model(images, keras.layers.Dense(n_outputs)(x))


@pytest.mark.parametrize(
    ("estimator", "trusted"),
    [
        (
            KeypointRegressor(network__width=2, epochs=1, spread="heatmaps", verbose=0,
                              random_state=0),
            [],
        ),
        (
            KeypointRegressor("cnn", tta="flip",
                              missing=IterativeImputer(LinearRegression(), max_iter=1),
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
    pipe = Pipeline([("augment", augment), ("regressor", KeypointRegressor("cnn", **SMALL_CNN))])
    loaded = through_file(pipe.fit(X, y), tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), pipe.predict(X))
    assert_same(vars(loaded.named_steps["augment"].augmentation_), vars(augment.augmentation_))
    assert loaded.named_steps["regressor"].keypoint_names_[0] == "left_eye_center"
    assert loaded.fit(X, y).predict(X).shape == y.shape


def test_a_pipeline_with_scikit_learns_steps_and_named_columns(faces, tmp_path):
    X, y = faces
    X = pd.DataFrame(X[:, ::8, ::8].reshape(40, -1)).add_prefix("pixel")
    union = FeatureUnion([("same", MinMaxScaler((0, 255))), ("none", "drop")])
    pipe = Pipeline(
        [("union", union), ("skip", "passthrough"), ("regressor", tiny_regressor(epochs=1))]
    )
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


def test_an_unfitted_sampler(tmp_path):
    sampler = AugmentSampler(n_copies=2, rotation=(1, 2.5), random_state=0)
    assert_same(through_file(sampler, tmp_path), sampler)


LOAD = """
import os, sys, tempfile
import numpy as np, sklearn_kpd
from tests.helpers import tiny_network
X = np.load(sys.argv[1])
for path in sys.argv[2:]:
    estimator = sklearn_kpd.load(path, trusted=[tiny_network])
    np.save(path + ".npy", estimator.predict(X))
if sys.platform != "win32":  # where TMPDIR is nothing
    assert tempfile.gettempdir() == os.environ["TMPDIR"]
"""


def test_a_new_process_loads_predicts_the_same_and_leaves_no_files(saved, fitted, faces, tmp_path):
    cnn = KeypointRegressor("cnn", random_state=0, **SMALL_CNN).fit(*faces)
    sklearn_kpd.save(cnn, tmp_path / "cnn.kpd")
    (tmp_path / "tiny.kpd").write_bytes(saved)
    np.save(tmp_path / "X.npy", faces[0])
    folder = tmp_path / "temporary"
    folder.mkdir()
    files = [str(tmp_path / name) for name in ("X.npy", "cnn.kpd", "tiny.kpd")]
    subprocess.run(
        [sys.executable, "-c", LOAD, *files], check=True, capture_output=True,
        env={**os.environ, "TMPDIR": str(folder)}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    for name, estimator in (("cnn", cnn), ("tiny", fitted)):
        found = np.load(tmp_path / f"{name}.kpd.npy")
        np.testing.assert_allclose(found, estimator.predict(faces[0]), atol=1e-6)
    assert not list(folder.iterdir())


def test_saving_twice_gives_the_same_bytes(saved, fitted, tmp_path):
    sklearn_kpd.save(fitted, tmp_path / "again.kpd")
    assert (tmp_path / "again.kpd").read_bytes() == saved


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


def test_a_random_state_that_steps_share_stays_one(tmp_path):
    rng = np.random.RandomState(3)
    steps = [
        ("a", AugmentTransformer(random_state=rng)),
        ("b", KeypointRegressor(random_state=rng)),
    ]
    loaded = through_file(Pipeline(steps), tmp_path)
    assert loaded["a"].random_state is loaded["b"].random_state
    assert_same(loaded["b"].random_state, rng)


@pytest.mark.slow
def test_mutated_files_load_as_they_were_or_raise_an_error_of_ours():
    # In a process of its own, as the peak of memory that it looks at is that of a process.
    command = [sys.executable, "-m", "tests.persistence.fuzz", "--n", "300"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr
    results = {line.rpartition(": ")[2] for line in ended.stdout.splitlines()}
    assert {"same", "BrokenFileError", "UnsafeFileError", "UntrustedTypeError"} <= results


def test_errors_have_one_base():
    for error in (BrokenFileError, NotSaveableError, UntrustedTypeError, NewerFormatError):
        assert issubclass(error, PersistenceError)
    assert issubclass(ChangedFileError, BrokenFileError)
    assert issubclass(UnsafeFileError, BrokenFileError)
    assert issubclass(PersistenceError, ValueError)
