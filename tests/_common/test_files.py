"""Files that are written in one piece, and files that are read."""

import errno
import os
import stat
import sys
import time

import pytest

from sklearn_kpd._common.files import (
    LARGEST,
    _beginning,
    check_replaceable,
    open_regular,
    read_regular,
    replacing,
)
from tests.limits import time_limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are Unix's")


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


def test_a_loop_of_links_is_an_error(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.symlink_to(other)
    other.symlink_to(path)
    with pytest.raises(OSError, match="links"):
        write(path)
    assert path.is_symlink()
    write_ours(path)  # under a name of ours, a link is somebody else's
    assert path.read_bytes() == b"new"
    assert other.is_symlink()


def write_ours(path):
    with replacing(path, follow_links=False) as file:
        file.write(b"new")


@pytest.mark.parametrize("name", ["n" * 250, "é" * 120, "n" * 240 + ".csv"])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path, name):
    write(tmp_path / name)
    write(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(OSError, match="too long|syntax|no such"):
        write(tmp_path / ("n" * 300))
    assert not os.listdir(tmp_path)


def test_what_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    # not by permissions, which do not bind root
    monkeypatch.setattr(os, "access", lambda where, mode: os.path.isdir(where))
    with pytest.raises(PermissionError, match="file may not be written"):
        write(path)
    assert path.read_bytes() == b"old"


def test_errors_name_the_file_that_was_asked_for(tmp_path, monkeypatch):
    open_ = os.open

    def read_only(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", path)
        return open_(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OSError, match="Read-only") as caught:
        write(tmp_path / "file")
    assert caught.value.filename == str(tmp_path / "file")


def test_nobody_reads_a_file_before_its_permissions_are_those_of_the_old_one(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


HOURS = 2 * 3600


def strays_of(path, age):
    """What kills leave, and others that are alike."""
    ours = [path.with_name(f"{path.name}.{digit * 16}.tmp") for digit in "0a"]
    others = [
        path.with_name(name)
        for name in (
            f"{path.name}.tmp", f"{path.name}.{'0' * 15}.tmp", f"{path.name}.{'A' * 16}.tmp",
            f"x{path.name}.{'0' * 16}.tmp", f"{path.name}.{'0' * 16}.csv",
        )
    ]  # fmt: skip
    for stray in ours + others:
        stray.touch()
        os.utime(stray, (time.time() - age,) * 2)
    return ours, others


@pytest.mark.parametrize("name", ["file", "file.csv", "ä" * 110, "new\nline"])
def test_what_a_kill_has_left_goes_with_the_next_write(tmp_path, name):
    path = tmp_path / name
    stem = path.with_name(_beginning(name))
    _, others = strays_of(stem, HOURS)
    link = stem.with_name(f"{stem.name}.{'b' * 16}.tmp")
    link.symlink_to("elsewhere")
    write(path)
    assert sorted(os.listdir(tmp_path)) == sorted(
        [path.name, link.name, *(o.name for o in others)]
    )


def test_what_somebody_still_writes_stays(tmp_path):
    ours, others = strays_of(tmp_path / "file", 60)
    write(tmp_path / "file")
    assert all(path.exists() for path in ours + others)


@pytest.mark.parametrize("place", ["folder", "pipe", "loop", "nowhere/file", "file/below", "new"])
def test_before_the_work_is_refused_what_is_refused_after_it(tmp_path, place):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for check in (check_replaceable, write):
        if place == "new":
            check(tmp_path / place)
            continue
        with pytest.raises(OSError, match=place) as caught:
            check(tmp_path / place)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_regular, open_regular])
def test_nothing_but_regular_files_is_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with time_limit(60), pytest.raises(OSError, match=f"{name} is no regular file"):
            read(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"content"


def test_a_file_with_holes_is_not_read_whole(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(OSError, match="4,294,967,297 bytes, where files of its kind have"):
        read_regular(tmp_path / "file")
