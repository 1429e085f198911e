"""Peak memory of training on many images on disk, beside that on a few.

Mapped files' own pages are not counted. The images are generated faces, over and over.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from _sides import PeakMemory, compare, faces

_AT_A_TIME = 1000  # images that are written; a chunk is a tenth of them


def written(store, folder, n_images):
    """Write images there, and open them to be read."""
    X, y = faces(_AT_A_TIME)
    y = y.iloc[np.arange(n_images) % len(X)].reset_index(drop=True)
    shape, chunks = (n_images, *X.shape[1:]), (_AT_A_TIME // 10, *X.shape[1:])
    starts = range(0, n_images, len(X))
    path = str(Path(folder) / "images")
    if store == "map":
        with open(path, "wb") as file:
            for _ in starts:
                file.write(X.tobytes())
        return np.memmap(path, dtype=np.uint8, mode="r", shape=shape), y
    if store == "hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            images = file.create_dataset("images", shape, X.dtype, chunks=chunks)
            for start in starts:
                images[start : start + len(X)] = X
        return h5py.File(path, "r")["images"], y
    import zarr

    images = zarr.create_array(path, shape=shape, dtype=X.dtype, chunks=chunks)
    for start in starts:
        images[start : start + len(X)] = X
    images = zarr.open_array(path, mode="r")
    if store == "zarr":
        return images, y
    import dask.array

    return dask.array.from_zarr(images), y


def run(arguments, n_images):
    from sklearn.model_selection import cross_val_score

    from sklearn_kpd import KeypointRegressor
    from sklearn_kpd.images import LazyImages

    with tempfile.TemporaryDirectory() as folder:
        images, y = written(arguments.store, folder, n_images)
        options = {"network__filters": (4, 8, 16, 32)} if arguments.small else {}
        regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0, **options)
        start = time.perf_counter()
        with PeakMemory() as memory:
            if arguments.cv:
                cross_val_score(regressor, LazyImages(images), y, cv=2)
            else:
                regressor.fit(images, y)
        return {"seconds": time.perf_counter() - start, "megabytes": memory.peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a cnn with a quarter of the filters")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--store", choices=["map", "hdf5", "zarr", "dask"], default="map")
    parser.add_argument("--cv", action="store_true", help="cross_val_score with two folds")
    sides = {
        "few": lambda arguments: run(arguments, 1000),
        "many": lambda arguments: run(arguments, arguments.images),
    }
    found = compare(sides, parser)
    if found:
        few, many = found["few"]["megabytes"], found["many"]["megabytes"]
        print(f"peak: 1000 images {few:.0f} MB, many {many:.0f} MB, {many - few:+.0f} MB")


if __name__ == "__main__":
    main()
