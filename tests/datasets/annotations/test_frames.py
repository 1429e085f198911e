"""Keypoints on frames of a video, as DeepLabCut's table of tracks."""

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.datasets import load_annotations, save_annotations

Y = pd.DataFrame(
    [[1.5, 2.25, 3.0, 4.0], [5.0, 6.0, np.nan, np.nan], [7.0, 8.0, 9.0, 10.1]],
    columns=["nose_x", "nose_y", "tail_x", "tail_y"],
)


def test_what_is_written_is_deeplabcuts_table(tmp_path):
    X = pd.DataFrame({"path": "mouse.mp4", "frame": [4, 5, 9]})
    path = tmp_path / "tracks.csv"
    save_annotations(X, Y, path, "deeplabcut")
    table = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    assert table.columns.names == ["scorer", "bodyparts", "coords"]
    assert table.index.tolist() == [4, 5, 9]
    nose = table["sklearn_kpd"]["nose"]
    assert nose.columns.tolist() == ["x", "y", "likelihood"]
    np.testing.assert_array_equal(nose[["x", "y"]], Y[["nose_x", "nose_y"]])
    likelihood = table["sklearn_kpd"]["tail"]["likelihood"]
    np.testing.assert_array_equal(likelihood, [1, np.nan, 1])
    found = load_annotations(path)
    assert found.frame.tolist() == [4, 5, 9]
    np.testing.assert_array_equal(found.target[Y.columns], Y)


def test_objects_of_one_frame_are_individuals(tmp_path):
    X = pd.DataFrame({"path": "mouse.mp4", "frame": [4, 4, 9]})
    path = tmp_path / "tracks.csv"
    save_annotations(X, Y, path, "deeplabcut")
    found = load_annotations(path)
    assert found.frame.tolist() == [4, 4, 9]
    assert found.track.tolist() == ["individual1", "individual2", "individual1"]
    np.testing.assert_array_equal(found.target[Y.columns], Y)


@pytest.mark.parametrize(("X", "format", "message"), [
    ({"path": "a.mp4", "frame": [0, 1, 2]}, "coco", "coco names photographs; frames of a video"),
    ({"path": ["a.mp4", "a.mp4", "b.mp4"], "frame": 0}, "deeplabcut", "is about one video"),
    ({"path": "a.mp4", "frame": [0, 1, None]}, "deeplabcut", "and no photographs"),
])  # fmt: skip
def test_what_the_table_cannot_hold(tmp_path, X, format, message):
    with pytest.raises(ValueError, match=message):
        save_annotations(pd.DataFrame(X, index=range(3)), Y, tmp_path / "t.csv", format)
    assert not list(tmp_path.iterdir())
