"""Searches and predictions on the workers of a Dask cluster, each a process of its own."""

import os
import re
import signal
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
da = pytest.importorskip("dask.array")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_IMAGES = 2000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    X, y = make_faces(100, random_state=0)
    rows = np.arange(N_IMAGES) % len(X)
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, X[rows])
    return LazyImages(path), y.iloc[rows].reset_index(drop=True)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def search(client, X, y):
    """What a search finds on the cluster's workers, and bytes that went over the network."""
    grid = GridSearchCV(tiny_regressor(epochs=1), {"batch_size": [32, 64, 128]}, cv=2)
    before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
    with parallel_config(backend="dask", wait_for_workers_timeout=60):
        grid.fit(X, y)
    sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
    return grid.cv_results_["mean_test_score"].tolist(), sent


def worker_megabytes(client):
    found = client.run(lambda: psutil.Process().memory_info().rss / 2**20)
    return max(found.values())


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


RECIPE = re.compile(r"    import functools\n.*?    y_pred = found\.compute\(\)\n", re.DOTALL)


def test_the_recipe_for_many_predictions(cluster, data, tmp_path):
    X, y = data
    fitted = tiny_regressor(epochs=1).fit(X[:200], y[:200])
    save(fitted, tmp_path / "faces.kpd")
    page = (Path(__file__).parents[1] / "docs" / "guide" / "serving.rst").read_text("utf-8")
    page = page.replace("/shared/faces.kpd", str(tmp_path / "faces.kpd"))
    recipe = RECIPE.search(page.replace("/shared/images.npy", X._source.place)).group()
    namespace = {"np": np, "n_outputs": y.shape[1]}
    code = "\n".join(line[4:] for line in recipe.splitlines() if line.startswith("    "))
    exec(code, namespace)
    np.testing.assert_array_equal(namespace["y_pred"], fitted.predict(X))
