"""Frames of videos: generated ones, each frame with grey levels and a dot of its own."""

import os
import pickle
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.inspection import PhotographDisplay
from sklearn_kpd.photographs import BoxFinder, find_faces, read_video, write_video
from sklearn_kpd.photographs.video import VideoReader
from tests.helpers import tiny_regressor

SIZE = (48, 64)
ROBOT = Path(__file__).parents[2] / "../shared/data/annotations/sleap/small_robot_3_frame.mp4"
CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


def centre(number):
    """Where the dot of a frame is."""
    return 10 + number % 40, 12 + number // 4


def write(path, numbers, size=SIZE):
    """Write a video whose frames have known numbers."""
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), codec, 20.0, size[::-1])
    if not writer.isOpened():
        pytest.skip(f"this build of OpenCV has no codec for {path.suffix}")
    for number in numbers:
        frame = np.full((*size, 3), 5 * number, np.uint8)
        cv2.circle(frame, centre(number), 5, (255, 255, 255), -1)
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(params=list(CODECS))
def video(request, tmp_path):
    return write(tmp_path / f"video{request.param}", range(30))


def number_of(pixels):
    """The number of a frame, from the grey level of a corner."""
    return round(float(pixels[-6:, -6:].mean()) / 5)


def test_a_table_of_frames(video):
    X = read_video(video)
    assert list(X.columns) == ["path", "frame"]
    assert X["frame"].tolist() == list(range(30))
    assert set(X["path"]) == {str(video)}


@pytest.mark.parametrize("order", [
    range(30), range(29, -1, -1), [5, 5, 29, 0, 17, 5], range(3, 30, 7), [29],
])  # fmt: skip
def test_frames_are_the_right_ones_in_any_order(video, order):
    reader = VideoReader(video)
    found = [number_of(reader.read(number)) for number in order]
    assert np.abs(np.array(found) - list(order)).max() <= 1  # the codec may blur a grey level
    X = read_video(video).iloc[list(order)]
    crops = CropTransformer(size=SIZE, margin=0).fit_transform(X)
    assert len(crops.pixels()) == len(X)
    for number, pixels in zip(order, crops.pixels(), strict=True):
        rows, columns = np.nonzero(pixels[..., 0] > 200)
        np.testing.assert_allclose([columns.mean(), rows.mean()], centre(number), atol=0.5)


def test_batches_in_order_decode_the_video_once(video, monkeypatch):
    starts = []
    start = VideoReader._start
    monkeypatch.setattr(VideoReader, "_start", lambda self: (starts.append(1), start(self)))
    crops = CropTransformer(size=SIZE, margin=0).fit_transform(
        pd.DataFrame({"path": [video] * 30, "frame": range(30)})
    )
    for first in range(0, 30, 7):
        crops[first : first + 7]
    assert len(starts) == 1


def test_parts_in_order_decode_the_video_once(video, monkeypatch):
    starts = []
    start = VideoReader._start
    monkeypatch.setattr(VideoReader, "_start", lambda self: (starts.append(1), start(self)))
    crops = CropTransformer(size=SIZE, margin=0).fit_transform(
        pd.DataFrame({"path": [video] * 30, "frame": range(30)})
    )
    parts = [crops.part(slice(first, first + 7)).pixels() for first in range(0, 30, 7)]
    assert len(starts) == 1
    np.testing.assert_array_equal(np.concatenate(parts), crops.pixels())


def test_frames_photographs_and_boxes_in_one_table(video, tmp_path):
    picture = tmp_path / "photograph.png"
    cv2.imwrite(str(picture), np.full((30, 40, 3), 77, np.uint8))
    X = pd.DataFrame({
        "path": [str(video), str(picture), str(video), str(video)],
        "frame": [20, None, 4, 20],
        "left": [0, 0, 0, 20], "top": [0, 0, 0, 7], "right": [64, 40, 64, 40],
        "bottom": [48, 30, 48, 27],
    })  # fmt: skip
    crops = CropTransformer(size=20, margin=0).fit_transform(X)
    assert crops.n_photographs == 3
    assert crops.paths == X["path"].tolist()
    assert (crops.pixels()[1] == 77).all()
    rows, columns = np.nonzero(crops.pixels([3])[0, ..., 0] > 200)
    np.testing.assert_allclose(
        [columns.mean() + 20, rows.mean() + 7], centre(20), atol=0.5
    )  # one pixel of the crop is one of the frame


def test_colours_and_the_turn_are_those_that_a_viewer_shows(tmp_path):
    path = tmp_path / "colour.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, SIZE[::-1])
    if not writer.isOpened():
        pytest.skip("this build of OpenCV has no codec for .mp4")
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[:16, :16] = (0, 0, 255)  # red, as OpenCV has it
    writer.write(frame)
    writer.release()
    red = VideoReader(path).read(0)[4:12, 4:12].mean(axis=(0, 1))
    assert red[0] > 200
    assert red[1:].max() < 60
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    struct.pack_into(">9i", content, matrix, 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    reader = VideoReader(path)
    if reader.size() == SIZE:
        pytest.skip("this build of OpenCV does not turn videos")
    assert reader.size() == SIZE[::-1]
    turned = reader.read(0)
    assert turned.shape[:2] == SIZE[::-1]
    assert turned[4:12, -12:-4, 0].mean() > 200  # the left upper corner is at the right now


def test_a_pipeline_learns_from_frames_and_predicts_them(video):
    X = read_video(video)
    y = pd.DataFrame([centre(n) for n in X["frame"]], columns=["dot_x", "dot_y"]).astype(float)
    pipe = Pipeline([
        ("crop", CropTransformer(size=32, margin=0)),
        ("augment", AugmentTransformer(rotation=5)),
        ("regressor", tiny_regressor(epochs=1, validation_split=0)),
    ])  # fmt: skip
    pipe.fit(X, y)
    found = pipe.predict(X)
    assert found.shape == (30, 2)
    assert np.abs(found - y.mean().to_numpy()).max() < 40  # pixels of the frame
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(pipe.predict(X.iloc[order]), found[order], atol=1e-3)
    crops = pipe[0].transform(X)
    crops[:2]
    copied = pickle.loads(pickle.dumps(crops))
    assert len(pickle.dumps(crops)) < 10_000
    np.testing.assert_array_equal(copied[:2], crops[:2])
    # one video is one group, of which no part can be held out unseen
    whole = clone(pipe).set_params(regressor__validation_split=0.2)
    with pytest.raises(ValueError, match="one group"):
        whole.fit(X, y)


def bright_spot(picture):
    """Find the dot, if it is there."""
    rows, columns = np.nonzero(picture.mean(axis=2) > 200)
    return [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)] if len(rows) else []


def test_objects_are_found_in_frames_in_one_pass(video, tmp_path, monkeypatch):
    starts = []
    start = VideoReader._start
    monkeypatch.setattr(VideoReader, "_start", lambda self: (starts.append(1), start(self)))
    X = read_video(video).iloc[2:20]
    starts.clear()
    found = find_faces(X, detector=bright_spot)
    assert len(starts) == 1
    assert list(found.columns) == ["path", "frame", "left", "top", "right", "bottom"]
    assert found["frame"].tolist() == list(range(2, 20))
    middles = (found[["left", "top"]].to_numpy() + found[["right", "bottom"]].to_numpy() - 1) / 2
    np.testing.assert_allclose(middles, [centre(n) for n in range(2, 20)], atol=1)
    assert CropTransformer(size=16).fit_transform(found).pixels().shape == (18, 16, 16, 1)
    with pytest.warns(UserWarning, match="No face was found in 18 of 18"):
        nothing = find_faces(X, detector=lambda picture: [])
    assert len(nothing) == 0
    picture = tmp_path / "dot.png"
    cv2.imwrite(str(picture), cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 5, 255, -1))
    both = find_faces(
        pd.DataFrame({"path": [str(picture), str(video)], "frame": [None, 7]}),
        detector=bright_spot,
    )
    assert both["frame"].isna().tolist() == [True, False]
    assert both["frame"][1] == 7


def test_frames_are_shown_and_boxes_learnt(video):
    X = read_video(video).iloc[[3, 3, 9]]
    points = np.array([centre(n) for n in X["frame"]], dtype=float)
    display = PhotographDisplay.from_predictions(X, points)
    assert display.titles == [f"{video.name}, frame 3", f"{video.name}, frame 9"]
    assert [len(true) for true in display.points_true] == [2, 1]
    assert abs(number_of(display.photographs[1]) - 9) <= 1
    with pytest.raises(ValueError, match=r"X, row 1: .* is in an earlier row too"):
        BoxFinder(epochs=1).fit(X, points)


@pytest.mark.parametrize("ending", list(CODECS))
def test_drawn_copies(video, tmp_path, ending):
    X = read_video(video).iloc[3:9]
    y = pd.DataFrame(np.tile([30.0, 20.0, 40.0, 20.0], (6, 1)),
                     columns=["a_x", "a_y", "b_x", "b_y"])  # fmt: skip
    y.iloc[2] = np.nan
    y.iloc[3, :2] = 1e12  # far outside draws nothing that can be seen, and breaks nothing
    out = tmp_path / f"drawn{ending}"
    write_video(out, X, y, skeleton=[("a", "b")])
    drawn = VideoReader(out)
    assert drawn.count() == 6
    assert drawn.rate() == 20.0
    for at, number in enumerate(X["frame"]):
        # grey without a dot; the first colour is green, the line is white
        frame = drawn.read(at).astype(int)
        red, green, _ = frame[20, 30]
        assert (green - red > 60) == (at not in (2, 3)), number
        assert (frame[20, 35].mean() > 150) == (at not in (2, 3)), number


def test_several_objects_of_a_frame_are_drawn_into_it(video, tmp_path):
    X = read_video(video).iloc[[0, 0, 1]]
    write_video(tmp_path / "o.avi", X, np.array([[30.0, 20], [50, 40], [30, 20]]))
    reader = VideoReader(tmp_path / "o.avi")
    assert reader.count() == 2
    frame = reader.read(0).astype(int)
    for x, y in ((30, 20), (50, 40)):
        assert frame[y, x, 1] - frame[y, x, 0] > 60


@pytest.mark.parametrize(("content", "message"), [
    (None, "nothing.mp4: no such file"),
    (b"", "no video that OpenCV can read"),
    (b"no video at all, but text" * 50, "no video that OpenCV can read"),
])  # fmt: skip
def test_what_is_no_video(tmp_path, content, message):
    path = tmp_path / ("nothing.mp4" if content is None else "text.mp4")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PhotographError, match=message):
        read_video(path)


def test_a_video_that_is_cut_off_is_warned_of(tmp_path):
    path = write(tmp_path / "video.avi", range(30))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"promises 30 frames, and \d+ can be decoded"):
        X = read_video(path)
    assert 5 < len(X) < 25


def test_a_frame_that_is_not_there_names_its_row(video):
    X = pd.DataFrame({"path": [str(video)] * 2, "frame": [3, 400]})
    crops = CropTransformer(size=16).fit_transform(X)
    with pytest.raises(PhotographError, match=r"X, row 1: .*has no frame 400; 30 can be decoded"):
        crops.pixels()


@pytest.mark.parametrize("number", [-1, 1.5, "first", np.inf])
def test_numbers_of_frames_are_checked(number):
    X = pd.DataFrame({"path": ["a.mp4", "a.mp4"], "frame": [0, number]})
    with pytest.raises(ValueError, match=r"X, row 1: frame .* is no number of a frame"):
        CropTransformer().fit(X)


def test_what_cannot_be_written(video, tmp_path, monkeypatch):
    X, points = read_video(video), np.zeros((30, 2))
    old = tmp_path / "old.avi"
    old.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"videos are written as \.mp4 or \.avi"):
        write_video(tmp_path / "drawn.gif", X, points)
    with pytest.raises(ValueError, match="X has 30 rows, points has 29"):
        write_video(old, X, points[1:])
    with pytest.raises(ValueError, match="frames of one video"):
        write_video(old, pd.DataFrame({"path": ["a.jpg"] * 30}), points)
    with pytest.raises(ValueError, match="skeleton joins 'tail'"):
        write_video(old, X, points, skeleton=[("tail", 0)])
    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "count", lambda self: 7)
        with pytest.raises(OSError, match="7 of 30 frames could be written"):
            write_video(old, X, points)
    assert old.read_bytes() == b"old"
    assert not list(tmp_path.glob("old.avi.*"))


def test_a_real_video():
    if not ROBOT.exists():
        pytest.skip("the shared data are not there")
    X = read_video(ROBOT)
    assert len(X) == 3
    crops = CropTransformer(size=(32, 56), margin=0, color="rgb").fit_transform(X)
    np.testing.assert_allclose(crops.areas, [[0, 0, 560, 320]] * 3)
    assert crops.pixels().std() > 10


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_no_text(tmp_path):
    """OpenCV ends the process that gives it such a name as text."""
    path = tmp_path / os.fsdecode(b"film \xff.avi")
    writer = cv2.VideoWriter(os.fsencode(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    X = read_video(path)
    assert X["path"].tolist() == [str(path)] * 3
    folder = tmp_path / os.fsdecode(b"\xfe")
    folder.mkdir()
    write_video(folder / path.name, X, np.full((3, 2), 9.0))
    assert os.listdir(folder) == [path.name]
    assert len(read_video(folder / path.name)) == 3
    faces = find_faces(X, detector=lambda picture: [(0, 0, 32, 32)])
    assert faces["path"].tolist() == [str(path)] * 3
