"""Searches and predictions on the workers of a Dask cluster, each a process of its own."""

import functools
import gc
import os
import re
import signal
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sklearn_kpd import save
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.images import LazyImages
from tests.helpers import tiny_regressor

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_IMAGES = 2000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    X, y = make_faces(100, random_state=0)
    rows = np.arange(N_IMAGES) % len(X)
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, X[rows])
    return LazyImages(path), y.iloc[rows, :10].reset_index(drop=True)


@pytest.fixture(scope="module")
def cluster():
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        # as the guide says: what joblib sends outlives the worker that it was sent to
        client.amm.stop()
        client.scatter = functools.partial(client.scatter, broadcast=True)
        yield client


def search(client, X, y):
    """What a search finds on the cluster's workers, and bytes that went over the network."""
    grid = GridSearchCV(tiny_regressor(epochs=1), {"batch_size": [32, 64, 128]}, cv=2)
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
    with parallel_config(backend="dask", wait_for_workers_timeout=60):
        grid.fit(X, y)
    sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
    return grid.cv_results_["mean_test_score"].tolist(), sent


def megabytes():
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


def worker_megabytes(client):
    return max(client.run(megabytes).values())


@pytest.fixture(scope="module")
def scores(cluster, data):
    """Those of one worker, with as many threads."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
        ) as one,
        distributed.Client(one, set_as_default=False) as client,
        client.as_current(),
    ):
        return search(client, *data)[0]


def test_scores_are_those_of_one_worker_and_no_pixels_travel(cluster, data, scores):
    with cluster.as_current():
        found, sent = search(cluster, *data)
    assert found == scores
    assert np.isfinite(found).all()
    assert sent < data[0].nbytes / 10


def test_memory_of_workers_stays_as_it_is(cluster, data, scores):
    with cluster.as_current():
        search(cluster, *data)
        before = worker_megabytes(cluster)
        for _ in range(2):
            assert search(cluster, *data)[0] == scores
        assert worker_megabytes(cluster) - before < 50


def test_a_worker_that_is_killed_changes_nothing(cluster, data, scores):
    with cluster.as_current():
        victim = next(iter(cluster.run(os.getpid).values()))
        timer = threading.Timer(2, os.kill, (victim, signal.SIGKILL))
        timer.start()
        found, _ = search(cluster, *data)
        timer.join()
        assert victim not in cluster.run(os.getpid).values()
    assert found == scores


def literal_block(text, begin, end):
    """Code of the guide between its first and its last line."""
    found = re.search(rf"    {re.escape(begin)}\n.*?    {re.escape(end)}\n", text, re.DOTALL)
    return textwrap.dedent(found.group())


def test_the_recipe_for_many_predictions(cluster, data, tmp_path, monkeypatch):
    X, y = data
    small = {"network": "cnn", "network__filters": (2, 2), "network__units": (8,)}
    fitted = tiny_regressor(epochs=1, **small).fit(X[:200], y[:200])
    save(fitted, tmp_path / "faces.kpd")
    page = (Path(__file__).parents[1] / "docs" / "guide" / "serving.rst").read_text("utf-8")
    page = page.replace("/shared/faces.kpd", str(tmp_path / "faces.kpd"))
    page = page.replace("/shared/images.npy", X._source.place).replace("(4096,", "(512,")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = literal_block(page, "import functools", "return model().predict(images)")
    (tmp_path / "bulk.py").write_text(module)
    namespace = {"np": np, "client": cluster, "n_outputs": y.shape[1]}
    exec(literal_block(page, "import dask.array as da", "y_pred = found.compute()"), namespace)
    expected = fitted.predict(X)
    np.testing.assert_allclose(namespace["y_pred"], expected, rtol=0, atol=1e-3)
