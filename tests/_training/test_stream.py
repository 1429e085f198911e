import threading

import numpy as np
import pytest

from sklearn_kpd import AugmentTransformer
from sklearn_kpd._training import stream as module
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.stream import ahead, makers, stream
from tests.helpers import tiny_regressor


def make(n_rows=10, weights=None):
    images = np.arange(n_rows, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), "u1")
    values = np.repeat(np.arange(float(n_rows))[:, None], 2, axis=1)
    options = {"gain": 1.0, "batch_size": 4, "seed": 0, "sample_weight": weights}
    return Batches(images, np.arange(n_rows), values, **options)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("weights", [None, np.arange(70.0)])
@pytest.mark.parametrize("n_rows", [1, 4, 10, 70])
def test_every_run_is_an_epoch(n_rows, weights):
    batches = make(n_rows, None if weights is None else weights[:n_rows])
    with makers() as threads:
        dataset = stream(batches, threads)
        assert len(dataset) == len(batches)
        for epoch in range(3):
            batches.draw(epoch)
            assert_same(ahead(batches, threads), list(batches))
            assert_same(dataset.as_numpy_iterator(), list(batches))


def test_few_batches_wait(monkeypatch):
    batches = make(200)
    asked = []
    getitem = Batches.__getitem__
    monkeypatch.setattr(
        Batches, "__getitem__", lambda self, index: asked.append(index) or getitem(self, index)
    )
    with makers() as threads:
        next(ahead(batches, threads))
    assert len(asked) <= module._N_AHEAD + 1
    assert len(batches) > module._N_AHEAD + 1


def test_threads_end_with_the_block():
    before = threading.active_count()
    with makers() as threads:
        running = ahead(make(200), threads)
        next(running)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    def fail(self, index):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Batches, "__getitem__", fail)
    with makers() as threads, pytest.raises(OSError, match="the disk is gone"):
        next(ahead(make(), threads))


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
def test_training_is_the_same_whatever_the_number_of_threads(faces, engine, monkeypatch):
    X, y = faces
    transformer = AugmentTransformer(rotation=15, noise=0.1, engine=engine)
    found = []
    for n_threads in (1, 2, 4):
        monkeypatch.setattr(module, "_N_THREADS", n_threads)
        regressor = tiny_regressor(epochs=3, batch_size=8)
        found.append(regressor.fit(transformer.fit_transform(X, y), y).history_)
    assert found[0] == found[1] == found[2]
    assert len(set(found[0]["rmse"])) == 3


def test_tensorflow_does_not_tune_the_pipeline():
    # Whose thread it would wait for at the end of an epoch.
    with makers() as threads:
        assert stream(make(), threads).options().autotune.enabled is False
