"""Writing a file in one piece, and reading files that are nothing else."""

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

#: Bytes of a file that is read whole, at most.
LARGEST = 2**32

# What a temporary file is called: the beginning of its goal's name, and what nobody else chooses.
_STRAY = re.compile(r"(.*)\.[0-9a-f]{16}\.tmp(\.\w+)?", re.DOTALL)
# Beside a name as long as may be, one with these digits is too long: bytes of it that are taken.
_BEGINNING = 200
# Seconds after which nobody writes to a temporary file any more.
_ABANDONED = 3600


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, follow_links: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of the old one once it is complete, on disk.

    Whatever happens, the old file is there, whole, or the new one is. A link is followed, and
    stays a link. The new file has the permissions of the old one. What a kill leaves goes with the
    first write of that name that is an hour later.

    Parameters
    ----------
    path : str or PathLike
        Where to. Its folder has to be there.
    follow_links : bool, default=True
        Whether a link at `path` stays, and what it points to is replaced, as fits a path that the
        user has given. Under a name of our own choice a link is somebody else's, and is replaced.

        .. versionadded:: 0.2

    Yields
    ------
    BinaryIO
        A temporary file beside it, whose name begins with that of `path`.

    Raises
    ------
    OSError
        If the file cannot be written, or if `path` is there and is no regular file, or one that
        may not be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_kpd._common.files import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "file"
    ...     with replacing(path) as file:
    ...         _ = file.write(b"new")
    ...     path.read_bytes()
    b'new'
    """
    with (
        replacing_path(path, "", follow_links=follow_links) as temporary,
        open(temporary, "wb") as file,
    ):
        yield file


@contextlib.contextmanager
def replacing_path(
    path: str | os.PathLike[str], ending: str | None = None, *, follow_links: bool = True
) -> Iterator[str]:
    """Do as :func:`replacing` for a library that opens its files itself.

    Parameters
    ----------
    path : str or PathLike
        Where to. Its folder has to be there.
    ending : str, optional
        Of the temporary file; by default that of `path`, by which many libraries go.
    follow_links : bool, default=True
        As for :func:`replacing`.

    Yields
    ------
    str
        Name for a temporary file beside it. What is written there takes the place of `path`.

    Raises
    ------
    OSError
        If the file cannot be written, or if `path` is there and is no regular file, or one that
        may not be written.
    """
    target, mode = _goal(path, follow_links)
    if ending is None:
        ending = os.path.splitext(target)[1]
    folder, name = os.path.split(target)
    beginning = _beginning(name)
    with contextlib.suppress(OSError):
        remove_strays(folder, beginning.__eq__)
    temporary = os.path.join(folder, f"{beginning}.{secrets.token_hex(8)}.tmp{ending}")
    try:
        # whoever may not read the old file must not read the new one before it is complete
        os.close(os.open(temporary, _CREATE, 0o666 if mode is None else 0o600))
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        if error.filename == temporary:
            error.filename, error.filename2 = os.fspath(path), None
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Fail before the work where :func:`replacing` would fail after it.

    Parameters
    ----------
    path : str or PathLike
        Where to.

    Raises
    ------
    OSError
        If `path` is there and is no regular file, if it or its folder may not be written, or if
        there is no such folder.
    """
    target, _ = _goal(path, True)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: no such folder.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path}: its folder may not be written.")


def remove_strays(
    folder: str | os.PathLike[str], is_goal: Callable[[str], object], age: float = _ABANDONED
) -> None:
    """Delete what kills in the midst of writing have left in a folder.

    Parameters
    ----------
    folder : str or PathLike
        Where to look.
    is_goal : callable
        Whether the files of a name are ours.
    age : float, default=3600
        Seconds since a stray was written to: a younger one may still be written.

    Raises
    ------
    OSError
        If the folder cannot be read, or a stray cannot be deleted.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _STRAY.fullmatch(entry.name)
            if not found or not is_goal(found[1]) or not entry.is_file(follow_symlinks=False):
                continue
            if time.time() - entry.stat(follow_symlinks=False).st_mtime >= age:
                Path(entry.path).unlink(missing_ok=True)


def open_regular(path: str | os.PathLike[str], largest: int | None = None) -> BinaryIO:
    """Open a file for reading: a pipe would keep us waiting, and a device has no end.

    Parameters
    ----------
    path : str or PathLike
        Of the file; links are followed.
    largest : int, optional
        Bytes that it may have: one with holes may claim any number.

    Returns
    -------
    BinaryIO
        The file.

    Raises
    ------
    OSError
        If it cannot be opened, is no regular file, or is larger.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb", opener=_without_waiting))
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file, and is not read.")
        if largest is not None and status.st_size > largest:
            raise OSError(
                f"{path} has {status.st_size:,} bytes, where files of its kind have {largest:,} "
                "at most: it is damaged, or has to be split."
            )
        stack.pop_all()
        return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_regular(path: str | os.PathLike[str], largest: int = LARGEST) -> bytes:
    """Content of a file as :func:`open_regular` opens it.

    Parameters
    ----------
    path : str or PathLike
        Of the file.
    largest : int, default=2**32
        Bytes that it may have.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or is larger.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_kpd._common.files import read_regular
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "file"
    ...     _ = path.write_bytes(b"all of it")
    ...     read_regular(path)
    b'all of it'
    """
    with open_regular(path, largest) as file:
        return file.read()


def _goal(path: str | os.PathLike[str], follow_links: bool) -> tuple[str, int | None]:
    """Where a file goes, and the permissions of the one that is there, if there is one."""
    target = os.path.realpath(path) if follow_links else os.path.abspath(path)
    if not follow_links and os.path.islink(target):
        return target, None
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return target, None
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is no regular file, and is not replaced: give another name.")
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} may not be written.")
    return target, stat.S_IMODE(mode)


def _beginning(name: str) -> str:
    """A name, cut where it leaves no room for more."""
    return name.encode(errors="ignore")[:_BEGINNING].decode(errors="ignore")
