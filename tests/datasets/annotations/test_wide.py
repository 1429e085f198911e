import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sklearn_kpd.datasets.annotations import wide
from sklearn_kpd.datasets.annotations._tables import keypoint_columns
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real

A = {"nose": (99, 144), "left_eye": (104, 141), "right_eye": (96, 137), "right_ear": (78, 133)}
B = {
    "nose": (343, 164),
    "left_eye": (348, 160),
    "right_eye": (340, 160),
    "left_ear": (359, 163),
    "right_ear": (332, 164),
}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("a_filename_name_x_name_y", {}),
        ("b_spaces_dots_nan_semicolon_comma", {}),
        ("c_x_block_then_y_block_minus1", {"missing_value": -1}),
        ("d_xyv_zero", {}),
    ],
)
def test_real_dialects(name, parameters):
    found = read(wide, real(f"wide_csv/handmade/{name}.csv"), **parameters)
    first, second, third = found.objects
    assert {name.replace(" ", "_"): point for name, point in first.points.items()} == A
    assert {name.replace(" ", "_"): point for name, point in second.points.items()} == B
    assert third.points == {}


def test_real_relative_table():
    path = real("wide_csv/handmade/e_relative_no_header.csv")
    first, second, third = read(wide, path, images=real("coco/coco_val")).objects
    for item, points in ((first, A), (second, B)):
        expected = {str(list(B).index(name)): point for name, point in points.items()}
        assert set(item.points) == set(expected)
        for name, point in expected.items():
            assert item.points[name] == pytest.approx(point, abs=1e-3)
    assert third.points == {}


def test_real_long_table():
    first, second = read(wide, real("wide_csv/handmade/f_long.csv")).objects
    assert first.points.items() >= A.items()
    assert second.points.items() >= B.items()
    assert first.hidden == {"left_hip", "right_hip", "right_ankle"}


def test_real_minus_ones_are_not_guessed():
    with pytest.raises(AnnotationError, match="line 2, left_ear: .* pass missing_value=-1"):
        read(wide, real("wide_csv/handmade/c_x_block_then_y_block_minus1.csv"))


def test_real_muct():
    found = read(wide, real("wide_csv/muct/muct76-opencv_sample.csv"))
    items = {item.image: item for item in found.objects}
    assert len(items) == 210
    assert items["i000qa-fn"].points["00"] == (201, 348)
    assert items["i000qa-fn"].points["01"] == (201, 381)
    assert "15" not in items["i000qb-fn"].points
    n_names = len(found.names[None])
    gaps = [n_names - len(item.points) for item in found.objects]
    assert (sum(gaps), sum(gap > 0 for gap in gaps)) == (98, 38)


def test_real_vggface2():
    found = read(wide, real("wide_csv/vggface2/loose_landmark_train.csv"))
    assert found.objects[0].image == "n000001/0001_01"
    assert found.objects[0].points["P1"] == (2.787, 2.898)
    assert found.names == {None: ("P1", "P2", "P3", "P4", "P5")}


def test_real_boxes_are_no_keypoints():
    path = real("wide_csv/vggface2/loose_bb_train.csv")
    assert not wide.is_this(path, path.read_bytes())


def test_real_celeba():
    found = read(wide, real("wide_csv/celeba/list_landmarks_align_celeba.txt"))
    assert len(found.objects) == 5
    assert found.objects[0].image == "000001.jpg"
    assert found.objects[0].points["lefteye"] == (69, 109)


def test_real_udacity():
    found = read(wide, real("udacity_csv/training_frames_keypoints.csv"))
    assert len(found.objects) == 150
    assert found.objects[0].image == "Luis_Fonsi_21.jpg"
    points = found.objects[0].points
    assert (points["0"], points["1"], points["67"]) == ((45, 98), (47, 106), (77, 122))


TABLES = {
    "suffix": "image,nose_x,nose_y,tail_x,tail_y\na.png,1,2.5,,\n",
    "dots and blanks": "file name,nose.X,nose.Y,tail.X,tail.Y\na.png,1,2.5,NaN,NaN\n",
    "a blank": "Image,nose x,nose y,tail x,tail y\na.png,1,2.5,NA,NA\n",
    "prefix": "path,x_nose,x_tail,y_nose,y_tail\na.png,1,nan,2.5,nan\n",
    "prefix, written large": "img_path,X_nose,Y_nose,X_tail,Y_tail\na.png,1,2.5,,\n",
    "glued": "file,noseX,noseY,tailX,tailY\na.png,1,2.5,,\n",
    "visibility": "file,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v\na.png,1,2.5,2,0,0,0\n",
    "other columns": "tag,nose_x,nose_y,file,tail_x,tail_y,age\nq,1,2.5,a.png,,,7\n",
    "decimal comma": "image;nose_x;nose_y;tail_x;tail_y\na.png;1,0;2,5;;\n",
    "quoted decimal comma": 'image,nose_x,nose_y,tail_x,tail_y\na.png,1,"2,5",,\n',
    "tabs": "image\tnose_x\tnose_y\ttail_x\ttail_y\na.png\t1\t2.5\t\t\n",
    "blanks": "image  nose_x nose_y  tail_x tail_y\na.png  1  2.5 nan  nan\n",
    "blanks and a count": "1\nnose_x nose_y tail_x tail_y\na.png 1 2.5 nan nan\n",
    "byte order mark": "\ufeffimage,nose_x,nose_y,tail_x,tail_y\na.png,1,2.5,,\n",
    "quotes": '"image","nose_x","nose_y","tail_x","tail_y"\r\n"a.png","1","2.5","",""\r\n',
    "long": "image,keypoint,x,y\na.png,nose,1,2.5\na.png,tail,,\n",
    "long, visible": "image,bodypart,x,y,visible\na.png,nose,1,2.5,yes\na.png,tail,0,0,0\n",
}


@pytest.mark.parametrize("dialect", TABLES)
def test_dialects(tmp_path, dialect):
    path = tmp_path / "table.csv"
    path.write_text(TABLES[dialect], newline="")
    found = read(wide, path)
    [item] = found.objects
    assert (item.image, item.points) == ("a.png", {"nose": (1, 2.5)})
    assert found.names == {None: ("nose", "tail")}
    assert found.names_are_all is not dialect.startswith("long")


def test_a_table_in_utf_16(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text(TABLES["tabs"], encoding="utf-16")
    assert read(wide, path).objects[0].points == {"nose": (1, 2.5)}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (",0,1,2,3\na.png,1,2.5,,\n", ("0", "1")),
        ("a.png,1,2.5,,\n", ("0", "1")),
        ("a.png 1 2.5 nan nan\n", ("0", "1")),
        ("name,x00,y00,x01,y01\na.png,1,2.5,,\n", ("00", "01")),
        ("NAME_ID,P1X,P1Y,P2X,P2Y\na.png,1,2.5,,\n", ("P1", "P2")),
        ("name,x1,x2,y1,y2\na.png,1,,2.5,\n", ("1", "2")),
        ("name,1x,1y,2x,2y\na.png,1,2.5,,\n", ("1", "2")),
    ],
)
def test_numbered_keypoints(tmp_path, content, names):
    path = tmp_path / "table.csv"
    path.write_text(content)
    found = read(wide, path)
    assert found.objects[0].points == {names[0]: (1, 2.5)}
    assert found.names == {None: names}


BOXES = {
    "xmin,ymin,xmax,ymax": "10,20,30,60",
    "left,top,right,bottom": "10,20,30,60",
    "bbox_x,bbox_y,bbox_w,bbox_h": "10,20,20,40",
    "x_min,y_min,x_max,y_max": "10,20,30,60",
}


@pytest.mark.parametrize("columns", BOXES)
def test_what_else_a_table_tells(tmp_path, columns):
    path = tmp_path / "table.csv"
    path.write_text(
        f"path,person,category,track,width,height,{columns},nose_x,nose_y,nose_v\n"
        f"v\\a.png,7,cat,t1,40,50,{BOXES[columns]},1,2,1\n"
        f"v\\a.png,8,cat,,40,50,,,,,3,4,2\n"
    )
    first, second = read(wide, path).objects
    assert (first.image, first.category, first.track) == ("v/a.png", "cat", "t1")
    assert (first.box, second.box) == ((10, 20, 30, 60), None)
    assert first.image_size == (50, 40)
    assert (first.hidden, second.hidden) == ({"nose"}, frozenset())
    assert first.where == f"{path}, line 2, object 7"


def test_without_a_2_a_1_means_labelled(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("path,a_x,a_y,a_v,b_x,b_y,b_v\n1.png,1,2,1,3,4,0\n")
    [item] = read(wide, path).objects
    assert (item.points, item.hidden) == ({"a": (1, 2)}, frozenset())


@pytest.mark.parametrize("columns", ["", "width,height,"])
def test_relative_coordinates_need_the_image(tmp_path, columns):
    path = tmp_path / "table.csv"
    path.write_text(f"path,{columns}a_x,a_y\n1.png,{'40,20,' if columns else ''}0.25,1.05\n")
    if not columns:
        with pytest.raises(AnnotationError, match="line 2: the size of the image 1.png"):
            read(wide, path)
        Image.new("L", (40, 20)).save(tmp_path / "1.png")
    assert read(wide, path).objects[0].points == {"a": (10, 21)}


@pytest.mark.parametrize("value", [0, -1])
def test_marks_of_missing_points_are_not_guessed(tmp_path, value):
    path = tmp_path / "table.csv"
    path.write_text(f"path,a_x,a_y,b_x,b_y\n1.png,{value},{value},{value},5\n")
    with pytest.raises(AnnotationError, match=f"line 2, a: .* pass missing_value={value} "):
        read(wide, path)
    [item] = read(wide, path, missing_value=value).objects
    assert item.points == {"b": (value, 5)}
    [item] = read(wide, path, missing_value=math.nan).objects
    assert item.points == {"a": (value, value), "b": (value, 5)}


HEADER = "path,nose_x,nose_y,tail_x,tail_y\n"

DAMAGED = {
    HEADER + "a.png,1,2,3,4\nb.png,1,2,3\n": "line 3: 4 fields where 5 must stand",
    HEADER + "a.png,1,2,3,x\n": "line 2, tail: 'x'",
    HEADER + "a.png,1,2,3,\n": "line 2, tail: only one of its two coordinates",
    HEADER + "a.png,1,2,3,1_0\n": "line 2, tail: '1_0'",
    HEADER + "a.png,1,2,3,inf\n": "line 2, tail",
    HEADER + "a.png,1,2,3,1e300\n": "line 2, tail",
    HEADER + ",1,2,3,4\n": "line 2: the path of the image is missing",
    HEADER + 'a.png,1,2,3,"4\n': "line 2: unexpected end of data",
    HEADER.replace("tail_x", "nose_x") + "a.png,1,2,3,4\n": "'nose_x' is there more than once",
    HEADER.replace("tail_y", "tail_z")
    + "a.png,1,2,3,4\n": "'tail_x', but none for the y of the keypoint 'tail'",
    HEADER.replace("tail_x", "nose.x")
    + "a.png,1,2,3,4\n": "'nose_x' and 'nose.x' both hold the x",
    HEADER.replace("path", "weight") + "a.png,1,2,3,4\n": "no column has the paths",
    HEADER.replace(",", ";") + "a.png;1,5;2;3.5;4\n": "a decimal point where other numbers",
    "path,a_x,a_y,a_v\n1.png,1,2,3\n": "line 2, a: visible is 3",
    "path,a_x,a_y,a_v\n1.png,,,2\n": "line 2, a: visible is 2, but the point is empty",
    "path,a_x,a_y,left,top,right,bottom\n1.png,1,2,30,20,10,60\n": "line 2: the box",
    "path,a_x,a_y,width,height\n1.png,1,2,0,20\n": "line 2: the image has height 20 and width 0",
    "a.png,1,2,3\n": "3 numbers after the image",
    "a.png,1,2,2,5,6,1\n": "every third number is 0, 1 or 2",
    "3\na_x a_y\n1.png 1 2\n": "1 rows where the first line says 3",
    "path,keypoint,x,y\n1.png,a,1,2\n1.png,a,3,4\n": "line 3: a second 'a'",
    "path,keypoint,x,y\n1.png,,1,2\n": "line 2: the keypoint has no name",
    "path,nose_x,nose_y\n" + "0 " * 9216 + ",1,2\n": "line 2: pixels in place of the path",
    "a,b\n": "no columns for the x and the y",
    "": "the file is empty",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=DAMAGED[content]) as raised:
        wide.read(path, None)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"a\0b,1,2\n", b"a,\xff,2\n", b"\xff\xfea"])
def test_no_text(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match="no text"):
        wide.read(path, None)


@pytest.mark.parametrize(
    "text", ["", "Some words in a line\nand more of them\n", "a,b,c\n1,2,3\n"]
)
def test_what_is_no_table_of_keypoints(tmp_path, text):
    path = tmp_path / "readme.txt"
    path.write_text(text)
    assert not wide.is_this(path, path.read_bytes())


def test_names_of_columns():
    columns = [
        "id",
        "nose_x",
        "nose_y",
        "left eye.X",
        "left eye.Y",
        "x_tail",
        "y_tail",
        "vis_tail",
    ]
    assert keypoint_columns(columns, "here") == {
        "nose": (1, 2, None),
        "left eye": (3, 4, None),
        "tail": (5, 6, 7),
    }


WAYS = {
    "nose_x": "{name}_{axis}",
    "nose.X": "{name}.{large}",
    "nose x": "{name} {axis}",
    "nose-Y": "{name}-{large}",
    "x_nose": "{axis}_{name}",
    "X nose": "{large} {name}",
    "noseX": "{name}{large}",
    "x00": "{axis}{number:02}",
    "P1X": "P{number}{large}",
    "1x": "{number}{axis}",
}


@given(
    way=st.sampled_from(list(WAYS.values())),
    names=st.lists(
        st.sampled_from(["nose", "left eye", "left_eye", "Mouth.corner", "a1", "B-2"]),
        min_size=1,
        unique=True,
    ),
    in_blocks=st.booleans(),
    first=st.sampled_from(["image", "id", "tag"]),
)
def test_columns_are_found_however_they_are_called(way, names, in_blocks, first):
    cells = [(number, name, axis) for number, name in enumerate(names) for axis in "xy"]
    if in_blocks:
        cells.sort(key=lambda cell: cell[2])
    columns = [first] + [
        way.format(number=number, name=name, axis=axis, large=axis.upper())
        for number, name, axis in cells
    ]
    found = keypoint_columns(columns, "here")
    assert len(found) == len(names)
    places = [
        tuple(1 + cells.index((number, name, axis)) for axis in "xy")
        for number, name in enumerate(names)
    ]
    assert [(at.x, at.y) for at in found.values()] == places
    if "{name}" in way:
        assert list(found) == names
