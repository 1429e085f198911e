"""What a network asks for is seen before it takes memory, on each backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from sklearn_kpd._persistence.guards import cost, no_larger_than
from sklearn_kpd.exceptions import BrokenFileError
from tests.helpers import tiny_network

ROOT = Path(__file__).parents[2]


def test_variables_are_refused_before_they_are_made():
    network = tiny_network((96, 96, 1), 30)
    with no_larger_than(network.count_params()):
        tiny_network((96, 96, 1), 30)
    with pytest.raises(BrokenFileError, match="more weights"), no_larger_than(10**6):
        keras.layers.Dense(10**9).build((None, 10**9))


def test_what_a_network_computes_is_counted_without_computing_it():
    images = keras.Input((96, 96, 1))
    small = keras.Model(images, keras.layers.Flatten()(images))
    large = keras.Model(images, keras.layers.UpSampling2D(10**4)(images))
    assert 96 * 96 <= cost(small, (96, 96, 1)).numbers < 100 * 96 * 96
    assert cost(large, (96, 96, 1)).numbers >= (96 * 10**4) ** 2


def test_sizes_cannot_hide_in_the_number_of_images():
    images = keras.Input((4, 4, 1))
    x = keras.layers.Dense(1)(keras.layers.Flatten()(images))
    for _ in range(2):
        x = keras.ops.reshape(keras.layers.RepeatVector(10**4)(x), (-1, 1))
    x = keras.ops.max(keras.ops.reshape(x, (-1, 10**8)), axis=-1, keepdims=True)
    assert cost(keras.Model(images, x), (4, 4, 1)).numbers >= 10**8


ON_JAX = """
import gzip, sys, warnings
from pathlib import Path
import keras, numpy as np, sklearn_kpd
from sklearn_kpd import KeypointRegressor
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.exceptions import BrokenFileError
from tests.data import make_fixtures
from tests.helpers import operations_network, tiny_network
from tests.persistence import test_guards
from tests.persistence.fuzz import put_together, take_apart
from tests.persistence.helpers import layer_of

assert keras.backend.backend() == "jax"
path = Path(sys.argv[1]) / "model.kpd"
X, y = make_faces(20, random_state=0)
common = {"epochs": 1, "verbose": 0, "random_state": 0}
for network in ("cnn", operations_network):
    options = {"network__filters": (4,), "network__dropout": 0.5} if network == "cnn" else {}
    fitted = KeypointRegressor(network, **options, **common).fit(X, y)
    sklearn_kpd.save(fitted, path)
    loaded = sklearn_kpd.load(path, trusted=[operations_network])
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    again = loaded.partial_fit(X, y).predict(X), fitted.partial_fit(X, y).predict(X)
    np.testing.assert_allclose(*again, atol=1e-3)
manifest, parts = take_apart(path.read_bytes())
layer_of(manifest, "Dense")["config"]["units"] = 10**10
path.write_bytes(put_together(manifest, parts))
try:
    sklearn_kpd.load(path, trusted=[operations_network])
except BrokenFileError as error:
    assert "more weights than the file has" in str(error), error
else:
    raise AssertionError
assert keras.distribution.distribution() is None
test_guards.test_variables_are_refused_before_they_are_made()
test_guards.test_what_a_network_computes_is_counted_without_computing_it()
test_guards.test_sizes_cannot_hide_in_the_number_of_images()
for version in (1, 2):
    saved, predicted = make_fixtures.paths("heatmap", version)
    path.write_bytes(gzip.decompress(saved.read_bytes()))
    found = sklearn_kpd.load(path).predict(make_fixtures.images())
    np.testing.assert_allclose(found, np.load(predicted), atol=0.1)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_on_jax(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, tmp_path], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
