"""Memory that fits in a row leave behind in one process, with bare Keras beside it.

Each side runs in a process of its own, with the same network, data, batch size and epochs. What is
measured is the resident memory, from the sixth fit on. With `--dask`, instead, that of one of
Dask's workers, which fits a small network to 5,000 images on disk again and again: with the
profiler that Dask runs in it, and without.
"""

import argparse
import gc
import sys
import tempfile
from pathlib import Path

import numpy as np
from _sides import compare, memory


def fit_ours(X, y):
    from sklearn_kpd import KeypointRegressor

    KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0).fit(X, y).predict(X[:8])


def fit_bare(X, y):
    import keras

    from sklearn_kpd.networks import cnn

    model = cnn(X.shape[1:], y.shape[1])
    model.compile("adamw", "mse")
    model.fit(X, y / 48 - 1, batch_size=32, epochs=1, verbose=0)
    model.predict_on_batch(X[:8])
    keras.backend.clear_session()


def growth(fit, n_fits):
    """Megabytes that each fit leaves behind."""
    from sklearn_kpd.datasets import make_faces

    X, y = make_faces(128, random_state=0)
    sizes = []
    for _ in range(n_fits):
        fit(X, y.to_numpy())
        gc.collect()
        sizes.append(memory("VmRSS"))
    return {"megabytes": (sizes[-1] - sizes[5]) / (n_fits - 6)}


def growth_in_worker(n_fits, profiler):
    import dask
    import distributed

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "images.npy")
        np.save(path, np.random.default_rng(0).integers(0, 256, (5000, 96, 96), dtype=np.uint8))
        with (
            dask.config.set({"distributed.worker.profile.enabled": profiler}),
            distributed.LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.upload_file(str(Path(__file__).with_name("_sides.py")))
            sizes = client.submit(sizes_of_fits, path, n_fits).result()
    return {"megabytes": (sizes[-1] - sizes[9]) / (n_fits - 10)}


def sizes_of_fits(path, n_fits):
    from sklearn_kpd import KeypointRegressor
    from sklearn_kpd.images import LazyImages

    X = LazyImages(path)
    y = np.random.default_rng(0).uniform(10, 80, (len(X), 10))
    sizes = []
    for _ in range(n_fits):
        KeypointRegressor(
            "cnn", network__filters=(4, 4), batch_size=256, epochs=1, verbose=0, random_state=0
        ).fit(X, y)
        gc.collect()
        sizes.append(memory("VmRSS"))
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=30)
    parser.add_argument("--dask", action="store_true")
    if "--dask" in sys.argv:
        sides = {
            "with": lambda arguments: growth_in_worker(arguments.fits, profiler=True),
            "without": lambda arguments: growth_in_worker(arguments.fits, profiler=False),
        }
        found = compare(sides, parser, rounds=1)
        if found:
            used, unused = (found[side]["megabytes"] for side in sides)
            print(f"a worker with its profiler {used:.1f} MB a fit, without {unused:.1f} MB")
        return
    sides = {
        "ours": lambda arguments: growth(fit_ours, arguments.fits),
        "bare": lambda arguments: growth(fit_bare, arguments.fits),
    }
    found = compare(sides, parser, rounds=1)
    if found:
        ours, bare = (found[side]["megabytes"] for side in sides)
        print(f"ours {ours:.1f} MB a fit, bare Keras (cleared) {bare:.1f} MB")


if __name__ == "__main__":
    main()
