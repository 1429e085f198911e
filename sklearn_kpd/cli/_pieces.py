"""Predictions of many rows, kept piece by piece on disk: after a kill the command goes on."""

import hashlib
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.files import open_regular, read_regular, replacing
from sklearn_kpd.cli._group import say

if TYPE_CHECKING:
    from sklearn_kpd.cli._inputs import Data

#: Rows of a piece: what a kill costs. So few rows as this are not kept.
ROWS = 1024
# Seconds between two lines on progress where stderr is no terminal.
_PAUSE = 30
_MAGIC = b"sklearn_kpd pieces 1\n"
_HEAD = struct.Struct("<QQ")
_N_DIGEST = 16
_N_READ = 2**20


class Pieces:
    """File beside the output in which predictions are kept until the output is written.

    It begins with a fingerprint of all that the predictions depend on. Each piece follows with its
    shape and a digest: of what a kill or a full disk has torn, nothing is believed. Leaving the
    context without an error deletes the file.

    Parameters
    ----------
    output : Path
        What is going to be written.
    fingerprint : callable
        Returns 32 bytes; asked where pieces are needed alone.
    quiet : bool
        Whether to say nothing on progress.
    """

    def __init__(self, output: Path, fingerprint: Callable[[], bytes], *, quiet: bool) -> None:
        self.path = output.with_name(f"{output.name}.pieces")
        self._fingerprint = fingerprint
        self._quiet = quiet
        self._key = b""
        self._n_rows = 0

    def find(self, predict: Callable[[slice], npt.NDArray[Any]], n_rows: int) -> npt.NDArray[Any]:
        """Predict all rows, beginning after those that an earlier run has kept.

        Parameters
        ----------
        predict : callable
            Takes a slice of rows, returns an array of shape (n, n_outputs).
        n_rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), float64
            Predictions.
        """
        if n_rows <= ROWS:
            return predict(slice(None))
        found = self._open()
        with Progress(n_rows, self._n_rows, quiet=self._quiet) as progress:
            for start in range(self._n_rows, n_rows, ROWS):
                found.append(np.asarray(predict(slice(start, start + ROWS)), dtype="<f8"))
                self._append(found[-1])
                progress(self._n_rows)
        return np.concatenate(found)

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._key:
            self.path.unlink(missing_ok=True)
        elif self._n_rows:
            say(f"{self._n_rows} rows are kept in {self.path}: the same command goes on from "
                "there.", err=True)  # fmt: skip

    def _open(self) -> list[npt.NDArray[Any]]:
        """Read what is whole, of the same fingerprint, and leave a file with that alone."""
        key = self._fingerprint()
        content = read_regular(self.path) if os.path.lexists(self.path) else _MAGIC + key
        if content and not content.startswith(_MAGIC):
            raise click.ClickException(
                f"{self.path} is where predictions would be kept, and is none of our files: move "
                "it, or give --out another name."
            )
        body = memoryview(content)[len(_MAGIC) + len(key) :]
        if content[len(_MAGIC) :][: len(key)] == key:
            pieces = list(_whole_pieces(body, key))
        else:
            pieces = []
            say(f"{self.path} is of another model, data or version: beginning anew.", err=True)
        with replacing(self.path, follow_links=False) as file:
            file.write(_MAGIC + key)
            for start, piece in _with_starts(pieces):
                file.write(_packed(piece, start, key))
        self._key, self._n_rows = key, sum(map(len, pieces))
        if pieces:
            say(f"Going on after {self._n_rows} rows that {self.path} has kept.", err=True)
        return pieces

    def _append(self, piece: npt.NDArray[Any]) -> None:
        with self.path.open("ab") as file:
            file.write(_packed(piece, self._n_rows, self._key))
            file.flush()
            os.fsync(file.fileno())
        self._n_rows += len(piece)


class Progress:
    """How far a long command is: a line that changes on a terminal, elsewhere one now and then.

    Parameters
    ----------
    n_rows : int
        How many there are.
    n_before : int
        How many were there at the beginning.
    quiet : bool
        Whether to say nothing.
    """

    def __init__(self, n_rows: int, n_before: int, *, quiet: bool) -> None:
        self._n_rows, self._n_before, self._quiet = n_rows, n_before, quiet
        self._start = self._told = time.monotonic()
        self._one_line = sys.stderr.isatty() and not quiet

    def __call__(self, n_done: int) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if self._quiet or not (self._one_line or now - self._told >= _PAUSE):
            return
        self._told = now
        left = (now - self._start) / (n_done - self._n_before) * (self._n_rows - n_done)
        text = f"{n_done} of {self._n_rows} rows, {_duration(left)} left"
        click.echo(f"\r{text:<60}" if self._one_line else text, nl=not self._one_line, err=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._one_line:
            click.echo(err=True)


def fingerprint(model: Path, data: "Data", lookup: Path | None) -> bytes:
    """Digest of all that predictions depend on.

    Of photographs and videos the names, sizes and times of change count, not the pixels.

    Parameters
    ----------
    model : Path
        File of the model.
    data : Data
        What it is asked about.
    lookup : Path or None
        Kaggle's table, which tells labelling schemes.

    Returns
    -------
    bytes
        32 of them.
    """
    import keras

    from sklearn_kpd import __version__

    digest = hashlib.blake2b(digest_size=32)
    digest.update(repr((__version__, keras.__version__, np.__version__, data.kind)).encode())
    for path in (model, lookup):
        digest.update(b"none" if path is None else _digest_of(path))
    if data.kind == "images":
        image_ids = np.asarray(data.image_ids).tolist()
        digest.update(repr((data.X.shape, data.X.dtype, image_ids)).encode())
        for start in range(0, len(data.X), ROWS):
            digest.update(np.ascontiguousarray(data.X[start : start + ROWS]).data)
        return digest.digest()
    for column in data.X:
        digest.update(repr((column, data.X[column].tolist())).encode())
    for path in data.X["path"].unique():
        found = os.stat(path)
        digest.update(repr((found.st_size, found.st_mtime_ns)).encode())
    return digest.digest()


def _digest_of(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    with open_regular(path) as file:
        while read := file.read(_N_READ):
            digest.update(read)
    return digest.digest()


def _packed(piece: npt.NDArray[Any], start: int, key: bytes) -> bytes:
    body = _HEAD.pack(*piece.shape) + piece.tobytes()
    return body + _checksum(body, start, key)


def _checksum(body: bytes | memoryview, start: int, key: bytes) -> bytes:
    """Also of where the piece belongs: two commands at once may have written to one file."""
    digest = hashlib.blake2b(start.to_bytes(8, "little"), key=key, digest_size=_N_DIGEST)
    digest.update(body)
    return digest.digest()


def _whole_pieces(content: memoryview, key: bytes) -> Iterator[npt.NDArray[Any]]:
    """Pieces in order, up to the first that is not whole."""
    start = 0
    while len(content) >= _HEAD.size:
        shape = _HEAD.unpack_from(content)
        n_body = _HEAD.size + 8 * shape[0] * shape[1]
        body, digest = content[:n_body], content[n_body : n_body + _N_DIGEST]
        if bytes(digest) != _checksum(body, start, key):
            return
        yield np.frombuffer(body, "<f8", offset=_HEAD.size).reshape(shape)
        start += shape[0]
        content = content[n_body + _N_DIGEST :]


def _with_starts(pieces: list[npt.NDArray[Any]]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    start = 0
    for piece in pieces:
        yield start, piece
        start += len(piece)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
