import errno
import os

import numpy as np
import pytest
from sklearn.datasets import get_data_home

from sklearn_kpd.datasets import _cache

SECRET = b"what the arrays were made of"


def name(number):
    return f"kaggle-1-csv-{number:064x}"


def cached(key, make, secret=SECRET):
    return _cache.cached(key, make, secret)


@pytest.fixture
def arrays():
    return {"data": np.arange(600, dtype=np.uint8), "target": np.array([[1.5, np.nan]])}


def entries():
    folder = os.path.join(get_data_home(), "sklearn_kpd")
    return sorted(os.listdir(folder)) if os.path.exists(folder) else []


def entry_of(key):
    return os.path.join(get_data_home(), "sklearn_kpd", f"{key}.cache")


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
    assert entries() == ["one.cache"]


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
    assert made == len(damaged)
    assert_same(cached("one", fail), arrays)


def test_no_pickle_is_read(arrays):
    cached("one", lambda: arrays)
    body = (
        b"data\n"
        + b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n."
    )
    write("one", body, SECRET)
    assert cached("one", lambda: arrays) is arrays


def write(key, body, secret):
    with open(entry_of(key), "wb") as file:
        file.write(_cache._MAGIC + _cache._digest(key, secret, body) + body)


def test_an_entry_of_somebody_who_does_not_have_the_file(arrays):
    """Its hashes are right, but for the content of the file."""
    cached("one", lambda: arrays)
    poisoned = _cache._packed({"data": np.zeros(3), "target": np.zeros(3)})
    write("one", poisoned, b"")
    assert cached("one", lambda: arrays) is arrays
    cached("two", lambda: {"data": np.zeros(3)})
    os.replace(entry_of("two"), entry_of("one"))
    assert cached("one", lambda: arrays) is arrays
    assert_same(cached("one", fail), arrays)


def test_sizes_are_looked_at_before_memory_is_taken(arrays):
    cached("one", lambda: arrays)
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117)
    write("one", b"data\n\x93NUMPY\x01\x00v\x00" + header + b"\n", SECRET)
    assert cached("one", lambda: arrays) is arrays


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_no_link_is_followed(arrays, tmp_path):
    cached("one", lambda: arrays)
    target = tmp_path / "target"
    target.write_text("mine")
    os.unlink(entry_of("one"))
    os.symlink(target, entry_of("one"))
    assert cached("one", lambda: arrays) is arrays
    assert target.read_text() == "mine"
    assert not os.path.islink(entry_of("one"))
    assert_same(cached("one", fail), arrays)


def test_old_entries_are_removed(arrays):
    for number in range(7):
        cached(name(number), lambda: arrays)
        os.utime(entry_of(name(number)), (number, number))
    assert entries() == [f"{name(number)}.cache" for number in (3, 4, 5, 6)]


def test_files_of_others_stay(arrays):
    cached(name(9), lambda: arrays)
    folder = os.path.dirname(entry_of(name(9)))
    others = [*(f"{i}.cache" for i in range(6)), "notes.txt", f"{name(1)}.npz.bak"]
    for other in others:
        open(os.path.join(folder, other), "w").close()
    os.mkdir(os.path.join(folder, "more"))
    for number in range(6):
        cached(name(number), lambda: arrays)
    assert set(entries()) >= {*others, "more"}


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind(arrays, monkeypatch, function):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
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


def test_what_a_kill_has_left_is_removed(arrays):
    cached(name(9), lambda: arrays)
    folder = os.path.dirname(entry_of(name(9)))
    strays = [f"{name(number)}.cache.{number:016x}.tmp" for number in range(3)]
    others = [f"other.cache.{0:016x}.tmp", f"{name(1)}.cache.tmp"]
    for stray in strays + others:
        open(os.path.join(folder, stray), "w").close()
    for stray in strays[:2] + others:
        os.utime(os.path.join(folder, stray), (0, 0))
    cached(name(1), lambda: arrays)
    kept = [f"{name(number)}.cache" for number in (1, 9)]
    assert entries() == sorted([*kept, strays[2], *others])
