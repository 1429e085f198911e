"""The command line, by what it is given: Kaggle's files, annotations, photographs, videos."""

import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor, metrics
from sklearn_kpd.cli import main
from sklearn_kpd.datasets import (
    load_annotations,
    load_kaggle,
    make_faces,
    make_submission,
    requested_labels,
    save_annotations,
)
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.keypoints import columns_from_names
from sklearn_kpd.photographs.video import VideoReader
from tests.datasets.test_kaggle import rows_of, write
from tests.helpers import tiny_regressor
from tests.limits import time_limit
from tests.test_writers import PLACES


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*args):
        return CliRunner().invoke(main, [str(a) for a in args])

    return invoke


@pytest.fixture
def data(kaggle_like, tmp_path):
    rows = rows_of(kaggle_like, n=12)
    test = [["ImageId", "Image"], *([str(i), row[-1]] for i, row in enumerate(rows[1:], start=1))]
    write(tmp_path / "training.csv", rows)
    write(tmp_path / "test.csv", test)
    (tmp_path / "lookup.csv").write_text("RowId,ImageId,FeatureName\n1,3,nose_tip_x\n")
    return tmp_path


def test_train_evaluate_predict(run, data):
    result = run(
        "train", "training.csv", "--out", "m.kpd", "--network", "cnn", "--epochs", 1,
        "--random-state", 0,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Wrote m.kpd." in result.output
    assert "Validation RMSE" in result.output
    result = run("evaluate", "m.kpd", "training.csv", "--out", "worst.png", "--report", "r.html")
    assert result.exit_code == 0, result.output
    assert "m.kpd on training.csv" in (data / "r.html").read_text()
    assert "RMSE" in result.output
    assert "pickle" not in result.output
    assert (data / "worst.png").read_bytes().startswith(b"\x89PNG")
    result = run("predict", "m.kpd", "test.csv", "--out", "plain.csv", "--draw", "faces.jpg")
    assert result.exit_code == 0, result.output
    assert (data / "faces.jpg").read_bytes().startswith(b"\xff\xd8")
    plain = pd.read_csv(data / "plain.csv")
    assert plain.shape == (12, 31)
    assert run(
        "predict", "m.kpd", "test.csv", "--out", "s.csv", "--lookup", "lookup.csv"
    ).exit_code == 0  # fmt: skip
    submission = pd.read_csv(data / "s.csv")
    assert list(submission.columns) == ["RowId", "Location"]
    np.testing.assert_allclose(submission["Location"], plain["nose_tip_x"][2])


@pytest.mark.parametrize("ending", [".joblib", ".pkl"])
def test_pickles_are_written_and_read_and_said_to_be_such(run, data, ending):
    args = ("--network", "cnn", "--epochs", 1, "--random-state", 0, "--quiet")
    assert run("train", "training.csv", "--out", f"m{ending}", *args).exit_code == 0
    assert isinstance(joblib.load(data / f"m{ending}"), Pipeline)
    result = run("evaluate", f"m{ending}", "training.csv")
    assert result.exit_code == 0, result.output
    assert result.stderr == f"m{ending} is a pickle, which can run code: load only your own.\n"


def test_submissions_are_predicted_by_the_scheme_that_is_asked_for(run, data, kaggle_like):
    X, y = kaggle_like
    pipe = Pipeline([("regressor", KeypointRegressor(
        "cnn", network__filters=(8, 8), epochs=2, verbose=0, random_state=0
    ))]).fit(X, y)  # fmt: skip
    assert len(pipe[-1].schemes_) > 1
    sklearn_kpd.save(pipe, data / "m.kpd")
    few = columns_from_names(["left_eye_center", "right_eye_center", "nose_tip",
                              "mouth_center_bottom_lip"])  # fmt: skip
    names = [(1, name) for name in y.columns] + [(2, name) for name in few]
    rows = [f"{at},{image},{name}" for at, (image, name) in enumerate(names, start=1)]
    (data / "lookup.csv").write_text("\n".join(["RowId,ImageId,FeatureName", *rows]))
    result = run("predict", "m.kpd", "test.csv", "--out", "s.csv", "--lookup", "lookup.csv")
    assert result.exit_code == 0, result.output
    faces = load_kaggle(data / "test.csv")
    requested = requested_labels("lookup.csv", faces.image_ids)
    y_pred = pipe.predict(faces.data, scheme=requested.to_numpy())
    expected = make_submission(y_pred, faces.image_ids, "lookup.csv")
    found = pd.read_csv(data / "s.csv")
    np.testing.assert_allclose(found["Location"], expected["Location"], atol=1e-3)
    plain = make_submission(pipe.predict(faces.data), faces.image_ids, "lookup.csv")
    assert np.abs(found["Location"] - plain["Location"])[30:].max() > 0.01


@pytest.fixture(scope="module")
def fitted_models(kaggle_like):
    """Models of the same keypoints in another order, of some of them, and without names."""
    X, y = kaggle_like
    complete = y.fillna(y.mean())
    names = sorted(column[:-2] for column in y.columns[::2])
    sets = {
        "sorted": complete[columns_from_names(names)],
        "eyes": complete.iloc[:, :4],
        "points": complete.to_numpy().reshape(-1, 15, 2),
        "other": complete.iloc[:, :4].set_axis(columns_from_names(["ear", "tail"]), axis=1),
        "nameless": complete.to_numpy()[:, :4],
    }
    return {name: tiny_regressor(epochs=1).fit(X, labels) for name, labels in sets.items()}


@pytest.fixture
def models(fitted_models, data):
    for name, model in fitted_models.items():
        joblib.dump(model, data / f"{name}.joblib")
    return fitted_models


def test_models_meet_the_file_by_the_names_of_their_keypoints(run, data, models):
    faces = load_kaggle(data / "training.csv")
    for name in ("sorted", "eyes"):
        model = models[name]
        columns = columns_from_names(model.keypoint_names_)
        y_pred = model.predict(faces.data)
        rmse = metrics.mean_squared_error(faces.target[columns], y_pred) ** 0.5
        result = run("evaluate", f"{name}.joblib", "training.csv")
        assert result.exit_code == 0, result.output
        assert f"RMSE {rmse:8.3f} pixels" in result.output
        assert run("predict", f"{name}.joblib", "test.csv", "--out", "p.csv").exit_code == 0
        table = pd.read_csv(data / "p.csv")
        assert list(table.columns) == ["ImageId", *columns]
        np.testing.assert_allclose(table[columns], y_pred, atol=1e-3)
    args = ("--out", "s.csv", "--lookup", "lookup.csv")
    assert run("predict", "sorted.joblib", "test.csv", *args).exit_code == 0
    nose = models["sorted"].keypoint_names_.index("nose_tip")
    location = pd.read_csv(data / "s.csv")["Location"]
    expected = models["sorted"].predict(faces.data[2:3])[0, 2 * nose]
    np.testing.assert_allclose(location, expected, atol=1e-3)


def test_models_without_names_are_taken_for_kaggles_or_refused(run, data, models):
    faces = load_kaggle(data / "training.csv")
    y_pred = models["points"].predict(faces.data)
    result = run("evaluate", "points.joblib", "training.csv")
    assert result.exit_code == 0, result.output
    assert f"RMSE {metrics.mean_squared_error(faces.target, y_pred) ** 0.5:8.3f}" in result.output
    assert "tells no names of keypoints; taken for Kaggle's 15" in result.output
    assert run("predict", "points.joblib", "test.csv", "--out", "p.csv").exit_code == 0
    for name, message in (
        ("nameless", "predicts 4 values and tells no names"),
        ("other", "predicts 'ear_x', of which training.csv has no labels"),
    ):
        result = run("evaluate", f"{name}.joblib", "training.csv")
        assert result.exit_code == 1
        assert message in result.output.replace("\n", " ")
        assert "Traceback" not in result.output


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_exported_files_predict_and_are_measured(run, data, models, suffix):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    models["points"].export(data / f"faces{suffix}")
    result = run("predict", f"faces{suffix}", "test.csv", "--out", "exported.csv")
    assert result.exit_code == 0, result.output
    assert "taken for Kaggle's 15" in result.output
    run("predict", "points.joblib", "test.csv", "--out", "kept.csv")
    exported, kept = (pd.read_csv(data / f"{name}.csv") for name in ("exported", "kept"))
    pd.testing.assert_frame_equal(exported, kept, atol=1e-3)
    assert run("evaluate", f"faces{suffix}", "training.csv").exit_code == 0
    (data / f"broken{suffix}").write_bytes(b"no model")
    result = run("predict", f"broken{suffix}", "test.csv", "--out", "k.csv")
    assert result.exit_code == 1
    assert "or is damaged" in result.output
    assert len(result.output.splitlines()) == 1


def test_demo(run, tmp_path):
    result = run("demo", "--faces", 40, "--epochs", 1, "--out", "d.png")
    assert result.exit_code == 0, result.output
    assert "for the column means" in result.output
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["train", "nothing.csv", "--out", "m.kpd"], 1, "nothing.csv: no such file"),
        (["train", "test.csv", "--out", "m.kpd"], 1, "test.csv holds no labels"),
        (["train", "broken.csv", "--out", "m.kpd"], 1, "row 1: 1 pixels"),
        (["train", "training.csv", "--out", "no/m.kpd"], 1, "no such folder"),
        (["train", "training.csv", "--out", "m"], 1, "must end in .kpd or .joblib or .pkl"),
        (["train", "training.csv", "--out", "folder.kpd"], 1, "folder.kpd is no regular file"),
        (["train", "training.csv", "--out", "m.kpd", "--size", "64"], 1, "--size and --margin"),
        (["train", "training.csv", "--out", "m.kpd", "--images", "."], 1, "--images is for"),
        (["train", "training.csv"], 2, "Missing option '--out'"),
        (["train", "training.csv", "--out", "m.kpd", "--epochs", "0"], 2, "Invalid value"),
        (["train", "face.png", "--out", "m.kpd"], 1, "face.png is a photograph, without labels"),
        (["train", "other.json", "--out", "m.kpd"], 1, "no format of annotations"),
        (["evaluate", "nothing.kpd", "training.csv"], 1, "nothing.kpd: no such file"),
        (["evaluate", "test.csv", "training.csv"], 1, "models end in .kpd or .joblib or .pkl or"),
        (["evaluate", "broken.pkl", "training.csv"], 1, "no model that can be read"),
        (["evaluate", "broken.kpd", "training.csv"], 1, "broken.kpd"),
        (["evaluate", "list.joblib", "training.csv"], 1, "holds a list, no fitted model"),
        (["evaluate", "list.joblib", "test.csv", "--out", "p.txt"], 1, "must end in .png"),
        (["evaluate", "list.joblib", "test.csv", "--report", "p.png"], 1, "must end in .html"),
        (["predict", "nothing.kpd", "test.csv", "--out", "p.csv"], 1, "no such file"),
        (["predict", "list.joblib", "test.csv"], 2, "Nothing would be written"),
        (["predict", "list.joblib", "test.csv", "--out", "p.png"], 1, "end in .csv or .json"),
        (["predict", "list.joblib", "test.csv", "--out", "test.csv"], 1, "is named twice"),
        (["predict", "list.joblib", "test.csv", "--out", "./lookup.csv", "--lookup",
          "lookup.csv"], 1, "is named twice"),
        (["predict", "list.joblib", "test.csv", "--out", "p.json"], 1, "write .csv"),
        (["predict", "list.joblib", "test.csv", "--out", "p.csv", "--format", "coco"], 1,
         "p.csv: the name must end in .json"),
        (["predict", "list.joblib", "test.csv", "--draw", "p.mp4"], 1, "must end in .png"),
        (["predict", "list.joblib", "test.csv", "--out", "p.csv", "--whole"], 1,
         "--boxes and --whole are for photographs"),
        (["predict", "list.joblib", "face.png", "--out", "p.csv", "--whole", "--lookup",
          "lookup.csv"], 1, "--lookup is for Kaggle's images"),
        (["predict", "list.joblib", "face.png", "--out", "p.csv", "--whole", "--boxes", "a.json"],
         2, "contradict each other"),
        (["predict", "list.joblib", "face.png", "test.csv", "--out", "p.csv"], 1,
         "test.csv is no photograph"),
        (["predict", "list.joblib", "folder.kpd", "--out", "p.csv"], 1, "no photographs in this"),
        (["predict", "video.joblib", "face.png", "--out", "p.csv", "--whole"], 1,
         "takes images of one size, no photographs"),
        (["fly"], 2, "No such command"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_have_exit_codes(run, data, args, code, message):
    joblib.dump([], data / "list.joblib")
    joblib.dump(tiny_regressor(), data / "video.joblib")
    broken = (data / "test.csv").read_text().splitlines()[0] + "\n1,3\n"
    for name in ("broken.csv", "broken.pkl", "broken.kpd"):
        (data / name).write_text(broken)
    (data / "other.json").write_text("{}")
    (data / "folder.kpd").mkdir()
    cv2.imwrite(str(data / "face.png"), np.zeros((40, 40), np.uint8))
    before = sorted(os.listdir(data))
    result = run(*args)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    if code == 1:
        errors = [line for line in result.stderr.splitlines() if "is a pickle" not in line]
        assert len(errors) == 1
        assert errors[0].startswith("Error: ")
    assert sorted(os.listdir(data)) == before


@pytest.mark.parametrize("error", [
    DivergedError("the loss\nbecame NaN"), ImportError("OpenCV could not be loaded"),
    NotImplementedError("this is not done"), MemoryError(), OSError(28, "No space left"),
    RuntimeError("the device is lost"),
])  # fmt: skip
def test_what_goes_wrong_in_training_is_one_line(run, data, monkeypatch, error):
    (data / "m.kpd").write_bytes(b"old")

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(KeypointRegressor, "fit", fail)
    result = run("train", "training.csv", "--out", "m.kpd")
    assert result.exit_code == 1
    text = " ".join(str(error).split()) or "MemoryError"
    assert result.stderr == f"Error: {text}\n"
    assert (data / "m.kpd").read_bytes() == b"old"


def test_a_mistake_of_ours_shows_where_it_is(run, data, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyError("a bug")

    monkeypatch.setattr(KeypointRegressor, "fit", fail)
    assert isinstance(run("train", "training.csv", "--out", "m.kpd").exception, KeyError)


def test_warnings_are_one_line(run, data, monkeypatch):
    def warn(self, *args, **kwargs):
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        raise ValueError("the end")

    monkeypatch.setattr(KeypointRegressor, "fit", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run("train", "training.csv", "--out", "m.kpd")
    assert result.stderr == "Warning: two lines\nError: the end\n"


@pytest.fixture(scope="module")
def photograph_model():
    """A Pipeline for photographs, on generated faces, and what it was fitted on."""
    X, y = make_faces(24, random_state=3)
    pipe = Pipeline([
        ("crop", CropTransformer(size=32, margin=0.1)),
        ("augment", AugmentTransformer(rotation=5)),
        ("regressor", KeypointRegressor(
            "cnn", network__filters=(8, 8), epochs=2, verbose=0, random_state=0
        )),
    ])  # fmt: skip
    return pipe.fit(list(X), y), X, y


@pytest.fixture
def photographs(photograph_model, tmp_path):
    """A model, photographs of two faces each, their annotations, and a video of one."""
    pipe, faces, y = photograph_model
    sklearn_kpd.save(pipe, tmp_path / "m.kpd")
    (tmp_path / "photos").mkdir()
    rows, labels = [], []
    for number in range(8):
        path = tmp_path / "photos" / f"{number}.png"
        picture = np.full((120, 240), 90, np.uint8)
        for side in (0, 1):
            left, top = 10 + 120 * side, 5 + number
            picture[top : top + 96, left : left + 96] = faces[2 * number + side, ..., 0]
            rows.append((str(path), left, top, left + 96, top + 96))
            labels.append(y.iloc[2 * number + side].to_numpy() + np.tile([left, top], 15))
        cv2.imwrite(str(path), picture)
    X = pd.DataFrame(rows, columns=["path", "left", "top", "right", "bottom"])
    X = X.astype(dict.fromkeys(X.columns[1:], float))
    labels = pd.DataFrame(labels, columns=y.columns)
    save_annotations(X, labels, tmp_path / "a.json", "coco")
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (96, 96)
    )
    for face in faces[:6]:
        writer.write(np.repeat(face, 3, axis=2))
    writer.release()
    return X, labels


def test_train_and_evaluate_on_photographs(run, photographs, tmp_path):
    result = run(
        "train", "a.json", "--out", "new.kpd", "--network", "cnn", "--epochs", 1, "--quiet",
        "--size", 40, "--margin", 0.3, "--random-state", 0,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "pixels of the crops, on rows that were not trained on" in result.output
    pipe = sklearn_kpd.load(tmp_path / "new.kpd")
    assert list(pipe.named_steps) == ["crop", "augment", "regressor"]
    assert (pipe["crop"].size, pipe["crop"].margin) == (40, 0.3)
    assert pipe["augment"].flip == 0.5
    result = run("evaluate", "m.kpd", "a.json", "--out", "worst.png", "--report", "r.html")
    assert result.exit_code == 0, result.output
    X, y = photographs
    model = sklearn_kpd.load(tmp_path / "m.kpd")
    y_pred = model.predict(X)
    rmse = metrics.mean_squared_error(y, y_pred) ** 0.5
    nme = metrics.normalized_mean_error(y, y_pred, normalize="bbox")
    assert f"RMSE {rmse:8.3f} pixels" in result.output
    assert f"NME  {100 * nme:8.3f} % of the size of the object" in result.output
    assert (tmp_path / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert "m.kpd on a.json, in pixels of the crops" in (tmp_path / "r.html").read_text()


def test_annotations_elsewhere_and_annotations_without_sides(run, photographs, tmp_path):
    X, y = photographs
    (tmp_path / "labels").mkdir()
    names = [f"p{at}" for at in range(15)]
    elsewhere = X.assign(path=[f"lost/{os.path.basename(path)}" for path in X["path"]])
    y = y.set_axis(columns_from_names(names), axis=1)
    save_annotations(elsewhere, y, tmp_path / "labels" / "b.json", "coco")
    args = ("--out", "n.kpd", "--network", "cnn", "--epochs", 1, "--quiet", "--size", 32)
    result = run("train", "labels/b.json", *args)
    assert result.exit_code == 1
    assert "8 of its photographs are not there, the first is lost/0.png" in result.stderr
    (tmp_path / "photos" / "lost").mkdir()
    for path in (tmp_path / "photos").glob("*.png"):
        path.rename(path.parent / "lost" / path.name)
    result = run("train", "labels/b.json", "--images", "photos", *args)
    assert result.exit_code == 0, result.output
    assert "Nothing is mirrored: the names of the keypoints do not tell" in result.stderr
    assert sklearn_kpd.load(tmp_path / "n.kpd")["augment"].flip == 0


WAYS = [
    (("a.json",), ()),
    (("photos",), ("--boxes", "a.json")),
    (("photos/3.png", "photos/1.png"), ("--boxes", "a.json")),
    (("photos",), ("--whole",)),
    (("photos/3.png",), ("--whole",)),
    (("a.json",), ("--whole",)),
]


@pytest.mark.parametrize(("paths", "options"), WAYS)
def test_predict_on_photographs(run, photographs, tmp_path, paths, options):
    X, _ = photographs
    pipe = sklearn_kpd.load(tmp_path / "m.kpd")
    result = run("predict", "m.kpd", *paths, *options, "--out", "p.csv", "--draw", "d.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    if "--whole" in options:
        X = X[["path"]].drop_duplicates()
    if paths[0].startswith("photos/"):
        chosen = [os.path.basename(path) for path in paths]
        names = X["path"].map(os.path.basename)
        X = pd.concat([X[names == name] for name in chosen])
    found = pd.read_csv(tmp_path / "p.csv")
    assert found["path"].map(os.path.realpath).tolist() == X["path"].tolist()
    assert list(found.columns[: X.shape[1]]) == list(X.columns)
    names = columns_from_names(pipe[-1].keypoint_names_)
    np.testing.assert_allclose(found[names], pipe.predict(X), atol=1e-2)


@pytest.mark.parametrize(("name", "options"), [
    ("p.json", ()), ("p.json", ("--format", "coco")), ("p.json", ("--format", "label_studio")),
    ("p.xml", ("--format", "cvat")), ("p.csv", ("--format", "deeplabcut")), ("p.csv", ()),
])  # fmt: skip
def test_predictions_are_written_in_formats_of_annotations(
    run, photographs, tmp_path, name, options
):
    X, _ = photographs
    pipe = sklearn_kpd.load(tmp_path / "m.kpd")
    result = run("predict", "m.kpd", "a.json", "--out", name, *options)
    assert result.exit_code == 0, result.output
    _, y_pred = load_annotations(tmp_path / name, return_X_y=True)
    names = columns_from_names(pipe[-1].keypoint_names_)
    np.testing.assert_allclose(y_pred[names], pipe.predict(X), atol=1e-2)


def test_faces_are_found_where_nothing_else_is_said(run, photographs, tmp_path, monkeypatch):
    X, _ = photographs
    monkeypatch.setattr("sklearn_kpd.photographs.find_faces", lambda paths: X.iloc[2:4])
    result = run("predict", "m.kpd", "photos/1.png", "--out", "p.csv")
    assert result.exit_code == 0, result.output
    assert pd.read_csv(tmp_path / "p.csv")["left"].tolist() == X["left"].iloc[2:4].tolist()
    monkeypatch.setattr("sklearn_kpd.photographs.find_faces", lambda paths: X.iloc[:0])
    result = run("predict", "m.kpd", "photos/1.png", "--out", "p.csv")
    assert result.exit_code == 1
    assert "No face was found in photos/1.png: give --boxes, or --whole" in result.stderr


def test_faces_are_found_in_the_frames_of_a_video(run, photographs, tmp_path, monkeypatch):
    from sklearn_kpd.photographs import find_faces

    monkeypatch.setattr(
        "sklearn_kpd.photographs.find_faces",
        lambda X: find_faces(X, detector=lambda picture: [(0, 0, 96, 96), (0, 0, 30, 30)]),
    )
    result = run("predict", "m.kpd", "v.avi", "--out", "p.csv", "--format", "deeplabcut")
    assert result.exit_code == 0, result.output
    found = load_annotations(tmp_path / "p.csv")
    assert found.frame.tolist() == [n for n in range(6) for _ in range(2)]
    assert set(found.track) == {"individual1", "individual2"}


def test_boxes_without_an_object_on_a_photograph_are_refused(run, photographs, tmp_path):
    cv2.imwrite(str(tmp_path / "other.png"), np.zeros((9, 9), np.uint8))
    result = run("predict", "m.kpd", "other.png", "--boxes", "a.json", "--out", "p.csv")
    assert result.exit_code == 1
    assert "a.json has no object on other.png" in result.stderr


def test_predict_on_a_video(run, photographs, tmp_path):
    pipe = sklearn_kpd.load(tmp_path / "m.kpd")
    result = run("predict", "m.kpd", "v.avi", "--whole", "--out", "p.csv", "--draw", "d.avi")
    assert result.exit_code == 0, result.output
    found = pd.read_csv(tmp_path / "p.csv")
    assert found["frame"].tolist() == list(range(6))
    X = pd.DataFrame({"path": [str(tmp_path / "v.avi")] * 6, "frame": range(6)})
    names = columns_from_names(pipe[-1].keypoint_names_)
    np.testing.assert_allclose(found[names], pipe.predict(X), atol=1e-2)
    assert VideoReader(tmp_path / "d.avi").count() == 6
    for options, message in (
        (("--out", "p.json"), "names photographs; for frames of a video write .csv"),
        (("--draw", "d.png"), "v.avi is a video: --draw must end in .mp4"),
    ):
        result = run("predict", "m.kpd", "v.avi", "--whole", *options)
        assert result.exit_code == 1
        assert message in result.stderr.replace("These annotations name", "names"), result.stderr


OUTPUTS = [
    (["train", "a.json", "--network", "cnn", "--epochs", 1, "--size", 16, "--quiet", "--out"],
     "old.kpd"),
    (["train", "a.json", "--network", "cnn", "--epochs", 1, "--size", 16, "--quiet", "--out"],
     "old.joblib"),
    (["predict", "m.kpd", "a.json", "--out"], "old.csv"),
    (["predict", "m.kpd", "a.json", "--out"], "old.json"),
    (["predict", "m.kpd", "a.json", "--draw"], "old.png"),
    (["predict", "m.kpd", "v.avi", "--whole", "--draw"], "old.avi"),
    (["evaluate", "m.kpd", "a.json", "--report"], "old.html"),
    (["evaluate", "m.kpd", "a.json", "--out"], "old.png"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "out"), OUTPUTS)
def test_a_full_disk_leaves_the_old_file(run, photographs, tmp_path, monkeypatch, args, out):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / out).write_bytes(b"old")
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr("sklearn_kpd._common.files.os.fsync", no_space)
    result = run(*args, out)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert (tmp_path / out).read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == before


# The limit is one of the process, and concerns whatever it writes to. TensorFlow is imported once,
# and starts its threads after the fork.
LIMITED = """
import json, os, resource, sys
import sklearn_kpd.regressor
from sklearn_kpd.cli import main

codes = []
for args in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))
        main(args)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(codes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits are Unix's")
def test_a_file_that_may_not_grow_leaves_the_old_one(photographs, tmp_path):
    for _, out in OUTPUTS:
        (tmp_path / out).write_bytes(b"old")
    before = sorted(os.listdir(tmp_path))
    commands = [[*map(str, args), out] for args, out in OUTPUTS]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED, json.dumps(commands)],
        capture_output=True, text=True, errors="replace", cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1] == str([1] * len(commands)), ended.stderr
    for _, out in OUTPUTS:
        assert (tmp_path / out).read_bytes() == b"old", out
    assert sorted(os.listdir(tmp_path)) == before


def test_audit_lists_and_draws_what_is_probably_wrong(run, data):
    before = (data / "training.csv").read_bytes()
    options = ["--network", "cnn", "--epochs", 1, "--folds", 2, "--fdr", 1]
    result = run("audit", "training.csv", "--out", "i.csv", "--draw", "worst.png", *options)
    assert result.exit_code == 0, result.output
    assert "Training 2 networks takes some" in result.output
    issues = pd.read_csv(data / "i.csv")
    assert f"Wrote {len(issues)} issues in {issues['row'].nunique()} rows to i.csv." in (
        result.output
    )
    assert {"row", "keypoint", "kind", "p_value", "predicted_nose_tip_x"} <= set(issues.columns)
    assert (data / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert (data / "training.csv").read_bytes() == before
    result = run("audit", "training.csv", "--out", "training.csv")
    assert "is named twice, and would be lost" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are Unix's")
@pytest.mark.parametrize(("args", "out"), [
    *OUTPUTS,
    (["demo", "--out"], "old.png"),
    (["predict", "m.kpd", "a.json", "--format", "cvat", "--out"], "old.xml"),
    (["predict", "m.kpd", "test.csv", "--lookup", "lookup.csv", "--out"], "old.csv"),
])  # fmt: skip
def test_places_where_nothing_can_be_written_are_refused_before_the_work(
    run, tmp_path, monkeypatch, args, out
):
    """Nothing is read but the names: there are neither data nor a model."""
    (tmp_path / "m.kpd").touch()
    (tmp_path / "other").write_bytes(b"other")

    def refused(place):
        before = sorted(os.listdir(tmp_path))
        result = run(*args, place)
        assert result.exit_code == 1, (place, result.output)
        assert result.stderr.startswith("Error: "), place
        assert result.stderr.count("\n") == 1, place
        assert not result.stdout
        assert sorted(os.listdir(tmp_path)) == before
        return result.stderr

    for make, _ in PLACES.values():
        make(tmp_path / out)
        assert out in refused(out)
        remove = Path.unlink if os.path.islink(out) or not os.path.isdir(out) else Path.rmdir
        remove(tmp_path / out)
    (tmp_path / out).symlink_to(out)
    assert "links" in refused(out)
    (tmp_path / out).unlink()
    assert "no such folder" in refused(f"nowhere/{out}")
    assert "other" in refused(f"other/{out}")
    assert "too long" in refused("n" * 300 + out)
    (tmp_path / out).write_bytes(b"old")
    access = os.access
    for closed in (out, ""):
        shut = os.path.realpath(tmp_path / closed)

        def may(path, mode, shut=shut):
            return mode != os.W_OK or os.path.realpath(path) != shut

        monkeypatch.setattr(os, "access", may)
        assert "may not be written" in refused(out)
    monkeypatch.setattr(os, "access", access)
    assert (tmp_path / out).read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are Unix's")
@pytest.mark.parametrize("args", [
    ["train", "pipe.csv", "--out", "m.kpd"],
    ["train", "pipe.zip", "--out", "m.kpd"],
    ["train", "pipe.json", "--out", "m.kpd"],
    ["train", "folder", "--out", "m.kpd"],
    ["evaluate", "pipe.kpd", "a.json"],
    ["evaluate", "pipe.joblib", "a.json"],
    ["evaluate", "m.kpd", "pipe.json"],
    ["predict", "m.kpd", "pipe.png", "--whole", "--out", "p.csv"],
    ["predict", "m.kpd", "pipe.mp4", "--whole", "--out", "p.csv"],
    ["predict", "m.kpd", "folder", "--whole", "--out", "p.csv"],
    ["predict", "m.kpd", "face.png", "--boxes", "pipe.json", "--out", "p.csv"],
    ["predict", "m.kpd", "zero.csv", "--out", "p.csv"],
])  # fmt: skip
def test_what_is_no_file_is_not_waited_for(run, tmp_path, args):
    (tmp_path / "m.kpd").touch()
    (tmp_path / "folder").mkdir()
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((40, 40), np.uint8))
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for ending in ("csv", "zip", "json", "kpd", "joblib", "png", "mp4"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
        os.mkfifo(tmp_path / "folder" / f"pipe.{ending}")
    with time_limit(60):
        result = run(*args)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    if "folder" not in args:
        assert "no regular file" in result.stderr


def test_names_of_photographs_are_no_formulas_in_a_table(run, photographs, tmp_path):
    names = ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", " =1.png"]
    for number, name in enumerate(names):
        (tmp_path / "photos" / f"{number}.png").rename(tmp_path / name)
    result = run(
        "predict", "m.kpd", *names[:2], "./-1.png", *names[3:], "--whole", "--out", "p.csv"
    )
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["path"].tolist() == [f"./{name}" for name in names]
    assert all((tmp_path / path).is_file() for path in table["path"])
    assert load_annotations(tmp_path / "p.csv").data["path"].map(os.path.realpath).tolist() == [
        str(tmp_path / name) for name in names
    ]


NO_TEXT = os.fsdecode(b"gesicht_\xff")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_no_text(run, photographs, tmp_path):
    folder = tmp_path / NO_TEXT
    (tmp_path / "photos").rename(folder)
    (tmp_path / "m.kpd").rename(tmp_path / f"{NO_TEXT}.kpd")
    (tmp_path / "v.avi").rename(tmp_path / f"{NO_TEXT}.avi")
    X, y = photographs
    paths = [str(folder / os.path.basename(path)) for path in X["path"]]
    photos = sorted(set(paths))
    X = X.assign(path=pd.Series(paths, dtype=object))
    save_annotations(X, y, tmp_path / "a.json", "coco")

    def succeeds(*args):
        result = run(args[0], f"{NO_TEXT}.kpd", *args[1:])
        assert result.exit_code == 0, (args, result.output, result.exception)

    succeeds("evaluate", "a.json", "--out", "worst.svg", "--report", "r.html")
    assert "gesicht_%FF.kpd on a.json" in (tmp_path / "r.html").read_text(encoding="utf-8")
    succeeds("predict", NO_TEXT, "--whole", "--out", f"{NO_TEXT}.csv", "--draw", f"{NO_TEXT}.png")
    succeeds("predict", f"{NO_TEXT}.avi", "--whole", "--out", "v.csv", "--draw", f"{NO_TEXT}2.avi")
    for name, options in (
        (f"{NO_TEXT}.csv", ()), ("p.json", ()), ("p.xml", ("--format", "cvat")),
        ("q.json", ("--format", "label_studio")),
        ("b.csv", ("--boxes", "a.json")),
    ):  # fmt: skip
        data = NO_TEXT if "--boxes" in options else "a.json"
        if name != f"{NO_TEXT}.csv":
            succeeds("predict", data, "--out", name, *options)
        (tmp_path / name).read_bytes().decode()
        found = load_annotations(tmp_path / name).data["path"]
        assert sorted({os.path.realpath(path) for path in found}) == photos, name
    for args in (
        ("predict", f"{NO_TEXT}.kpd", f"{NO_TEXT}-.png", "--whole", "--out", "p.csv"),
        ("predict", f"{NO_TEXT}-.kpd", "a.json", "--out", "p.csv"),
        ("predict", f"{NO_TEXT}.kpd", "a.json", "--out", f"{NO_TEXT}-/p.csv"),
    ):
        result = run(*args)
        assert result.exit_code == 1, result.output
        assert result.stderr.count("\n") == 1
        assert "gesicht_\\udcff" in result.stderr


def test_what_comes_from_a_file_does_not_command_the_terminal(run, tmp_path):
    category = "\x1b]0;title\x07"
    (tmp_path / "a.json").write_text(
        '{"images": [{"id": 1, "file_name": "\\u001b]0;title\\u0007.png"}], "annotations":'
        ' [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]}], "categories":'
        ' [{"id": 1, "name": "cat", "keypoints": ["nose"]}]}'
    )
    result = run("train", "a.json", "--out", "m.kpd")
    assert result.exit_code == 1
    assert "\\x1b]0;title\\x07.png" in result.stderr
    assert category not in result.output


def test_version_and_help(run):
    assert sklearn_kpd.__version__ in run("--version").output
    for command in ("demo", "train", "evaluate", "predict"):
        assert command in run("--help").output
        assert run(command, "--help").exit_code == 0
