"""Writing a file in one piece."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, follow_links: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of the old one once it is complete, on disk.

    Whatever happens, the old file is there, whole, or the new one is. A link is followed, and
    stays a link. The new file has the permissions of the old one.

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
        If the file cannot be written, or if `path` is there and is no regular file.

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
        replacing_path(path, ".tmp", follow_links=follow_links) as temporary,
        open(temporary, "xb") as file,
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
        If the file cannot be written, or if `path` is there and is no regular file.
    """
    target = os.path.realpath(path) if follow_links else os.path.abspath(path)
    mode = None if os.path.islink(target) else _mode(target)
    if ending is None:
        ending = os.path.splitext(target)[1]
    temporary = f"{target}.{secrets.token_hex(8)}{ending}"
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _mode(path: str) -> int | None:
    """Permissions of a regular file; None where there is none."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is no regular file, and is not replaced: give another name.")
    return stat.S_IMODE(mode)
