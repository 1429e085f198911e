import copy
import json

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

META = {
    "classes": [
        {
            "title": "cat",
            "shape": "graph",
            "geometry_config": {
                "nodes": {"n": {"label": "nose"}, "t": {"label": "tail"}},
                "edges": [{"src": "n", "dst": "t"}],
            },
        },
        {"title": "box", "shape": "rectangle"},
    ]
}
CONTENT = {
    "size": {"height": 100, "width": 200},
    "objects": [
        {"geometryType": "rectangle", "classTitle": "box", "points": {}},
        {
            "geometryType": "graph",
            "classTitle": "cat",
            "nodes": {"t": {"loc": [1.5, 2], "disabled": True}},
        },
    ],
}


def load(tmp_path, content=CONTENT, meta=META):
    (tmp_path / "ds/ann").mkdir(parents=True, exist_ok=True)
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "ds/ann/a.jpg.json").write_text(json.dumps(content))
    return load_annotations(tmp_path)


def test_graphs(tmp_path, picture):
    path = picture("ds/img/a.jpg", width=200, height=100)
    found = load(tmp_path)
    np.testing.assert_array_equal(found.target, [[np.nan, np.nan, 1.5, 2]])
    assert found.keypoint_names == ["nose", "tail"]
    assert found.visibility.to_numpy().tolist() == [[0, 1]]
    assert found.skeleton == [("nose", "tail")]
    assert found.data["path"].tolist() == [str(path)]
    assert "a 'rectangle' is no graph" in found.left_out["reason"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classTitle": "dog"}, "meta.json has no class 'dog'"),
        ({"nodes": {"x": {"loc": [1, 2]}}}, "meta.json has no node 'x' of 'cat'"),
        ({"nodes": {"n": {"loc": [1]}}}, r"node nose: 'loc' is \[x, y\]"),
        ({"nodes": {"n": {"loc": [1, None]}}}, "node nose: None"),
        ({"nodes": {"n": {}}}, "node nose: 'loc' is missing"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path, change, message):
    content = copy.deepcopy(CONTENT)
    content["objects"][1].update(change)
    with pytest.raises(AnnotationError, match=rf"a\.jpg\.json, objects\[1\].*{message}"):
        load(tmp_path, content)


def test_damage_of_the_meta_file(tmp_path):
    meta = copy.deepcopy(META)
    meta["classes"][0]["geometry_config"]["edges"][0]["dst"] = "x"
    with pytest.raises(AnnotationError, match=r"meta\.json, classes\[0\], edges.*no node 'x'"):
        load(tmp_path, meta=meta)


def test_real_project():
    found = load_annotations(real("supervisely/handmade_project"))
    a, b = (found.target.loc[k] for k in (0, 1))
    assert a[["nose_x", "nose_y", "left_hip_x", "left_hip_y"]].tolist() == [99, 144, 57, 246]
    assert b[["nose_x", "nose_y", "left_ear_x", "left_ear_y"]].tolist() == [343, 164, 359, 163]
    hidden = found.visibility.loc[0]
    assert hidden.index[hidden == 1].tolist() == ["left_hip", "right_hip", "right_ankle"]
    assert hidden["left_ear"] == 0
    assert found.missing_images == []


def test_real_object_of_the_documentation():
    found = load_annotations(real("supervisely/documentation_graph_object.json"))
    node = "8e20c830-ee86-450f-9d21-833eec53e3c5"
    assert found.target.loc[0, [f"{node}_x", f"{node}_y"]].tolist() == [1017, 1556]
