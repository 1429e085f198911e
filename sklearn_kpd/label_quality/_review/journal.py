"""Journal of a review: one JSON object a line, each on disk before the next one is begun."""

import contextlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO

#: To be raised when what the lines mean changes.
VERSION = 1

_LATE = 2**30  # a byte that no journal has: Windows lets nobody read one that is locked


class Journal:
    """A journal that is open for writing, by one process at a time.

    What a kill, or a full disk, has left of a line is taken away before the next one is written.

    Parameters
    ----------
    path : Path
        The file; made where there is none.
    header : dict
        From :func:`header_of`.

    Attributes
    ----------
    entries : list of dict
        What stood in it when it was opened.

    Raises
    ------
    ValueError
        If it is damaged, or was made for other data.
    OSError
        If it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._file = _opened(path)
        try:
            _lock(self._file, path)
            lines, self._end = _lines(self._file.read(), path)
            if lines:
                _check_header(lines[0], header, path)
            else:
                self.append(header)
                _sync_folder(path)
        except BaseException:
            self._file.close()
            raise
        self.entries = lines[1:]

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry; it is on disk when this returns, and not there if this raises."""
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        self._cut()
        try:
            rest = memoryview(line)
            while rest:  # a disk that fills up takes a part, and then raises
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                self._cut()
            raise
        self._end += len(line)

    def _cut(self) -> None:
        """Take away what stands after the last entry, and go there."""
        self._file.seek(self._end)
        self._file.truncate()

    def close(self) -> None:
        """Let another process write it."""
        self._file.close()


def header_of(data: str, issues: str, fingerprint: str) -> dict[str, Any]:
    """First line of the journal: what it was made for.

    Parameters
    ----------
    data, issues : str
        What the user called them, for people who open the journal.
    fingerprint : str
        Of both.
    """
    return {"journal": VERSION, "data": data, "issues": issues, "fingerprint": fingerprint}


def read_journal(path: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries of a journal, which another process may be writing.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged, or was made for other data.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such journal, so nothing was changed yet.")
    lines, _ = _lines(path.read_bytes(), path)
    if lines:
        _check_header(lines[0], header, path)
    return lines[1:]


def _opened(path: Path) -> BinaryIO:
    """Open without a buffer, and never what a link points to."""
    if path.is_symlink():
        raise OSError(f"{path} is a link, and no journal is written through one: remove it.")
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file: remove it.")
    return open(descriptor, "r+b", buffering=0)


def _lock(file: BinaryIO, path: Path) -> None:
    """Lock until the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LATE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(
            f"{path} is in use: a review of it is running. Go on in its page, or end it first."
        ) from error


def _lines(content: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Objects of the whole lines, and where these end: the last one may be cut."""
    *whole, _ = content.split(b"\n")
    objects = []
    for number, line in enumerate(whole, start=1):
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: no JSON: {error}.") from error
        if not isinstance(found, dict):
            raise ValueError(f"{path}, line {number}: {type(found).__name__}, no entry.")
        objects.append(found)
    return objects, content.rfind(b"\n") + 1


def _check_header(found: dict[str, Any], header: dict[str, Any], path: Path) -> None:
    version = found.get("journal")
    if version != VERSION:
        raise ValueError(
            f"{path}: no journal of a review that this version reads (its version is {version!r}, "
            f"known is {VERSION}): update sklearn-kpd, or rename the file to begin anew."
        )
    if found.get("fingerprint") != header["fingerprint"]:
        raise ValueError(
            f"{path} was made for {found.get('data')} and {found.get('issues')} with other labels "
            "or issues than these: give those, or rename the journal to begin anew."
        )


def _sync_folder(path: Path) -> None:
    """Have the name on disk, too, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
