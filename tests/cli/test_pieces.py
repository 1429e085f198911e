"""Predictions kept in pieces: whatever happened to the file, the result is that of one go."""

import io
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from sklearn_kpd import CropTransformer, KeypointRegressor
from sklearn_kpd.cli import _pieces, main
from sklearn_kpd.cli._inputs import Data
from sklearn_kpd.cli._pieces import ROWS, Pieces, Progress, fingerprint
from sklearn_kpd.datasets import make_faces, save_annotations
from tests.datasets.test_kaggle import rows_of, write
from tests.helpers import tiny_regressor

N_ROWS = 5 * ROWS + 7
KEY = bytes(range(32))
EXPECTED = np.random.default_rng(0).normal(size=(N_ROWS, 3))


class Stopped(Exception):
    """What stands for a kill within one process."""


def find(path, *, key=KEY, stop_at=None, n_rows=N_ROWS):
    """Find all; returns what was found and the rows at which pieces began."""
    starts = []

    def predict(rows):
        if stop_at is not None and rows.start >= stop_at:
            raise Stopped
        starts.append(rows.start)
        return EXPECTED[:n_rows][rows]

    with Pieces(path, lambda: key, quiet=True) as pieces:
        return pieces.find(predict, n_rows), starts


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """No test can see whether the disk has what was written."""
    monkeypatch.setattr(os, "fsync", lambda *_: None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A file that was left after three pieces."""
    path = tmp_path_factory.mktemp("kept") / "p.csv"
    with pytest.raises(Stopped):
        find(path, stop_at=3 * ROWS)
    return path.with_name("p.csv.pieces").read_bytes()


def test_goes_on_after_the_pieces_that_are_kept(tmp_path, kept, capsys):
    (tmp_path / "p.csv.pieces").write_bytes(kept)
    found, starts = find(tmp_path / "p.csv")
    np.testing.assert_array_equal(found, EXPECTED)
    assert starts == [3 * ROWS, 4 * ROWS, 5 * ROWS]
    assert not os.listdir(tmp_path)
    assert f"Going on after {3 * ROWS} rows" in capsys.readouterr().err


def test_a_command_that_stopped_says_what_is_kept(tmp_path, capsys):
    with pytest.raises(Stopped):
        find(tmp_path / "p.csv", stop_at=2 * ROWS)
    assert f"{2 * ROWS} rows are kept in {tmp_path / 'p.csv.pieces'}" in capsys.readouterr().err
    with pytest.raises(Stopped):
        find(tmp_path / "p.csv", stop_at=4 * ROWS)
    assert find(tmp_path / "p.csv")[1] == [4 * ROWS, 5 * ROWS]


def test_few_rows_are_not_kept(tmp_path):
    (tmp_path / "p.csv.pieces").write_bytes(b"the user's own")
    found, starts = find(tmp_path / "p.csv", n_rows=ROWS)
    np.testing.assert_array_equal(found, EXPECTED[:ROWS])
    assert starts == [None]
    assert (tmp_path / "p.csv.pieces").read_bytes() == b"the user's own"


@settings(max_examples=40)
@given(data=st.data())
def test_nothing_torn_or_damaged_is_believed(tmp_path_factory, kept, data):
    folder = tmp_path_factory.mktemp("torn")
    content = bytearray(kept[: data.draw(st.integers(0, len(kept)), "cut")])
    n_magic = len(_pieces._MAGIC)
    if len(content) > n_magic and data.draw(st.booleans(), "flip"):
        content[data.draw(st.integers(n_magic, len(content) - 1), "place")] ^= 1
    content += data.draw(st.binary(max_size=40), "tail") if len(content) > n_magic else b""
    if len(content) < n_magic:
        content = b""  # the file is made in one piece: nothing else begins it
    (folder / "p.csv.pieces").write_bytes(content)
    found, _ = find(folder / "p.csv")
    np.testing.assert_array_equal(found, EXPECTED)


def test_pieces_of_two_commands_at_once_do_not_mix(tmp_path, kept):
    n_piece = (len(kept) - len(_pieces._MAGIC) - 32) // 3
    (tmp_path / "p.csv.pieces").write_bytes(kept + kept[-n_piece:])
    found, starts = find(tmp_path / "p.csv")
    np.testing.assert_array_equal(found, EXPECTED)
    assert starts[0] == 3 * ROWS


def test_pieces_of_something_else_are_not_taken(tmp_path, kept, capsys):
    (tmp_path / "p.csv.pieces").write_bytes(kept)
    found, starts = find(tmp_path / "p.csv", key=bytes(32))
    np.testing.assert_array_equal(found, EXPECTED)
    assert starts[0] == 0
    assert "is of another model, data or version: beginning anew" in capsys.readouterr().err


def test_a_file_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "p.csv.pieces").write_bytes(b"the user's own")
    with pytest.raises(Exception, match="is none of our files"):
        find(tmp_path / "p.csv")
    assert (tmp_path / "p.csv.pieces").read_bytes() == b"the user's own"


@pytest.mark.skipif(sys.platform == "win32", reason="fork is Unix's")
def test_kills_lose_a_piece_at_most(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "p.csv"

    def predict_slowly(rows):
        time.sleep(0.02)
        return EXPECTED[rows]

    n_kept = []
    for _ in range(4):
        child = os.fork()
        if not child:
            with Pieces(path, lambda: KEY, quiet=True) as pieces:
                pieces.find(predict_slowly, N_ROWS)
            os._exit(0)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kept = path.with_name("p.csv.pieces")
        n_kept.append(kept.stat().st_size if kept.exists() else 0)
    assert n_kept == sorted(n_kept)
    np.testing.assert_array_equal(find(path)[0], EXPECTED)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(_pieces.time, "monotonic", lambda: now[0])

    def run(**options):
        with Progress(600, 100, quiet=options.get("quiet", False)) as progress:
            for n_done in range(200, 700, 100):
                now[0] += 12
                progress(n_done)

    run()
    # every 30 seconds at most
    assert capsys.readouterr().err.splitlines() == ["400 of 600 rows, 24 s left"]
    run(quiet=True)
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", Terminal())
    run()
    shown = sys.stderr.getvalue()
    assert shown.count("\n") == 1
    assert [line.strip() for line in shown.split("\r")][1:] == [
        f"{n} of 600 rows, {12 * (6 - n // 100)} s left" for n in range(200, 700, 100)
    ]


@pytest.fixture
def photographs(tmp_path):
    paths = [str(tmp_path / f"{n}.png") for n in range(2)]
    for path in paths:
        cv2.imwrite(path, np.zeros((9, 9), np.uint8))
    (tmp_path / "m.kpd").write_bytes(b"model")
    (tmp_path / "l.csv").write_bytes(b"lookup")
    return pd.DataFrame({"path": paths, "left": [1.0, np.nan]})


CHANGES = {
    "model": lambda folder, X: (folder / "m.kpd").write_bytes(b"another"),
    "lookup": lambda folder, X: (folder / "l.csv").write_bytes(b"another"),
    "photograph": lambda folder, X: (folder / "1.png").write_bytes(b"another"),
    "time": lambda folder, X: os.utime(folder / "1.png", (5, 5)),
    "box": lambda folder, X: X.__setitem__("left", [1.0, 2.0]),
    "order": lambda folder, X: X.__setitem__("path", X["path"].tolist()[::-1]),
    "name": lambda folder, X: X.__setitem__("right", X.pop("left")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_tells_all_that_counts(tmp_path, photographs, change):
    def of(X):
        data = Data("d", "photographs", X)
        return fingerprint(tmp_path / "m.kpd", data, tmp_path / "l.csv")

    before = of(photographs)
    assert len(before) == 32
    assert of(photographs.copy()) == before
    CHANGES[change](tmp_path, photographs)
    assert of(photographs) != before


def test_the_fingerprint_tells_images_by_their_pixels(tmp_path, photographs):
    X, ids = np.zeros((ROWS + 2, 4, 4, 1), np.uint8), np.arange(ROWS + 2)

    def of(X, ids):
        return fingerprint(tmp_path / "m.kpd", Data("d", "images", X, image_ids=ids), None)

    before = of(X, ids)
    assert of(X.copy(), ids) == before
    other = X.copy()
    other[-1, 0, 0] = 1
    assert len({before, of(other, ids), of(X, ids + 1), of(X.reshape(-1, 2, 8, 1), ids)}) == 4


@pytest.fixture(scope="module")
def commands(tmp_path_factory, kaggle_like):
    """Models, a test file and a lookup table of Kaggle's, and annotated photographs."""
    folder = tmp_path_factory.mktemp("commands")
    X, y = make_faces(22, random_state=0)
    joblib.dump(tiny_regressor(epochs=1).fit(X, y), folder / "images.joblib")
    steps = [("crop", CropTransformer(size=32)), ("regressor", tiny_regressor(epochs=1))]
    joblib.dump(Pipeline(steps).fit(list(X), y), folder / "photographs.joblib")
    rows = rows_of(kaggle_like, n=22)[1:]
    images = [[str(number), row[-1]] for number, row in enumerate(rows, start=1)]
    write(folder / "test.csv", [["ImageId", "Image"], *images])
    lookup = ["RowId,ImageId,FeatureName", "1,21,nose_tip_x", "2,3,nose_tip_y"]
    (folder / "lookup.csv").write_text("\n".join(lookup))
    for number, face in enumerate(X):
        cv2.imwrite(str(folder / f"{number}.png"), face)
    table = pd.DataFrame({"path": [str(folder / f"{n}.png") for n in range(22)]})
    table[["left", "top", "right", "bottom"]] = 10.0, 10.0, 80.0, 80.0
    save_annotations(table, y, folder / "a.json", "coco")
    return folder


WAYS = [
    ("images.joblib", "test.csv", "p.csv", ()),
    ("images.joblib", "test.csv", "p.csv", ("--lookup", "lookup.csv")),
    ("photographs.joblib", "test.csv", "p.csv", ()),
    ("photographs.joblib", "a.json", "p.csv", ()),
    ("photographs.joblib", "a.json", "p.json", ()),
    ("photographs.joblib", "a.json", "p.xml", ("--format", "cvat")),
]


@pytest.mark.parametrize(("model", "data", "out", "options"), WAYS)
def test_predict_goes_on_and_writes_the_same(
    commands, monkeypatch, tmp_path, model, data, out, options
):
    monkeypatch.chdir(commands)
    args = ["predict", model, data, *options, "--out"]
    monkeypatch.setattr(_pieces, "ROWS", 8)
    result = CliRunner().invoke(main, [*args, str(tmp_path / f"whole-{out}")])
    assert result.exit_code == 0, result.output
    predict, asked = KeypointRegressor.predict, []

    def counted(self, X, **options):
        asked.append(len(X))
        if len(asked) == 2:
            raise MemoryError
        return predict(self, X, **options)

    monkeypatch.setattr(KeypointRegressor, "predict", counted)
    result = CliRunner().invoke(main, [*args, str(tmp_path / out)])
    assert result.exit_code == 1
    assert "8 rows are kept" in result.stderr
    assert not (tmp_path / out).exists()
    result = CliRunner().invoke(main, [*args, str(tmp_path / out)])
    assert result.exit_code == 0, result.output
    assert "Going on after 8 rows" in result.stderr
    assert asked == [8, 8, 8, 6]
    whole = (tmp_path / f"whole-{out}").read_bytes()
    assert (tmp_path / out).read_bytes() == whole
    assert sorted(os.listdir(tmp_path)) == sorted([out, f"whole-{out}"])


def test_pieces_stay_until_the_output_is_written(commands, monkeypatch, tmp_path):
    monkeypatch.chdir(commands)
    monkeypatch.setattr(_pieces, "ROWS", 8)
    args = ["predict", "images.joblib", "test.csv", "--out", str(tmp_path / "p.csv")]

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sklearn_kpd.cli._outputs.write_table", no_space)
        assert CliRunner().invoke(main, args).exit_code == 1
    assert os.listdir(tmp_path) == ["p.csv.pieces"]
    monkeypatch.setattr(KeypointRegressor, "predict", lambda *_, **__: pytest.fail("again"))
    assert CliRunner().invoke(main, args).exit_code == 0
    assert os.listdir(tmp_path) == ["p.csv"]


def test_errors_name_the_row_of_all(commands, monkeypatch, tmp_path):
    monkeypatch.chdir(commands)
    monkeypatch.setattr(_pieces, "ROWS", 8)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        content = (commands / f"{number}.png").read_bytes()
        (folder / f"{number:02d}.png").write_bytes(content[: 300 if number == 17 else None])
    args = ["predict", "photographs.joblib", str(folder), "--whole", "--out"]
    result = CliRunner().invoke(main, [*args, str(tmp_path / "p.csv")])
    assert result.exit_code == 1
    assert "X, row 17: " in result.stderr
    assert Path(tmp_path / "p.csv.pieces").exists()
