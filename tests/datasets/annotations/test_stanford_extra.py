import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.datasets.annotations.stanford_extra import NAMES
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

ITEM = {
    "img_path": "dogs/a.jpg",
    "img_width": 360,
    "img_height": 296,
    "joints": [[258.5, 277, 1.0], [131.5, 64, 0.0], *[[0, 0, 0]] * 22],
    "img_bbox": [7, 13, 349, 279],
}


def load(tmp_path, item=ITEM):
    path = tmp_path / "dogs.json"
    path.write_text(json.dumps([item]))
    return load_annotations(path)


def test_joints(tmp_path):
    found = load(tmp_path)
    assert found.visibility.to_numpy().tolist() == [[2, *[0] * 23]]
    assert found.target.iloc[0, :2].tolist() == [258.5, 277]
    assert found.data.iloc[0].tolist() == ["dogs/a.jpg", 7, 13, 356, 292]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": [[1, 2, 1]]}, "1 joints where 24"),
        ({"joints": [[1, 2]] * 24}, r"joint 'Left front leg: paw': a joint is \[x, y, v\]"),
        ({"joints": [[1, 2, 2]] * 24}, "v is 2"),
        ({"joints": [[None, 2, 1]] * 24}, "None"),
        ({"img_width": None}, "width"),
        ({"img_path": 3}, "'img_path'"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, change, message):
    with pytest.raises(AnnotationError, match=rf"dogs\.json, item 0.*{message}"):
        load(tmp_path, {**ITEM, **change})


def test_real_dogs():
    path = real("stanford_extra/StanfordExtra_sample.json")
    found = load_annotations(path)
    assert len(found.data) == 25
    names = {name.rsplit("/", 1)[1]: row for row, name in enumerate(found.data["path"])}
    first = found.target.loc[names["n02087394_10591.jpg"]]
    assert first.iloc[:2].tolist() == [258.5, 277]
    np.testing.assert_allclose(first[["Nose_x", "Nose_y"]], [301.333, 50.667], atol=1e-3)
    other = found.target.loc[names["n02087394_1352.jpg"]]
    assert np.isnan(other.iloc[30])  # v = 0 with coordinates
    definitions = (path.parent / "keypoint_definitions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in definitions] == list(NAMES)
    with pytest.raises(AnnotationError, match="21 of the 25|21 of 25"):
        load_annotations(path, images=path.parent / "sample_imgs")
