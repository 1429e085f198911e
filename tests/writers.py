"""All that writes a file in one piece, each with a content that differs from time to time.

Nothing of it uses TensorFlow, so that a process that has done it all may still fork.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.preprocessing import StandardScaler

import sklearn_kpd
from sklearn_kpd._inference import export
from sklearn_kpd._persistence.archive import read_archive
from sklearn_kpd._training import checkpoints
from sklearn_kpd.cli import _models, _outputs
from sklearn_kpd.cli._inputs import Data
from sklearn_kpd.datasets import _cache, save_annotations
from sklearn_kpd.photographs import read_video, write_video


def scaler(rng, folder):
    return StandardScaler().fit(rng.rand(3, 50_000))


def table(rng, folder):
    X = pd.DataFrame({"path": [f"{number}.png" for number in range(300)]})
    columns = ["eye_x", "eye_y", "nose_x", "nose_y"]
    return X, pd.DataFrame(rng.rand(len(X), 4).round(6), columns=columns)


class Network:
    """What Keras exports, without the seconds that Keras takes for it."""

    input_shape = (None, 9)

    def __init__(self, rng, folder):
        self.content = rng.bytes(3 * 10**6)

    def export(self, path, **_):
        Path(path).write_bytes(self.content)


def text(rng, folder):
    return rng.bytes(4).hex() * 10**5


def figure(rng, folder):
    found = Figure()
    found.subplots().imshow(rng.rand(30, 30))
    return found


def video(rng, folder):
    """Frames of a video, and keypoints."""
    path = folder / "source.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    for _ in range(5):
        writer.write(np.zeros((64, 64, 3), np.uint8))
    writer.release()
    X = read_video(path)
    return X, rng.rand(len(X), 4) * 60


def array(rng, folder):
    return rng.rand(10**5)


def write_predictions(content, path):
    X, y = content
    _outputs.write_predictions(Data("data", "photographs", X), y, path, None, None)


def write_annotations(format):
    return lambda content, path: save_annotations(*content, path, format)


def write_checkpoint(array, path):
    """What a training calls after an epoch, with a state that needs no TensorFlow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is there and is no checkpoint
        training = checkpoints.Checkpoint(path.parent, path.stem, seed=0)
    training._callbacks, training._network, training._last_batch = {}, "a network", 0
    training._model = SimpleNamespace(stop_training=False)
    training.params, training.history = {"steps": 1}, {}
    with mock.patch.object(checkpoints, "training_state", return_value=[array]):
        training.on_epoch_end(0, {"loss": float(array[0])})


def write_cache(array, path):
    with mock.patch.object(_cache, "_folder", return_value=path.parent):
        _cache._store(path.stem, {"data": array}, b"secret")


#: By the name of the file: what makes a content, and what writes it to a path of the user's.
AT_PATHS_OF_USERS = {
    "m.kpd": (scaler, sklearn_kpd.save),
    "m.joblib": (scaler, _models.save_model),
    "m.tflite": (Network, export.write),
    "p.csv": (table, write_predictions),
    "a.json": (table, write_annotations("coco")),
    "a.xml": (table, write_annotations("cvat")),
    "a.csv": (table, write_annotations("csv")),
    "r.html": (text, _outputs.write_text),
    "f.png": (figure, _outputs.write_figure),
    "f.jpg": (figure, _outputs.write_figure),
    "v.avi": (video, lambda content, path: write_video(path, *content)),
}
if find_spec("onnx") and find_spec("tf2onnx"):
    AT_PATHS_OF_USERS["m.onnx"] = AT_PATHS_OF_USERS["m.tflite"]
#: Where the name is of our choice.
AT_PATHS_OF_OURS = {
    f"{'0' * 32}.checkpoint": (array, write_checkpoint),
    f"kaggle-1-csv-{'0' * 64}.cache": (array, write_cache),
}
WRITERS = AT_PATHS_OF_USERS | AT_PATHS_OF_OURS


def make(name, folder, seed=0):
    """A content for the file of a name, and what writes it."""
    content, write = WRITERS[name]
    return content(np.random.RandomState(seed), folder), write


def read(path):
    """What a file holds; a checkpoint also names the process that wrote it."""
    if path.suffix == ".checkpoint":
        return read_archive(path)[1]["0.npy"].tobytes()
    return path.read_bytes()
