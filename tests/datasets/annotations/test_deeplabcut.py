import pickle

import h5py
import numpy as np
import pytest

from sklearn_kpd.datasets.annotations import deeplabcut
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real

OPENFIELD = "deeplabcut/openfield/labeled-data/m4s1/CollectedData_Pranav"
REACHING = "deeplabcut/reaching/labeled-data/reachingvideo1/CollectedData_Mackenzie"
VIDEO = "deeplabcut/multi_animal/labeled-data/video"


def by_image(found):
    return {(item.image, item.track): item.points for item in found.objects}


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_real_single_animal(ending):
    found = read(deeplabcut, real(f"{OPENFIELD}.{ending}"))
    assert len(found.objects) == 116
    assert found.names == {None: ("snout", "leftear", "rightear", "tailbase")}
    points = by_image(found)
    assert points["labeled-data/m4s1/img0000.png", None]["snout"] == (21.521, 265.428)
    assert points["labeled-data/m4s1/img0000.png", None]["leftear"] == (33.819, 265.941)
    assert points["labeled-data/m4s1/img0088.png", None]["snout"] == (49.191, 166.533)


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_real_gaps(ending):
    found = read(deeplabcut, real(f"{REACHING}.{ending}"))
    points = by_image(found)
    folder = "labeled-data/reachingvideo1"
    assert points[f"{folder}/img005.png", None]["Hand"] == pytest.approx(
        (185.251735, 610.362276), abs=1e-6
    )
    assert "Tongue" not in points[f"{folder}/img005.png", None]
    assert points[f"{folder}/img020.png", None]["Tongue"] == pytest.approx(
        (586.596635, 294.654663), abs=1e-6
    )
    assert sum(5 - len(item.points) for item in found.objects) == 42


@pytest.mark.parametrize(
    "name",
    [
        f"{VIDEO}/maudlc_testdata.csv",
        f"{VIDEO}/maudlc_testdata_v2.csv",
        f"{VIDEO}/CollectedData_LM.csv",
        "deeplabcut/handmade_multi_animal_h5/CollectedData_Scorer.csv",
        "deeplabcut/handmade_multi_animal_h5/CollectedData_Scorer.h5",
    ],
)
def test_real_animals_with_unique_parts(name):
    found = read(deeplabcut, real(name))
    points = by_image(found)
    first, second, last = (f"labeled-data/video/img00{n}.png" for n in (0, 1, 3))
    assert points[first, "Animal1"]["A"] == (0, 1)
    assert points[first, "Animal2"]["C"] == (10, 11)
    assert (first, "single") not in points
    assert points[second, "Animal1"] == {"A": (12, 13), "C": (15, 16)}
    assert points[second, "single"]["E"] == (24, 25)
    assert (last, "Animal2") not in points
    assert not any(image.endswith("img002.png") for image, _ in points)
    assert len(found.left_out) == 5
    assert found.names == {"animal": ("A", "B", "C"), "single": ("D", "E")}


@pytest.mark.parametrize("name", ["madlc_testdata.csv", "madlc_testdata_v2.csv"])
def test_real_animals(name):
    found = read(deeplabcut, real(f"{VIDEO}/{name}"))
    assert found.names == {None: ("A", "B", "C")}
    assert by_image(found)["labeled-data/video/img001.png", "Animal2"] == {
        "A": (17, 18), "C": (20, 21)
    }  # fmt: skip


@pytest.mark.parametrize("name", ["dlc_testdata.csv", "dlc_testdata_v2.csv"])
def test_real_single_animal_with_an_empty_image(name):
    found = read(deeplabcut, real(f"{VIDEO}/{name}"))
    assert by_image(found)["labeled-data/video/img002.png", None] == {}
    assert len(found.objects) == 4


def test_real_mirror_mouse():
    found = read(deeplabcut, real("deeplabcut/mirror_mouse/CollectedData.csv"))
    points = by_image(found)["labeled-data/img01.png", None]
    assert points["nose_top"] == (390.75, 24.25)
    assert "tailBase_top" not in points
    assert sum(17 - len(item.points) for item in found.objects) == 268 // 2


def test_real_predictions():
    found = read(deeplabcut, real("deeplabcut/predictions/ibl_paw_left.csv"))
    assert len(found.objects) == 200
    assert found.objects[0].image is None
    assert found.objects[0].frame == 0
    assert found.objects[0].points["paw_l"] == pytest.approx((37.336967, 71.903679), abs=1e-6)


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_real_predictions_of_several_animals(ending):
    found = read(deeplabcut, real(f"deeplabcut/predictions/handmade_multi_animal_el.{ending}"))
    points = {(item.frame, item.track): item.points for item in found.objects}
    assert points[0, "ind1"]["snout"] == (62.327, 29.281)
    assert (3, "ind2") not in points
    assert points[4, "ind1"]["snout"][0] == -3.25
    assert set(points[0, "ind2"]) == {"snout", "left ear", "right ear"}


@pytest.mark.parametrize("folder", ["", "/labeled-data", "/labeled-data/m4s1"])
def test_real_project_with_copies(folder):
    found = read(deeplabcut, real(f"deeplabcut/openfield{folder}"))
    assert len(found.objects) == 116
    [(where, reason)] = found.left_out
    assert where.endswith("CollectedData_Pranav.csv")
    assert reason == "a copy of CollectedData_Pranav.h5"


SINGLE = """\
scorer,Me,Me,Me,Me
bodyparts,nose,nose,tail end,tail end
coords,x,y,x,y
labeled-data/v/a.png,1.5,2,,
labeled-data\\v\\b.png,3,4,5,6
"""
NEW_INDEX = """\
scorer,,,Me,Me,Me,Me
bodyparts,,,nose,nose,tail end,tail end
coords,,,x,y,x,y
labeled-data,v,a.png,1.5,2,,
labeled-data,v,b.png,3,4,5,6
"""


@pytest.mark.parametrize(
    "content",
    [
        SINGLE,
        NEW_INDEX,
        SINGLE.replace("\n", "\r\n"),
        "\ufeff" + SINGLE,
        SINGLE.replace("tail end", '"tail end"'),
        SINGLE.replace(",1.5,2,,", ",1.5,2,NaN,nan"),
    ],
)
def test_single_animal(tmp_path, content):
    path = tmp_path / "CollectedData_Me.csv"
    path.write_text(content, newline="")
    found = read(deeplabcut, path)
    assert by_image(found) == {
        ("labeled-data/v/a.png", None): {"nose": (1.5, 2)},
        ("labeled-data/v/b.png", None): {"nose": (3, 4), "tail end": (5, 6)},
    }
    assert found.names == {None: ("nose", "tail end")}
    assert found.origin is None


DAMAGED = {
    SINGLE[:-4]: "line 5: 4 fields where the header has 5",
    SINGLE.replace(",3,4", ",3,"): "line 5, nose: only one of its two coordinates",
    SINGLE.replace("5,6", "5,6,7"): "line 5: 6 fields",
    SINGLE.replace("5,6", "5,x"): "line 5, column tail end y: 'x'",
    SINGLE.replace("tail end,tail end", "tail end,nose"): "is there twice",
    SINGLE.replace("coords,x,y,x,y", "coords,x,y,x,z"): "is none of x, y, likelihood",
    SINGLE.replace("Me,Me\n", "Me,You\n"): "2 scorers",
    SINGLE.replace("b.png", "a.png"): "is there a second time",
    SINGLE.replace("x,y\n", "x\n"): "not equally long",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "CollectedData_Me.csv"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=DAMAGED[content]) as raised:
        read(deeplabcut, path)
    assert str(raised.value).startswith(str(path))


COLUMNS = [
    ("Me", "ind1", "nose", "x"),
    ("Me", "ind1", "nose", "y"),
    ("Me", "ind1", "nose", "likelihood"),
    ("Me", "ind2", "nose", "x"),
    ("Me", "ind2", "nose", "y"),
    ("Me", "ind2", "nose", "likelihood"),
]
VALUES = np.array([[1.5, 2, 0.9, 5, 6, 0.2], [3, 4, 0.8, np.nan, np.nan, np.nan]])


def write_table(path, index, columns=COLUMNS, values=VALUES):
    """As pandas' to_hdf(format="table") writes a table: names of columns are pickled."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame_table")
        group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, columns)], 0))
        fields = [("index", index.dtype), ("values_block_0", "f8", (len(columns),))]
        records = np.zeros(len(index), dtype=fields)
        records["index"], records["values_block_0"] = index, values
        table = group.create_dataset("table", data=records)
        table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, 0))


def write_fixed(path, index, columns=COLUMNS, values=VALUES):
    """As pandas' to_hdf(format="fixed") writes a table: levels and labels, as categories."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame")
        group.attrs["nblocks"] = 1
        for axis, keys in (("axis0", columns), ("block0_items", columns), ("axis1", index)):
            if isinstance(keys, np.ndarray):
                group.attrs[f"{axis}_variety"] = np.bytes_(b"regular")
                group[axis] = keys
                continue
            group.attrs[f"{axis}_variety"] = np.bytes_(b"multi")
            group.attrs[f"{axis}_nlevels"] = len(keys[0])
            for number, names in enumerate(zip(*keys, strict=True)):
                level = sorted(set(names))
                group[f"{axis}_level{number}"] = np.array(level, dtype="S")
                group[f"{axis}_label{number}"] = np.array([level.index(n) for n in names], "i1")
        group["block0_values"] = values


@pytest.mark.parametrize("write", [write_table, write_fixed])
@pytest.mark.parametrize("kind", ["paths", "numbers"])
def test_hdf5(tmp_path, write, kind):
    path = tmp_path / "labels.h5"
    write(path, np.array([b"v/a.png", b"v/b.png"]) if kind == "paths" else np.array([7, 8]))
    found = read(deeplabcut, path)
    names = [("v/a.png", None), ("v/b.png", None)] if kind == "paths" else [(None, 7), (None, 8)]
    assert [(item.image, item.frame, item.track, item.points) for item in found.objects] == [
        (*names[0], "ind1", {"nose": (1.5, 2)}),
        (*names[0], "ind2", {"nose": (5, 6)}),
        (*names[1], "ind1", {"nose": (3, 4)}),
    ]
    assert [where.rpartition(", ")[2] for where, _ in found.left_out] == ["ind2"]


def test_hdf5_with_paths_in_three_columns(tmp_path):
    path = tmp_path / "labels.h5"
    write_fixed(path, [("labeled-data", "v", "a.png"), ("labeled-data", "v", "b.png")])
    assert read(deeplabcut, path).objects[0].image == "labeled-data/v/a.png"


class Evil:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([("Me", "ind1", Evil(), "x"), *COLUMNS[1:]], "which no table of keypoints needs"),
        (COLUMNS[:5], "damaged|does not fit"),
        ([*COLUMNS[:5], COLUMNS[0]], "more than once"),
    ],
)
def test_pickles_are_not_run(tmp_path, capsys, columns, message):
    path = tmp_path / "labels.h5"
    write_table(path, np.array([7, 8]))
    with h5py.File(path, "a") as file:
        group = file["df_with_missing"]
        group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, columns)], 0))
    with pytest.raises(AnnotationError, match=message):
        read(deeplabcut, path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9])
def test_a_file_of_hdf5_that_is_cut_off(tmp_path, part):
    path = tmp_path / "labels.h5"
    write_table(path, np.array([7, 8]))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(AnnotationError, match="labels.h5"):
        deeplabcut.read(path, None)


def write_project(folder, **videos):
    for video, content in videos.items():
        place = folder / "labeled-data" / video
        place.mkdir(parents=True)
        (place / "CollectedData_Me.csv").write_text(content)


def test_project(tmp_path):
    write_project(tmp_path, v=SINGLE, w=SINGLE.replace("/v/", "/w/").replace("\\v", "\\w"))
    found = read(deeplabcut, tmp_path)
    assert [item.image for item in found.objects] == [
        f"labeled-data/{video}/{image}.png" for video in "vw" for image in "ab"
    ]
    assert found.names == {None: ("nose", "tail end")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SINGLE, "labeled-data/v/a.png is labelled in"),
        (SINGLE.replace("nose", "snout"), "its body parts are not those of the files before"),
    ],
)
def test_a_project_that_contradicts_itself(tmp_path, content, message):
    write_project(tmp_path, v=SINGLE, w=content)
    with pytest.raises(AnnotationError, match=message) as raised:
        read(deeplabcut, tmp_path)
    assert str(raised.value).startswith(str(tmp_path / "labeled-data/w"))
