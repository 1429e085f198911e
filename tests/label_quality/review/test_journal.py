"""The journal: what a kill leaves of it, what it was made for, one process at a time."""

import json
import os
import subprocess
import sys

import pytest

from sklearn_kpd.label_quality._review.journal import Journal, header_of, read_journal
from tests.label_quality.review.helpers import HEADER

ENTRIES = [
    {"action": "move", "row": 2, "points": {"nose": [1.5, 2.0], "Nase ö\n": None}},
    {"action": "undo"},
    {"action": "show", "row": 1, "looked_at": 2},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "issues.csv.review.jsonl"


@pytest.fixture
def written(path):
    journal = Journal(path, HEADER)
    for entry in ENTRIES:
        journal.append(entry)
    journal.close()
    return path


def opened(path):
    journal = Journal(path, HEADER)
    journal.close()
    return journal.entries


def test_what_was_written_is_read(written):
    assert opened(written) == ENTRIES
    assert read_journal(written, HEADER) == ENTRIES
    first, *others = written.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["data"] == "training.csv"
    assert len(others) == len(ENTRIES)


def test_a_line_is_on_disk_before_append_returns(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_bytes()))
    journal = Journal(path, HEADER)
    journal.append(ENTRIES[0])
    journal.close()
    assert synced[-1] == path.read_bytes()
    assert len(synced[-1].splitlines()) == 2


def test_cut_anywhere_it_goes_on_after_the_last_whole_line(written):
    content = written.read_bytes()
    breaks = [at for at, byte in enumerate(content) if byte == ord("\n")]
    for end in sorted({0, 1, *(at + by for at in breaks for by in (-9, 0, 1))}):
        written.write_bytes(content[:end])
        n_whole = content[:end].count(b"\n")
        journal = Journal(written, HEADER)
        assert journal.entries == ENTRIES[: max(0, n_whole - 1)]
        journal.append({"action": "undo"})
        journal.close()
        assert opened(written)[-1] == {"action": "undo"}
        assert len(opened(written)) == max(1, n_whole)


def test_a_write_that_fails_leaves_nothing(written, monkeypatch):
    journal = Journal(written, HEADER)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append({"action": "move", "row": 1, "points": {"left_eye": [1, 1]}})
    journal.append({"action": "undo"})
    journal.close()
    assert opened(written) == [*ENTRIES, {"action": "undo"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"{broken", "no JSON"), (b"\xff\xfe", "no JSON"), (b"[1]", "list, no entry"), (b"", "JSON")],
)
def test_damage_in_the_middle_is_named(written, line, reason):
    lines = written.read_bytes().split(b"\n")
    lines[2] = line
    written.write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=rf"review.jsonl, line 3: .*{reason}"):
        opened(written)


def test_of_other_data(written):
    other = header_of("training.csv", "issues.csv", "0" * 32)
    before = written.read_bytes()
    for open_it in (Journal, read_journal):
        with pytest.raises(ValueError, match="made for training.csv and issues.csv.*rename"):
            open_it(written, other)
    assert written.read_bytes() == before


@pytest.mark.parametrize("first", [{"journal": 2, "fingerprint": "f" * 32}, {"a": 1}])
def test_of_another_version(path, first):
    path.write_text(json.dumps(first) + "\n")
    with pytest.raises(ValueError, match="no journal of a review that this version reads"):
        opened(path)


def test_no_journal_to_read(path):
    with pytest.raises(FileNotFoundError, match="no such journal"):
        read_journal(path, HEADER)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
def test_neither_links_nor_pipes(tmp_path, path):
    (tmp_path / "other").write_text("precious\n")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="is a link"):
        Journal(path, HEADER)
    assert (tmp_path / "other").read_text() == "precious\n"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        Journal(path, HEADER)


def test_two_writers_are_refused_until_the_first_is_gone(written):
    code = f"""
import pathlib, sys, time
from sklearn_kpd.label_quality._review.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]), {HEADER!r})
print("open", flush=True)
time.sleep(600)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(written)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "open\n"
        with pytest.raises(OSError, match="in use: a review of it is running"):
            Journal(written, HEADER)
        assert read_journal(written, HEADER) == ENTRIES
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert opened(written) == ENTRIES
