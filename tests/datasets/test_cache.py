import errno
import os

import numpy as np
import pytest
from sklearn.datasets import get_data_home

from sklearn_kpd.datasets._cache import cached


@pytest.fixture
def arrays():
    return {"data": np.arange(600, dtype=np.uint8), "target": np.array([[1.5, np.nan]])}


def entries():
    folder = os.path.join(get_data_home(), "sklearn_kpd")
    return sorted(os.listdir(folder)) if os.path.exists(folder) else []


def entry_of(key):
    return os.path.join(get_data_home(), "sklearn_kpd", f"{key}.npz")


def fail():
    raise AssertionError("made anew")


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_arrays_are_made_once(arrays):
    assert cached("one", lambda: arrays) is arrays
    assert_same(cached("one", fail), arrays)
    with pytest.raises(AssertionError, match="made anew"):
        cached("two", fail)
    assert entries() == ["one.npz"]


def test_arrays_are_the_callers_own(arrays):
    cached("one", lambda: arrays)
    found = cached("one", fail)
    found["data"][:] = 0
    assert_same(cached("one", fail), arrays)


def test_no_damage_goes_unseen(arrays):
    cached("one", lambda: arrays)
    path = entry_of("one")
    with open(path, "rb") as file:
        whole = file.read()
    made = 0

    def make():
        nonlocal made
        made += 1
        return arrays

    damaged = [whole[:length] for length in range(0, len(whole), 97)]
    for at in range(0, len(whole), 5):
        byte = bytes([whole[at] ^ 1 << at % 8])
        damaged.append(whole[:at] + byte + whole[at + 1 :])
    for content in damaged:
        with open(path, "wb") as file:
            file.write(content)
        assert_same(cached("one", make), arrays)
    # Some bytes, such as the time of writing, tell nothing.
    assert made > 0.7 * len(damaged)
    assert_same(cached("one", fail), arrays)


def test_no_pickle_is_read(arrays):
    cached("one", lambda: arrays)
    np.savez(entry_of("one"), names=["data"], data=np.array([{}], dtype=object))
    assert cached("one", lambda: arrays) is arrays


def test_old_entries_are_removed(arrays):
    for number in range(7):
        cached(str(number), lambda: arrays)
        os.utime(entry_of(number), (number, number))
    assert entries() == ["3.npz", "4.npz", "5.npz", "6.npz"]


@pytest.mark.parametrize("function", ["savez", "replace"])
def test_a_full_disk_leaves_nothing_behind(arrays, monkeypatch, function):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np if function == "savez" else os, function, full)
    assert cached("one", lambda: arrays) is arrays
    assert entries() == []


def test_a_folder_that_cannot_be(arrays, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "file" / "data_home"))
    for _ in range(2):
        assert cached("one", lambda: arrays) is arrays


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_is_read_only(arrays, monkeypatch, tmp_path):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    assert cached("one", lambda: arrays) is arrays
    tmp_path.chmod(0o700)


def test_errors_of_make_are_passed_on():
    def make():
        raise ValueError("row 3")

    with pytest.raises(ValueError, match="row 3"):
        cached("one", make)
    assert entries() == []
