"""The file: a zip of JSON and arrays."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

import sklearn_kpd
from sklearn_kpd import KeypointRegressor
from sklearn_kpd.exceptions import (
    BrokenFileError,
    ChangedFileError,
    NewerFormatError,
    NotSaveableError,
    UnsafeFileError,
)
from tests.persistence import fuzz
from tests.persistence.fuzz import put_together, take_apart


def test_the_file_is_a_zip_of_json_and_arrays(saved, fitted):
    manifest, parts = take_apart(saved)
    assert manifest["format"] == "sklearn_kpd"
    assert manifest["format_version"] == 2
    assert set(manifest["versions"]) == {
        "python", "numpy", "scikit-learn", "keras", "tensorflow", "sklearn_kpd",
    }  # fmt: skip
    assert manifest["estimator"]["attributes"]["image_shape_"]["items"] == [96, 96, 1]
    for name, part in parts.items():
        array = np.load(io.BytesIO(part), allow_pickle=False)
        assert manifest["parts"][name]["size"] == len(part)
        assert array.dtype.kind in "biufU"
    assert b"pickle" not in saved


def test_a_crash_leaves_the_old_file_and_nothing_else(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.kpd"
    path.write_bytes(b"old")

    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            sklearn_kpd.save(fitted, path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            sklearn_kpd.save(fitted, path)
    with pytest.raises(NotSaveableError, match="network__value of KeypointRegressor"):
        sklearn_kpd.save(KeypointRegressor(network__value=object()), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        sklearn_kpd.save(fitted, tmp_path / "nowhere" / "model.kpd")
    with pytest.raises(FileNotFoundError):
        sklearn_kpd.load(tmp_path / "nothing.kpd")


def test_a_link_stays_a_link_and_permissions_are_the_users(fitted, tmp_path):
    target, link = tmp_path / "target.kpd", tmp_path / "link.kpd"
    link.symlink_to(target)
    sklearn_kpd.save(fitted, link)
    assert link.is_symlink()
    assert target.exists()
    (tmp_path / "plain").touch()
    assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"\x80\x04N.", b"PK\x05\x06" + b"\0" * 18, b"\x89HDF\r\n\x1a\n" * 99]
)
def test_files_of_another_kind(load_bytes, data):
    with pytest.raises(BrokenFileError, match="joblib.load"):
        load_bytes(data)


def test_every_truncation_is_noticed(saved, load_bytes):
    for length in range(0, len(saved), 499):
        with pytest.raises(BrokenFileError, match="is cut off"):
            load_bytes(saved[:length])


def test_changed_bytes_are_noticed(saved, load_bytes):
    manifest, parts = take_apart(saved)
    manifest["parts"]["0.npy"]["sha256"] = "0" * 64
    with pytest.raises(ChangedFileError, match="another SHA-256"):
        load_bytes(put_together(json.dumps(manifest).encode(), parts))
    manifest["parts"]["0.npy"]["size"] += 1
    with pytest.raises(ChangedFileError, match="another size"):
        load_bytes(put_together(json.dumps(manifest).encode(), parts))


def compressed(name):
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../evil", "none of ours"), ("/tmp/evil", "none of ours"), ("0.npy", "one name"),
        ("manifest.json", "one name"), ("99.npy", "not those that its manifest lists"),
        (compressed("99.npy"), "compressed"), ("x" * 5000, "none of ours"),
    ],
    ids=str,
)  # fmt: skip
def test_entries_that_do_not_belong_there(saved, load_bytes, entry, message):
    manifest, parts = take_apart(saved)
    data = put_together(
        json.dumps({**manifest, "parts": manifest["parts"]}).encode(), parts,
        [(entry, b"\0" * 10**6)],
    )  # fmt: skip
    with pytest.raises(UnsafeFileError, match=message):
        load_bytes(data)


def test_sizes_that_are_not_true(saved, load_bytes):
    _, parts = take_apart(saved)
    at = saved.rfind(b"PK\x01\x02") + 20  # the last entry of the directory
    huge = (2**31).to_bytes(4, "little")
    with pytest.raises(UnsafeFileError, match="more bytes than the file has"):
        load_bytes(saved[:at] + huge * 2 + saved[at + 8 :])
    with pytest.raises(UnsafeFileError, match="compressed"):
        load_bytes(saved[:at] + huge + saved[at + 4 :])
    with pytest.raises(UnsafeFileError, match="has more than"):
        load_bytes(put_together(b" " * (2**23 + 1), parts))


@pytest.mark.parametrize(
    ("header", "message"),
    list(zip(
        fuzz.HOSTILE_HEADERS,
        [
            r"claims the shape \(1000000000000,\)", "holds <U0", "holds object",
            r"claims the shape \(-1, -1\)", r"holds \[\('a', '<f4'\)\]", "malformed",
            "EOF|never closed|malformed|parenthes", "malformed|too many",
        ],
        strict=True,
    )),
)  # fmt: skip
def test_arrays_take_no_memory_that_they_do_not_bring(saved, load_bytes, header, message):
    manifest, parts = take_apart(saved)
    header = header.encode() + b"\n"
    parts["0.npy"] = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + b"12345678"
    with pytest.raises(BrokenFileError, match=message):
        load_bytes(put_together(manifest, parts))


@pytest.mark.parametrize("text", fuzz.HOSTILE_JSON, ids=lambda text: text[:20])
def test_manifests_that_are_none(saved, load_bytes, text):
    with pytest.raises(
        (BrokenFileError, NewerFormatError),
        match=r"^manifest\.json: |manifest\.json is another one|^The file has format 99",
    ):
        load_bytes(put_together(text, take_apart(saved)[1]))
