"""The doors to Keras' and TensorFlow's states of the process."""

import copy
import os
import pickle
import random
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

from sklearn_kpd._common.keras import seeded
from tests.helpers import tiny_network, tiny_regressor, weights_of


def test_a_seed_holds_whatever_others_draw():
    drawing = threading.Event()
    drawing.set()

    def draw():
        while drawing.is_set():
            random.random()

    expected = None
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(20):
            with seeded(3):
                found = weights_of(tiny_network((16, 16, 1), 4))
            if expected is None:
                expected = found
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
    finally:
        drawing.clear()
        thread.join()


def test_a_seed_neither_reads_nor_moves_pythons_numbers():
    state = random.getstate()
    with seeded(3):
        first = weights_of(tiny_network((16, 16, 1), 4))
    assert random.getstate() == state
    random.seed(5)
    with seeded(3):
        again = weights_of(tiny_network((16, 16, 1), 4))
    np.testing.assert_array_equal(first[0], again[0])


def test_without_a_seed_keras_draws_as_ever():
    random.seed(5)
    with seeded(None):
        first = weights_of(tiny_network((16, 16, 1), 4))
    random.seed(5)
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(first[0], weights_of(tiny_network((16, 16, 1), 4))[0])


def test_fits_in_threads_that_draw_are_those_of_one_thread(faces):
    from concurrent.futures import ThreadPoolExecutor

    def fit(_):
        random.random()
        return weights_of(tiny_regressor(epochs=1).fit(*faces))

    expected = fit(None)
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(fit, range(6)):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


SCIKERAS = """
import pickle, sys
import numpy as np
if sys.argv[1] == "theirs first":
    import scikeras.wrappers
from tests.helpers import tiny_regressor
from sklearn_kpd.datasets import make_faces
import keras
from scikeras.wrappers import KerasRegressor
import scikeras._saving_utils as theirs

def build():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])

assert keras.Model.__reduce__ is theirs.pack_keras_model
X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
plain = KerasRegressor(build, loss="mse", verbose=0).fit(X, X.sum(axis=1))
again = pickle.loads(pickle.dumps(plain))
np.testing.assert_allclose(again.predict(X), plain.predict(X), rtol=1e-5)
faces, y = make_faces(12, random_state=0)
ours = tiny_regressor(epochs=1).fit(faces, y)
registered = dict(keras.saving.get_custom_objects())
again = pickle.loads(pickle.dumps(ours))
assert keras.saving.get_custom_objects() == registered
np.testing.assert_allclose(again.predict(faces), ours.predict(faces), rtol=1e-5)
print("fine")
"""


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_scikeras_of_the_users_goes_on_working(order):
    out = subprocess.run(
        [sys.executable, "-c", SCIKERAS, order], capture_output=True, text=True, check=False
    )
    assert out.stdout.strip().endswith("fine"), out.stderr[-2000:]


def test_copies_have_models_of_their_own_but_for_shallow_ones(faces):
    X, y = faces
    fitted = tiny_regressor(epochs=1).fit(X, y)
    assert copy.copy(fitted).model_ is fitted.model_
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert type(other.model_) is type(fitted.model_)
        assert other.model_ is not fitted.model_
        np.testing.assert_allclose(other.predict(X), fitted.predict(X), rtol=1e-6)


FORKED = """
import os
import keras
from sklearn_kpd.datasets import make_faces
from tests.helpers import tiny_regressor

def in_a_fork(moment, function):
    child = os.fork()
    if not child:
        try:
            function(X)
            print(moment, "fine", flush=True)
        except RuntimeError as error:
            print(moment, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)

X, y = make_faces(12, random_state=0)
fitted = tiny_regressor(epochs=1)
in_a_fork("before use:", lambda X: fitted.fit(X, y))
keras.ops.ones(1)
in_a_fork("after use:", lambda X: fitted.fit(X, y))
in_a_fork("after ours:", fitted.fit(X, y).predict)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_after_use_is_an_error_and_does_not_hang():
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    before, after, after_ours = out.stdout.splitlines()
    assert before == "before use: fine"
    assert after.startswith("after use: ")
    assert after_ours.startswith("after ours: ")
    for said in (after, after_ours):
        assert "by 'spawn' or 'forkserver'" in said


def test_one_estimator_is_fitted_by_one_thread(faces):
    X, y = faces
    entered, go_on = threading.Event(), threading.Event()

    class Waits(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            ENTERED.set()
            GO_ON.wait(60)

    global ENTERED, GO_ON
    ENTERED, GO_ON = entered, go_on
    regressor = tiny_regressor(epochs=1, callbacks=[Waits()])
    thread = threading.Thread(target=regressor.fit, args=(X, y))
    thread.start()
    entered.wait(60)
    try:
        with pytest.raises(RuntimeError, match="being fitted by another thread"):
            regressor.fit(X, y)
    finally:
        go_on.set()
        thread.join()
    assert regressor.fit(X, y).predict(X).shape == (40, 30)
