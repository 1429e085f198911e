"""The command: what it refuses before the work, what it writes, and that it goes on."""

import importlib.util
import json
import os
import subprocess
import sys
import webbrowser

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from sklearn_kpd.cli import main
from sklearn_kpd.datasets import load_annotations, load_kaggle, make_faces, save_annotations
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS
from sklearn_kpd.label_quality._review.journal import Journal
from tests.label_quality.review.helpers import issues_of, write_kaggle_csv

NAMES = list(KAGGLE_KEYPOINTS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """training.csv with 4 faces, and issues.csv about two of them."""
    monkeypatch.chdir(tmp_path)
    X, y = make_faces(4, random_state=0)
    write_kaggle_csv(tmp_path / "training.csv", X, y)
    labels = y.to_numpy().reshape(4, -1, 2)
    issues = issues_of(
        labels, [(2, "moved", ["nose_tip"]), (0, "mirrored", NAMES)], NAMES, labels + 2
    )
    issues.to_csv(tmp_path / "issues.csv", index=False)
    return tmp_path


def run(*args):
    return CliRunner().invoke(main, ["review", *map(str, args)])


def begin(folder, *entries):
    """A journal with these entries, as the page leaves it."""
    from sklearn_kpd.cli import _inputs, _review

    data = _inputs.read_labelled(folder / "training.csv", images=None, category=None)
    work = _review.Review(folder / "training.csv", data, folder / "issues.csv", None)
    journal = Journal(work.journal, work.header)
    for entry in entries:
        journal.append(entry)
    journal.close()


def test_what_the_journal_says_is_written(folder):
    before = (folder / "training.csv").read_bytes()
    begin(
        folder,
        {"action": "move", "row": 2, "points": {"nose_tip": [33.25, 44.5]}},
        {"action": "clear", "row": 0, "points": {"left_eye_center": None}},
        {"action": "move", "row": 0, "points": {"nose_tip": [1, 2]}},
        {"action": "undo"},
    )
    result = run("training.csv", "issues.csv", "--write")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "Wrote training_corrected.csv, in which 2 of 4 rows have other labels than training.csv.\n"
    )
    assert (folder / "training.csv").read_bytes() == before
    old, new = (
        load_kaggle(folder / name, return_X_y=True, cache=False)[1]
        for name in ("training.csv", "training_corrected.csv")
    )
    assert new.loc[2, ["nose_tip_x", "nose_tip_y"]].tolist() == [33.25, 44.5]
    assert new.loc[0, ["left_eye_center_x", "left_eye_center_y"]].isna().all()
    assert ((old != new) & old.notna()).sum().sum() == 4


def test_nothing_was_changed_yet(folder):
    result = run("training.csv", "issues.csv", "--write")
    assert result.exit_code == 1
    assert "no such journal, so nothing was changed yet" in result.output
    assert not (folder / "training_corrected.csv").exists()


def test_it_needs_neither_tensorflow_nor_flask_to_write(folder):
    begin(folder, {"action": "clear", "row": 2, "points": {"nose_tip": None}})
    code = """
import sys
sys.modules["flask"] = None
from sklearn_kpd.cli import main
assert not {"numpy", "pandas", "sklearn"} & set(sys.modules)
main(["review", "training.csv", "issues.csv", "--write"], standalone_mode=False)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    assert (folder / "training_corrected.csv").exists()


def test_without_flask_it_says_what_to_install(folder, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "flask" else real(name, *a)
    )
    result = run("nothing", "issues.csv")
    assert result.exit_code == 1
    assert "pip install 'sklearn-kpd[review]'" in result.output
    assert len(result.output.splitlines()) == 1


def damaged_issues(folder):
    table = pd.read_csv(folder / "issues.csv")
    table.drop(columns="kind").to_csv(folder / "issues.csv", index=False)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["nothing.csv", "issues.csv"], "nothing.csv: no such file"),
        (["training.csv", "nothing.csv"], "nothing.csv: no such file"),
        (["training.csv", "."], "no such file"),
        (["training.csv", "training.csv"], "the column 'keypoint' is missing"),
        (["training.csv", "issues.csv", "--out", "training.csv"], "named twice"),
        (["training.csv", "issues.csv", "--out", "./issues.csv"], "named twice"),
        (["training.csv", "issues.csv", "--out", "link.csv"], "named twice"),
        (["training.csv", "issues.csv", "--out", "new.json"], "must end in .csv"),
        (["training.csv", "issues.csv", "--out", "no/new.csv"], "no such folder"),
        (["training.csv", "issues.csv", "--images", "."], "--images is for annotations"),
    ],
)
@pytest.mark.parametrize("write", [[], ["--write"]])
def test_what_is_refused_before_the_work(folder, args, reason, write):
    (folder / "link.csv").symlink_to("training.csv")
    begin(folder, {"action": "clear", "row": 2, "points": {"nose_tip": None}})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*args, *write, "--no-browser")
    assert result.exit_code == 1
    assert reason in result.output
    assert len(result.output.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_journal_of_other_data(folder):
    begin(folder)
    X, y = make_faces(4, random_state=0)
    y.loc[1, "nose_tip_x"] += 1  # no issue is about this row
    write_kaggle_csv(folder / "training.csv", X, y)
    for write in ([], ["--write"]):
        result = run("training.csv", "issues.csv", "--no-browser", *write)
        assert result.exit_code == 1
        assert "was made for training.csv and issues.csv with other labels" in result.output


def test_while_another_server_runs(folder):
    begin(folder)
    header = json.loads((folder / "issues.csv.review.jsonl").read_text())
    journal = Journal(folder / "issues.csv.review.jsonl", header)
    result = run("training.csv", "issues.csv", "--no-browser")
    journal.close()
    assert result.exit_code == 1
    assert "in use: a review of it is running" in result.output


def test_no_issues(folder):
    pd.read_csv(folder / "issues.csv")[:0].to_csv(folder / "issues.csv", index=False)
    result = run("training.csv", "issues.csv")
    assert result.exit_code == 0
    assert result.output == "issues.csv holds no issue: there is nothing to look at.\n"


@pytest.mark.parametrize("browser", [True, False])
def test_interrupted_it_says_how_to_go_on(folder, monkeypatch, browser):
    pytest.importorskip("flask")
    from sklearn_kpd.label_quality._review.server import Server

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "run", interrupted)
    begin(folder, {"action": "show", "row": 0, "looked_at": 2})
    result = run("training.csv", "issues.csv", *([] if browser else ["--no-browser"]))
    assert result.exit_code == 0, result.output
    first, second, *_, last = result.output.splitlines()
    assert first == "1 of 2 looked at, 0 changed; each change is kept in issues.csv.review.jsonl."
    url = second.split()[1]
    assert url.startswith("http://127.0.0.1:")
    assert "The same command goes on, and with --write it writes training_corrected.csv" in last
    for _ in range(100):
        if opened or not browser:
            break
        import time

        time.sleep(0.05)
    assert opened == ([url] if browser else [])


def test_annotations_in_a_folder_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "labels"
    folder.mkdir()
    Image.new("RGB", (120, 100)).save(folder / "a.png")
    X = pd.DataFrame({"path": [str(folder / "a.png")]})
    y = pd.DataFrame({"nose_x": [10.5], "nose_y": [20.5]})
    save_annotations(X, y, folder / "a.json", "coco")
    labels = y.to_numpy().reshape(1, 1, 2)
    issues_of(labels, [(0, "moved", ["nose"])], ["nose"], labels + 1).to_csv("i.csv", index=False)
    for name in ("labels/a.json", "labels/new.json"):
        result = run("labels", "i.csv", "--out", name, "--write")
        assert result.exit_code == 1
        assert "would lie in labels, which is read" in result.output
    result = run("labels", "i.csv", "--write")
    assert "no such journal" in result.output
    from sklearn_kpd.cli import _inputs, _review

    monkeypatch.chdir(folder)  # "." has no name
    data = _inputs.read_labelled(folder, images=None, category=None)
    work = _review.Review(type(folder)("."), data, tmp_path / "i.csv", None)
    journal = Journal(work.journal, work.header)
    journal.append({"action": "move", "row": 0, "points": {"nose": [11.25, 21]}})
    journal.close()
    result = run(".", os.fspath(tmp_path / "i.csv"), "--write")
    assert result.exit_code == 0, result.output
    found = load_annotations(tmp_path / "labels_corrected.json").target
    np.testing.assert_array_equal(found, [[11.25, 21]])
