"""Files that are written in one piece."""

import os
import stat

import pytest

from sklearn_kpd._common.files import replacing


def write(path, data=b"new"):
    with replacing(path) as file:
        file.write(data)


def test_a_new_file_has_the_usual_permissions(tmp_path):
    write(tmp_path / "file")
    (tmp_path / "plain").touch()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o666])
def test_the_permissions_of_an_old_file_stay(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write(path)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path, there):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["target"]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_the_old_file_is_whole_whatever_happens(tmp_path, monkeypatch, call, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def crash(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, crash)
        with pytest.raises(error):
            write(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_while_it_writes_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write(tmp_path / "file", "text")
    assert os.listdir(tmp_path) == []


def test_nothing_but_a_regular_file_is_replaced(tmp_path):
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        with pytest.raises(OSError, match=rf"{path.name} is no regular file"):
            write(path)
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "nowhere" / "file")
