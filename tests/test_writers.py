"""Every writer of files, at every place where a file cannot be, or where another is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import writers
from tests.writers import AT_PATHS_OF_OURS, AT_PATHS_OF_USERS, WRITERS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are Unix's")


def a_link_to(target):
    return lambda path: path.symlink_to(target)


def a_socket(path):
    os.chdir(path.parent)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(path.name)


#: What is at the place, and what is said of it.
PLACES = {
    "a pipe": (os.mkfifo, "is no regular file"),
    "a folder": (Path.mkdir, "is no regular file"),
    "a socket": (a_socket, "is no regular file"),
    "a link to a folder": (a_link_to("."), "is no regular file"),
    "a link to a device": (a_link_to("/dev/full"), "is no regular file"),
    "a link into no folder": (a_link_to("nowhere/file"), "No such file or directory"),
    "a link below a file": (a_link_to("other/file"), "Not a directory"),
}


@pytest.fixture(scope="module", params=WRITERS)
def written(request, tmp_path_factory):
    """Name of a file, a content, and what writes it."""
    return request.param, *writers.make(request.param, tmp_path_factory.mktemp("content"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").write_bytes(b"other")
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_nothing_but_a_regular_file_is_replaced(written, folder, place):
    name, content, write = written
    make, message = PLACES[place]
    if name in AT_PATHS_OF_OURS and "link" in place:
        pytest.skip("is somebody else's, and is replaced")
    path = folder / name
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match=message) as caught:
        write(content, path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "link" in place
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(folder)) == sorted([name, "other"])
    assert (folder / "other").read_bytes() == b"other"


@pytest.mark.parametrize("place", ["nowhere", "other", "n" * 300])
def test_a_folder_that_cannot_be(written, folder, place):
    name, content, write = written
    if name in AT_PATHS_OF_OURS and place == "nowhere":
        pytest.skip("is made")
    with pytest.raises(OSError, match="No such file|Not a directory|File exists|too long"):
        write(content, folder / place / name)
    assert os.listdir(folder) == ["other"]


def test_a_name_that_is_too_long(written, folder):
    name, content, write = written
    with pytest.raises(OSError, match="too long"):
        write(content, folder / ("n" * 256 + name))
    assert os.listdir(folder) == ["other"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_of_the_users_stays_and_another_is_replaced(written, folder, there):
    name, content, write = written
    path, target = folder / name, folder / f"target{os.path.splitext(name)[1]}"
    path.symlink_to(target)
    if there:
        target.write_bytes(b"target")
    if name in AT_PATHS_OF_USERS:
        write(content, path)
        assert path.is_symlink()
        assert target.stat().st_size > 100
        return
    write(content, path)
    assert not path.is_symlink()
    assert path.stat().st_size > 100
    assert target.read_bytes() == b"target" if there else not target.exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_read_only(written, folder, monkeypatch, kind):
    """Not by permissions, which do not bind root: as on a file system that is mounted so."""
    name, content, write = written
    path = folder / name
    if kind == "file":
        path.write_bytes(b"old")
        monkeypatch.setattr(os, "access", lambda where, mode: os.fspath(where) != str(path))
    else:
        open_ = os.open

        def read_only(where, flags, *args, **kwargs):
            if flags & os.O_CREAT and os.fspath(where).startswith(str(folder)):
                raise OSError(30, "Read-only file system", where)
            return open_(where, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", read_only)
    before = sorted(os.listdir(folder))
    with pytest.raises(OSError, match="may not be written|Read-only") as caught:
        write(content, path)
    assert str(path) in str(caught.value)
    assert sorted(os.listdir(folder)) == before
    assert kind == "folder" or path.read_bytes() == b"old"


# In a process of its own, which uses no TensorFlow and may fork.
KILLS = (
    "import sys; from tests.killed_writers import run; print(*(run(n, 2) for n in sys.argv[1:]))"
)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_kill_leaves_one_of_two_files_whole():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLS, *WRITERS], capture_output=True, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    n_left = np.array(done.stdout.split(), dtype=int)
    assert n_left.sum() > len(n_left) / 2  # for most, one was in the midst of writing
