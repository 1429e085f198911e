import csv
import io
import json

import pytest

from sklearn_kpd.datasets.annotations import via
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real

A = {"nose": (99, 144), "left_eye": (104, 141), "right_eye": (96, 137), "right_ear": (78, 133)}
B = {"nose": (343, 164), "left_ear": (359, 163), "right_ear": (332, 164)}


@pytest.mark.parametrize(
    "name", ["handmade_named_points.json", "handmade_named_points.csv", "handmade_project.json"]
)
def test_real_named_points(name):
    found = read(via, real(f"via/{name}"))
    first, second, third = found.objects
    assert first.points.items() >= A.items()
    assert {"left_ear", "left_elbow", "right_wrist"}.isdisjoint(first.points)
    assert first.hidden == {"left_hip", "right_hip", "right_ankle"}
    assert second.points.items() >= B.items()
    assert third.points == {}
    assert third.box == (275, 126, 286, 194)
    assert len(first.points) + len(second.points) == 29


def test_real_points_without_names():
    found = read(via, real("via/points_without_names.json"))
    images = [item.image for item in found.objects]
    assert [images.count(image) for image in dict.fromkeys(images)] == [5, 5, 10, 84]
    assert "20250829_205633(0).jpg" in images
    first = [item for item in found.objects if item.image == "20250829_205130.jpg"]
    assert (first[0].points, first[-1].points) == ({"point": (410, 445)}, {"point": (890, 504)})


def point(x, y, **attributes):
    return {
        "shape_attributes": {"name": "point", "cx": x, "cy": y},
        "region_attributes": attributes,
    }


def rectangle(*numbers, **attributes):
    shape = dict(zip(("x", "y", "width", "height"), numbers, strict=True))
    return {"shape_attributes": {"name": "rect", **shape}, "region_attributes": attributes}


TWO = [
    rectangle(0, 10, 20, 30, person="1"),
    point(1, 2, person="1", keypoint="nose", visible="yes"),
    point(3, 4, person="2", keypoint="nose", visible="no"),
    point(5, 6, person="1", keypoint="tail", visible=""),
]


def as_json(regions, name="a b.jpg"):
    return {f"{name}-1": {"filename": name, "size": -1, "regions": regions, "file_attributes": {}}}


def version_1(regions):
    regions = {str(number): region for number, region in enumerate(regions)}
    return as_json(regions) | {}


def project(regions):
    return {"_via_settings": {}, "_via_img_metadata": as_json(regions), "_via_attributes": {}}


def as_csv(regions, mark=""):
    file = io.StringIO()
    writer = csv.writer(file)
    columns = ["file_size", "file_attributes", "region_count", "region_id"]
    writer.writerow([f"{mark}filename", *columns, "region_shape_attributes", "region_attributes"])
    for number, region in enumerate(regions):
        texts = [json.dumps(value) for value in region.values()]
        writer.writerow(["a b.jpg", 7, "{}", len(regions), number, *texts])
    writer.writerow(["empty.jpg", 8, "{}", 0, 0, "{}", "{}"])
    return file.getvalue()


WRITERS = {
    "2 JSON": lambda regions: json.dumps(as_json(regions)),
    "2 project": lambda regions: json.dumps(project(regions), indent=1),
    "2 CSV": as_csv,
    "1 JSON": lambda regions: json.dumps(version_1(regions)),
    "1 CSV": lambda regions: as_csv(regions, mark="#"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_layouts(tmp_path, writer):
    path = tmp_path / "via"
    path.write_text(WRITERS[writer](TWO))
    found = read(via, path)
    first, second = found.objects
    assert first.points == {"nose": (1, 2), "tail": (5, 6)}
    assert (first.box, first.hidden) == ((0, 10, 20, 40), frozenset())
    assert (second.points, second.box, second.hidden) == ({"nose": (3, 4)}, None, {"nose"})
    assert first.image == "a b.jpg"
    assert found.names == {None: ("nose", "tail")}
    assert not found.names_are_all


@pytest.mark.parametrize(
    ("regions", "points"),
    [
        ([point(1, 2, landmark="nose")], [{"nose": (1, 2)}]),
        ([point(1, 2, anything="nose")], [{"nose": (1, 2)}]),
        ([point(1, 2, Part={"nose": True, "tail": False})], [{"nose": (1, 2)}]),
        ([point(1, 2), point(3, 4, note="")], [{"point": (1, 2)}, {"point": (3, 4)}]),
        ([rectangle(1, 2, 3, 4), rectangle(5, 6, 7, 8)], [{}, {}]),
        ([{"shape_attributes": {"name": "circle"}, "region_attributes": {}}], []),
    ],
)
def test_attributes_as_people_call_them(tmp_path, regions, points):
    path = tmp_path / "via.json"
    path.write_text(json.dumps(as_json(regions)))
    assert [item.points for item in read(via, path).objects] == points


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([point(1, 2, name="nose"), point(3, 4, name="nose")], "region 1: a second point 'nose'"),
        ([point(1, 2, colour="red", size="5")], "region 0: none of the attributes colour, size"),
        ([point("1", 2, name="nose")], "region 0, cx: '1'"),
        ([point(1, None, name="nose")], "region 0, cy: None"),
        ([point(1, 1e400, name="nose")], "region 0, cy: inf"),
        ([point(1, 2, name="nose", visible="perhaps")], "'perhaps' is neither yes nor no"),
        ([rectangle(1, 2, -3, 4)], "region 0"),
        ([rectangle(1, 2, 3, 4), rectangle(1, 2, 3, 4), point(1, 2, name="n")], "2 rectangles"),
        (["region"], "region 0: an object of JSON"),
        ("regions", "filename or regions is missing"),
    ],
)
def test_what_is_left_open_is_an_error(tmp_path, regions, message):
    path = tmp_path / "via.json"
    path.write_text(json.dumps(as_json(regions)))
    with pytest.raises(AnnotationError, match=message) as raised:
        read(via, path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "\n".join(text.splitlines()[:3]), "2 regions where region_count says 4"),
        (lambda text: text.replace(",4,2,", ",5,2,"), "line 4: region_count changes"),
        (lambda text: text.replace('""cy""', '""cy'), "line 3, region 1: no JSON"),
        (lambda text: text.replace("empty.jpg,8", "empty.jpg"), "line 6: 6 fields"),
    ],
)
def test_a_damaged_table(tmp_path, change, message):
    path = tmp_path / "via.csv"
    path.write_text(change(as_csv(TWO)))
    with pytest.raises(AnnotationError, match=message):
        read(via, path)
