"""Images in every place that LazyImages reads from."""

from pathlib import Path

import h5py
import numpy as np
import pytest


def _map(images, place, rows):
    np.asarray(images).tofile(place / "images.dat")
    return np.memmap(place / "images.dat", images.dtype, "r", shape=images.shape)


def _npy(images, place, rows):
    np.save(place / "images.npy", images)
    return np.load(place / "images.npy", mmap_mode="r")


def _hdf5(images, place, rows, **options):
    with h5py.File(place / "images.h5", "w") as file:
        file.create_dataset("images", data=images, **options)
    return h5py.File(place / "images.h5", "r")["images"]


def _chunked_hdf5(images, place, rows):
    return _hdf5(images, place, rows, chunks=(rows, *images.shape[1:]), compression="gzip")


def _zarr(images, place, rows):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(place / "images.zarr"), shape=images.shape, dtype=images.dtype,
        chunks=(rows, *images.shape[1:]), overwrite=True,
    )  # fmt: skip
    array[:] = images
    return zarr.open_array(str(place / "images.zarr"), mode="r")


def _dask(images, place, rows):
    da = pytest.importorskip("dask.array")
    return da.from_array(np.asarray(images), chunks=(rows, *images.shape[1:]))


STORES = {
    "map": _map,
    "npy": _npy,
    "hdf5": _chunked_hdf5,
    "contiguous hdf5": _hdf5,
    "zarr": _zarr,
    "dask": _dask,
}


def opened(images, store, folder, rows_in_chunk=64):
    """Write images there, and open them to be read."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    return STORES[store](images, folder, min(rows_in_chunk, len(images)))
