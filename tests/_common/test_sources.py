"""Images in files and chunks give the rows of the array that they were made from."""

import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_kpd._common.sources import source_of
from tests.stores import STORES, opened

PIXELS = np.random.default_rng(0).integers(0, 256, (23, 6, 4, 1), np.uint8)


@pytest.fixture(scope="module", params=STORES)
def stored(request, tmp_path_factory):
    return opened(PIXELS, request.param, tmp_path_factory.mktemp("store"), rows_in_chunk=5)


@given(rows=st.lists(st.integers(0, 22), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_in_any_order(stored, rows):
    rows = np.array(rows, np.intp)
    for source in (source_of(stored), pickle.loads(pickle.dumps(source_of(stored)))):
        np.testing.assert_array_equal(source.read(rows), PIXELS[rows])


@given(rows=st.lists(st.integers(0, 22), max_size=40))
def test_a_process_needs_the_blocks_of_its_rows_alone(stored, rows):
    rows = np.array(rows, np.intp)
    part, numbers = source_of(stored).of_rows(rows)
    np.testing.assert_array_equal(part.read(numbers), PIXELS[rows])


# Dask arrays of arrays in memory have no other place
FILES = [store for store in STORES if store != "dask"]


@pytest.mark.parametrize("store", FILES)
def test_pixels_are_not_pickled(store, tmp_path):
    large = np.zeros((1000, 32, 32, 1), np.uint8)
    assert len(pickle.dumps(source_of(opened(large, store, tmp_path)))) < 3000


def test_blocks_are_read_once_while_their_rows_are_used(stored, monkeypatch):
    source = source_of(stored)
    if source.blocks(np.arange(23)) is None:
        pytest.skip("rows of a map are read one by one")
    read, original = [], type(source)._read_block
    monkeypatch.setattr(
        type(source), "_read_block", lambda self, n: read.append(n) or original(self, n)
    )
    for row in np.random.default_rng(0).permutation(23):
        source.read(np.array([row]))
    assert len(read) == len(set(read)) == len(set(source.blocks(np.arange(23))))


def test_no_more_blocks_are_kept_than_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_kpd._common.sources._SMALLEST_BLOCK", 1)
    monkeypatch.setattr("sklearn_kpd._common.sources._WINDOW", 3 * 5 * 24)
    source = source_of(opened(PIXELS, "hdf5", tmp_path, rows_in_chunk=5))
    assert source.n_together == 3
    pickle.loads(pickle.dumps(source)).read(np.arange(23))
    monkeypatch.setattr("sklearn_kpd._common.sources._WINDOW", 1)
    source = source_of(opened(PIXELS, "hdf5", tmp_path / "b", rows_in_chunk=5))
    source.read(np.arange(23))
    assert (len(source._kept), source.n_together) == (4, 2)


def test_large_chunks_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_kpd._common.sources._LARGEST_BLOCK", 100)
    with pytest.warns(UserWarning, match="four are kept in memory"):
        source_of(opened(PIXELS, "hdf5", tmp_path, rows_in_chunk=5))


VIEWS = {
    "whole": lambda X: X,
    "rows": lambda X: X[3:19],
    "steps": lambda X: X[::2],
    "backwards": lambda X: X[::-1],
    "columns": lambda X: X[:, 1:5, ::-1],
    "transposed": lambda X: X.swapaxes(1, 2),
    "without channels": lambda X: X[..., 0],
    "part of a part": lambda X: X[2:][::3],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_of_a_memory_map_are_found_in_its_file(view, order, tmp_path):
    mapped = np.memmap(tmp_path / "x", np.uint16, "w+", 1000, PIXELS.shape, order)
    mapped[:] = PIXELS
    mapped.flush()
    part = VIEWS[view](mapped)
    source = pickle.loads(pickle.dumps(source_of(part)))
    np.testing.assert_array_equal(source.read(np.arange(len(part))), part)


def test_what_is_an_array_has_no_source(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=PIXELS.shape)
    for array in (PIXELS, mapped[[0, 1]], mapped + 1, list(PIXELS), None):
        assert source_of(array) is None


@pytest.mark.parametrize("store", FILES)
def test_another_process_says_what_became_of_the_file(store, tmp_path):
    kept = pickle.dumps(source_of(opened(PIXELS, store, tmp_path)))
    as_large = PIXELS.swapaxes(1, 2)
    for changed in (PIXELS[:20], PIXELS[:, :3], as_large):
        if changed is as_large and store == "map":
            continue  # a file without a header does not tell
        opened(changed, store, tmp_path)
        with pytest.raises(ValueError, match="^.* was changed: .* Make X again.$"):
            pickle.loads(kept).read(np.arange(2))
    for place in tmp_path.iterdir():
        place.rename(tmp_path.parent / f"{tmp_path.name}.{place.name}.gone")
    with pytest.raises(FileNotFoundError, match="^The images of X are not there: .*$"):
        pickle.loads(kept).read(np.arange(2))


def test_a_file_that_is_written_to_is_no_other_process(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        source = source_of(file.create_dataset("faces", data=PIXELS))
        np.testing.assert_array_equal(source.read(np.arange(3)), PIXELS[:3])
        with pytest.raises(TypeError, match="is open for writing, .* close it"):
            pickle.dumps(source)
    # once it is closed it can be read, here and elsewhere
    for found in (pickle.loads(pickle.dumps(source)), source):
        np.testing.assert_array_equal(found.read(np.arange(23)), PIXELS)


def test_a_closed_file_is_said_to_be_closed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        images = file.create_dataset("faces", data=PIXELS)
    with pytest.raises(ValueError, match="whose file is closed"):
        source_of(images)


def test_what_is_in_memory_cannot_be_reached_from_elsewhere():
    zarr = pytest.importorskip("zarr")
    images = zarr.create_array(zarr.storage.MemoryStore(), data=PIXELS)
    np.testing.assert_array_equal(source_of(images).read(np.arange(23)), PIXELS)
    with pytest.raises(TypeError, match="zarr array in memory"):
        pickle.dumps(source_of(images))


@pytest.mark.parametrize("store", FILES)
def test_relative_paths_hold_in_another_folder(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    kept = pickle.dumps(source_of(opened(PIXELS, store, ".")))
    monkeypatch.chdir("other")
    np.testing.assert_array_equal(pickle.loads(kept).read(np.arange(23)), PIXELS)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros(8, "u1"), ValueError, r"its shape is \(8,\)"),
        (np.zeros((2, 2, 2, 2, 2), "u1"), ValueError, r"its shape is \(2, 2, 2, 2, 2\)"),
        (np.zeros((3, 4), complex), TypeError, "complex128: pixels must be numbers"),
    ],
)
def test_what_are_no_images_is_refused(images, error, message, tmp_path):
    with pytest.raises(error, match=message):
        source_of(opened(images, "map", tmp_path))


def test_copies_on_write_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    with pytest.raises(ValueError, match="mode='c', .* map it with mode='r'"):
        source_of(np.load(tmp_path / "x.npy", mmap_mode="c"))


def test_an_unknown_number_of_rows_is_refused():
    da = pytest.importorskip("dask.array")
    images = da.from_array(PIXELS, chunks=(5, 6, 4, 1))
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        source_of(images[images[:, 0, 0, 0] > 100])


def test_dask_sends_the_blocks_that_are_needed():
    da = pytest.importorskip("dask.array")
    images = da.from_array(np.zeros((100, 32, 32, 1), np.uint8), chunks=(10, 32, 32, 1))
    part, rows = source_of(images).of_rows(np.array([95, 3, 97]))
    assert (part.shape[0], rows.tolist()) == (20, [15, 3, 17])
    assert len(pickle.dumps(part)) < 30_000 < len(pickle.dumps(source_of(images)))


def test_optional_libraries_are_not_imported():
    code = """
import sys, numpy as np
from sklearn_kpd._common.sources import source_of
assert source_of(np.zeros((2, 2))) is None
assert not {"zarr", "dask", "h5py"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
