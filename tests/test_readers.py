"""What is no regular file, or has no end, is refused by all that reads: nothing waits for it."""

import os
import sys
import warnings

import h5py
import pytest

import sklearn_kpd
from sklearn_kpd._training.checkpoints import Checkpoint
from sklearn_kpd.datasets import (
    _cache,
    load_annotations,
    load_kaggle,
    make_submission,
    requested_labels,
)
from sklearn_kpd.datasets.annotations._load import FORMATS
from sklearn_kpd.photographs import CropTransformer, find_faces, read_video
from sklearn_kpd.photographs._reading import read_photograph
from tests.limits import time_limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes are Unix's")


def a_pipe(path):
    os.mkfifo(path)


def an_endless_device(path):
    path.symlink_to("/dev/zero")


def holes(path):
    """A file that takes no room on disk, and has a terabyte."""
    with path.open("ab") as file:
        file.truncate(2**40)


def holes_in_hdf5(path):
    h5py.File(path, "w").close()
    holes(path)


def crop(path):
    return CropTransformer(size=8).fit_transform([str(path)]).pixels()


READERS = {
    "model.kpd": sklearn_kpd.load,
    "kaggle.csv": load_kaggle,
    "kaggle.zip": load_kaggle,
    "kaggle.csv.gz": load_kaggle,
    "lookup.csv": lambda path: requested_labels(path, [1]),
    "submission.csv": lambda path: make_submission([[0] * 30], [1], path),
    "photograph.png": lambda path: read_photograph(path, "rgb"),
    "crop.jpg": crop,
    "faces.png": lambda path: find_faces([str(path)], detector=lambda pixels: []),
    "video.mp4": read_video,
    "video.avi": read_video,
    **{f"annotations{ending}": load_annotations for ending in (".json", ".xml", ".csv", ".h5")},
    **{
        f"{format}.txt": lambda path, format=format: load_annotations(path, format=format)
        for format in FORMATS
    },
}


@pytest.mark.parametrize("odd", [a_pipe, an_endless_device, holes, holes_in_hdf5])
@pytest.mark.parametrize("name", READERS)
def test_nothing_waits_or_reads_without_end(tmp_path, name, odd):
    path = tmp_path / name
    odd(path)
    with time_limit(60), pytest.raises((OSError, ValueError)) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)


def test_pipes_among_the_files_of_a_folder_are_passed_over(tmp_path):
    for name in ("a.json", "b.txt", "data.yaml", "c.h5"):
        a_pipe(tmp_path / name)
    (tmp_path / "labels.csv").write_text("image,nose_x,nose_y\nx.png,1,2\ny.png,3,4\n")
    (tmp_path / "images").mkdir()
    a_pipe(tmp_path / "images" / "x.png")
    with time_limit(60):
        found = load_annotations(tmp_path)
    assert found.data["path"].tolist() == ["x.png", "y.png"]


def test_a_pipe_in_place_of_a_checkpoint_or_of_what_the_cache_keeps(tmp_path, monkeypatch):
    a_pipe(tmp_path / "key.checkpoint")
    with time_limit(60), pytest.warns(UserWarning, match="no regular file.*starts anew"):
        assert Checkpoint(tmp_path, "key", 0).history == {}
    with time_limit(60), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trainings of other data
        Checkpoint(tmp_path, "other", 0)
    monkeypatch.setattr(_cache, "_folder", lambda: tmp_path)
    a_pipe(tmp_path / "key.cache")
    with time_limit(60):
        assert _cache.cached("key", dict, b"secret") == {}
