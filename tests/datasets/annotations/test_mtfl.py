import pytest

from sklearn_kpd.datasets.annotations import mtfl
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real


def test_real_training_list():
    found = read(mtfl, real("mtfl_txt/training_sample.txt"))
    assert len(found.objects) == 40
    assert found.objects[0].image == "lfw_5590/Aaron_Eckhart_0001.jpg"
    assert found.objects[0].box is None
    assert found.objects[0].points == {
        "left_eye": (107.25, 108.75),
        "right_eye": (147.75, 113.25),
        "nose": (126.25, 143.75),
        "left_mouth_corner": (106.25, 158.75),
        "right_mouth_corner": (140.75, 162.75),
    }


def test_real_testing_list():
    found = read(mtfl, real("mtfl_txt/testing_sample.txt"))
    assert len(found.objects) == 20
    assert found.objects[0].image == "AFLW/0001-image20056.jpg"
    assert found.objects[0].points["left_eye"] == (56.607985, 43.250454)
    assert found.objects[0].points["nose"] == (79.548094, 69.965517)


def test_real_line_with_a_box():
    [face] = read(mtfl, real("mtfl_txt/cnn_facepoint_line.txt")).objects
    assert face.image == "Abbas_Kiarostami_0001.jpg"
    assert face.points["left_eye"] == (106.75, 108.25)
    assert face.box == (75, 87, 165, 177)


MTFL = "a\\b.jpg 10 30 20 12 28 15 16 25 35 36 1 2 2 3"
WITH_BOX = "b.jpg 0 40 5 45 10 15 30 16 20 25 12 35 28 36"


@pytest.mark.parametrize("line", [MTFL, WITH_BOX, MTFL + "\r\n " + MTFL + "\r\n \r\n"])
def test_both_layouts(tmp_path, line):
    path = tmp_path / "training.txt"
    path.write_text(line)
    found = read(mtfl, path)
    assert list(found.objects[-1].points.values()) == [
        (10, 15), (30, 16), (20, 25), (12, 35), (28, 36)
    ]  # fmt: skip
    assert found.objects[-1].box == ((0, 5, 40, 45) if line == WITH_BOX else None)


DAMAGED = {
    MTFL.rpartition(" ")[0]: "14 fields",
    MTFL.replace("a\\b.jpg", "a b.jpg"): "16 fields",
    MTFL.replace("1 2 2 3", "1 2 2 6"): "pose",
    MTFL.replace("25", "2_5"): "'2_5'",
    MTFL.replace("25", "nan"): "a number is missing",
    WITH_BOX: "pose",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "training.txt"
    path.write_text(MTFL + "\n" + content + "\n")
    with pytest.raises(AnnotationError, match=f"line 2: .*{DAMAGED[content]}"):
        read(mtfl, path)


def test_a_box_must_be_around_its_points(tmp_path):
    path = tmp_path / "training.txt"
    path.write_text(WITH_BOX.replace(" 28 36", " 280 36"))
    with pytest.raises(AnnotationError, match="neither MTFL's four attributes"):
        read(mtfl, path)
