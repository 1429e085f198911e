import json

import h5py
import numpy as np
import pytest

from sklearn_kpd.datasets.annotations import sleap
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real

REAL = {
    "minimal_instance.slp": {"A": (92.652208, 202.725978), "B": (152.341881, 158.423644)},
    "minimal_instance.pkg.slp": {"A": (92.652208, 202.725978), "B": (152.341881, 158.423644)},
    "small_robot_minimal.slp": {"A": (316.489747, 47.691571), "B": (314.101327, 135.372362)},
    "small_robot_siv.slp": {"1": (0, 0)},
    "clip.2node.slp": {"head": (335.25, 444.75)},
    "small_robot.000_small_robot_3_frame.analysis.h5": {
        "top": (322.876, 60.308),
        "front": (382.747, 243.015),
        "rear": (143.410, 181.866),
    },
    "predictions.analysis.h5": {"head": (756.807, 240.486)},
    "minimal_instance.000_centered_pair_low_quality.analysis.csv": {"A": (205.930054, 187.889640)},
    "test_grid_labels.legacy.h5": {"(-0.5, -0.5)": (-0.5, -0.5), "(0, 0)": (0, 0)},
    "test_grid_labels.midpoint.h5": {"(-0.5, -0.5)": (-0.5, -0.5), "(0, 0)": (0, 0)},
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(name):
    first = read(sleap, real(f"sleap/{name}")).objects[0]
    for node, point in REAL[name].items():
        assert first.points[node] == pytest.approx(point, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "n_objects", "n_frames"),
    [
        ("minimal_instance.slp", 2, 1),
        ("small_robot_minimal.slp", 2, 2),
        ("clip.2node.slp", 3000, 1500),
        ("predictions.analysis.h5", 6000, 3000),
        ("small_robot.000_small_robot_3_frame.analysis.h5", 3, 3),
    ],
)
def test_real_files_are_read_whole(name, n_objects, n_frames):
    found = read(sleap, real(f"sleap/{name}"))
    assert len(found.objects) == n_objects
    assert len({item.frame for item in found.objects}) == n_frames


@pytest.mark.parametrize(
    ("name", "origin"),
    [("test_grid_labels.legacy.h5", "corner"), ("test_grid_labels.midpoint.h5", "center")],
)
def test_real_origins(name, origin):
    assert read(sleap, real(f"sleap/{name}")).origin == origin


def test_real_predictions_are_told_from_labels():
    found = read(sleap, real("sleap/dance.mp4.labels.slp"))
    assert len(found.objects) == 3
    assert len(found.left_out) == 450
    assert all(len(names) == 17 for names in found.names.values())


def test_real_images_tracks_and_gaps():
    images = [item.image for item in read(sleap, real("sleap/small_robot_siv.slp")).objects]
    assert [image.rpartition("/")[2] for image in images] == [
        "robot0.jpg", "robot1.jpg", "robot2.jpg"
    ]  # fmt: skip
    tracks = {item.track for item in read(sleap, real("sleap/clip.2node.slp")).objects}
    assert tracks == {"female", "male"}
    found = read(sleap, real("sleap/predictions.analysis.h5"))
    n_labelled = sum(len(item.points) for item in found.objects)
    assert 1 - n_labelled / (2 * 13 * 3000) == pytest.approx(0.0196, abs=1e-4)


def test_real_embedded_image():
    [first, _] = read(sleap, real("sleap/minimal_instance.pkg.slp")).objects
    assert first.image.endswith("centered_pair_low_quality.mp4")
    assert first.image_size == (384, 384)


FRAME = [
    ("video", "u4"),
    ("frame_idx", "u8"),
    ("instance_id_start", "u8"),
    ("instance_id_end", "u8"),
]
INSTANCE = [
    ("instance_type", "u1"),
    ("skeleton", "u4"),
    ("track", "i4"),
    ("point_id_start", "u8"),
    ("point_id_end", "u8"),
]
POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
SKELETON = {
    "graph": {"name": "mouse"},
    # The first kind of an edge that occurs is written out, and called 1 from then on.
    "links": [
        {"source": 2, "target": 0, "type": {"py/reduce": [0, {"py/tuple": [2]}]}},
        {"source": 0, "target": 2, "type": {"py/id": 1}},
        {"source": 1, "target": 2, "type": {"py/reduce": [0, {"py/tuple": [1]}]}},
    ],
    "nodes": [{"id": 2}, {"id": 0}, {"id": 1}],
}
NODES = [{"name": "ear_r"}, {"name": "nose"}, {"name": "ear_l"}]
NAN = np.nan


def write_project(path, version=1.2, **changes):
    """A project with two labelled instances and one predicted, in two frames."""
    content = {
        "frames": np.array([(0, 5, 0, 2), (0, 9, 2, 3)], FRAME),
        "instances": np.array([(0, 0, 1, 0, 3), (1, 0, -1, 0, 3), (0, 0, -1, 3, 6)], INSTANCE),
        "points": np.array(
            [
                (1, 2, True, True),
                (NAN, NAN, False, False),
                (5, 6, True, True),
                (0, 0, True, True),
                (3, 4, False, True),
                (NAN, NAN, True, True),
            ],
            POINT,
        ),
        "pred_points": np.array([(7, 8, True, True)] * 3, POINT),
        "videos_json": [{"backend": {"filename": "C:\\films\\mice.mp4"}}],
        "tracks_json": [[0, "first"], [0, "second"]],
        "metadata": {"skeletons": [SKELETON], "nodes": NODES},
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if name == "metadata":
                group = file.create_group(name)
                group.attrs["format_id"] = version
                group.attrs["json"] = np.bytes_(json.dumps(value).encode())
            elif isinstance(value, list):
                file[name] = np.array([json.dumps(item).encode() for item in value] or [], "S")
            else:
                file[name] = value


def test_project(tmp_path):
    path = tmp_path / "labels.slp"
    write_project(path)
    found = read(sleap, path)
    assert [(item.frame, item.track, item.points) for item in found.objects] == [
        (5, "second", {"ear_l": (1, 2), "nose": (5, 6)}),
        (9, None, {"ear_l": (0, 0)}),
    ]
    assert {item.image for item in found.objects} == {"C:/films/mice.mp4"}
    assert [where for where, _ in found.left_out] == [f"{path}, video 0, frame 5, instance 2"]
    assert found.names == {"mouse": ("ear_l", "ear_r", "nose")}
    assert found.skeleton == [("nose", "ear_l")]
    assert found.flip_pairs == [("ear_l", "ear_r")]
    assert found.origin == "center"


def test_an_older_project_counts_from_the_corner(tmp_path):
    path = tmp_path / "labels.slp"
    write_project(path, version=1.0)
    assert read(sleap, path).origin == "corner"


def test_project_of_images(tmp_path):
    path = tmp_path / "labels.slp"
    names = [f"C:\\images\\{number}.png" for number in range(10)]
    write_project(path, videos_json=[{"backend": {"filename": names[0], "filenames": names}}])
    found = read(sleap, path)
    assert [(item.image, item.frame) for item in found.objects] == [
        ("C:/images/5.png", None), ("C:/images/9.png", None)
    ]  # fmt: skip


def test_embedded_images_are_found_by_the_number_of_their_video(tmp_path):
    path = tmp_path / "labels.pkg.slp"
    frames = np.array([(3, 5, 0, 2), (7, 9, 2, 3)], FRAME)
    write_project(
        path,
        frames=frames,
        videos_json=[
            {"backend": {"filename": ".", "dataset": f"video{number}/video"}} for number in (3, 7)
        ],
    )
    with h5py.File(path, "a") as file:
        for number in (3, 7):
            video = file.create_dataset(f"video{number}/video", data=np.zeros((1, 8), "i1"))
            video.attrs["height"], video.attrs["width"] = number, 2 * number
            source = {"backend": {"filename": f"{number}.mp4"}}
            file.create_group(f"video{number}/source_video").attrs["json"] = json.dumps(source)
    found = read(sleap, path)
    assert [(item.image, item.image_size) for item in found.objects] == [
        ("3.mp4", (3, 6)), ("7.mp4", (7, 14))
    ]  # fmt: skip


DAMAGED = {
    "no video 4": {"frames": np.array([(4, 5, 0, 1)], FRAME)},
    "instance 3 does not exist": {"frames": np.array([(0, 5, 2, 4)], FRAME)},
    "unknown type 7": {"instances": np.array([(7, 0, 1, 0, 3)] * 3, INSTANCE)},
    "skeleton 1 does not exist": {"instances": np.array([(0, 1, 1, 0, 3)] * 3, INSTANCE)},
    "track 2 does not exist": {"instances": np.array([(0, 0, 2, 0, 3)] * 3, INSTANCE)},
    "2 points where its skeleton has 3": {"instances": np.array([(0, 0, 1, 0, 2)] * 3, INSTANCE)},
    "3 points where its skeleton has 3": {"instances": np.array([(0, 0, 1, 4, 7)] * 3, INSTANCE)},
    "only one of its two coordinates": {"points": np.array([(1, NAN, True, True)] * 6, POINT)},
    "infinite": {"points": np.array([(1, np.inf, True, True)] * 6, POINT)},
    "all 3 instances were predicted": {"instances": np.array([(1, 0, -1, 0, 3)] * 3, INSTANCE)},
    "has no field x": {"points": np.zeros(6, POINT[1:])},
    "damaged": {"metadata": {"skeletons": [SKELETON], "nodes": [{}] * 3}},
    "node 2 does not exist": {"metadata": {"skeletons": [SKELETON], "nodes": NODES[:2]}},
    "two nodes have one name": {"metadata": {"skeletons": [SKELETON], "nodes": [NODES[0]] * 3}},
}


@pytest.mark.parametrize("message", DAMAGED)
def test_damage_is_named(tmp_path, message):
    path = tmp_path / "labels.slp"
    write_project(path, **DAMAGED[message])
    with pytest.raises(AnnotationError, match=message) as raised:
        read(sleap, path)
    assert str(raised.value).startswith(str(path))


def write_analysis(path, tracks, names=("nose", "tail"), track_names=("a", "b")):
    with h5py.File(path, "w") as file:
        file["tracks"] = tracks
        file["node_names"] = np.array(names, "S")
        file["track_names"] = np.array(track_names, "S") if track_names else np.zeros(0)
        file["track_occupancy"] = np.zeros((tracks.shape[-1], tracks.shape[0]), "u1")
        file["video_path"] = "D:\\mice.mp4"


def test_analysis(tmp_path):
    path = tmp_path / "mice.analysis.h5"
    tracks = np.full((2, 2, 2, 3), np.nan)
    tracks[1, :, 0, 2] = 5.5, 6  # track b, nose, frame 2
    tracks[0, :, 1, 0] = 1, 2
    write_analysis(path, tracks)
    found = read(sleap, path)
    assert [(item.frame, item.track, item.points) for item in found.objects] == [
        (0, "a", {"tail": (1, 2)}),
        (2, "b", {"nose": (5.5, 6)}),
    ]
    assert found.objects[0].image == "D:/mice.mp4"
    assert found.names == {None: ("nose", "tail")}
    assert found.origin is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tracks: tracks.transpose(3, 2, 1, 0), "must be"),
        (lambda tracks: tracks[:, :1], "must be"),
        (lambda tracks: np.where(tracks == 1, np.inf, tracks), "infinite"),
        (lambda tracks: np.where(tracks == 2, np.nan, tracks), "only one of its two"),
    ],
)
def test_damaged_analysis(tmp_path, change, message):
    path = tmp_path / "mice.analysis.h5"
    tracks = np.full((2, 2, 3, 4), np.nan)
    tracks[0, :, 1, 0] = 1, 2
    write_analysis(path, change(tracks), names=("a", "b", "c"))
    with pytest.raises(AnnotationError, match=message):
        read(sleap, path)


CSV = """\
track,frame_idx,instance.score,nose.x,nose.y,nose.score,tail end.x,tail end.y,tail end.score
,4,nan,1.5,2,,3,4,0.5
b,7,0.9,,,,5,6,
"""


def test_analysis_as_csv(tmp_path):
    path = tmp_path / "mice.analysis.csv"
    path.write_text(CSV)
    found = read(sleap, path)
    assert [(item.frame, item.track, item.points) for item in found.objects] == [
        (4, None, {"nose": (1.5, 2), "tail end": (3, 4)}),
        (7, "b", {"tail end": (5, 6)}),
    ]
    assert found.names == {None: ("nose", "tail end")}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b,7,0.9,,,,5,6,", "b,7,0.9,,,,5", "line 3: 7 fields where the header has 9"),
        ("5,6,", "5,,", "line 3, tail end: only one"),
        ("5,6,", "5,x6,", "line 3, tail end: 'x6'"),
        ("b,7", "b,7.5", "line 3, frame_idx"),
        ("tail end.y", "tail end.z", "'tail end.x', but none for the y"),
        ("tail end.y", "tail end.x", "more than once"),
    ],
)
def test_damaged_csv(tmp_path, old, new, message):
    path = tmp_path / "mice.analysis.csv"
    path.write_text(CSV.replace(old, new))
    with pytest.raises(AnnotationError, match=message):
        read(sleap, path)


def test_a_damaged_shape_does_not_ask_for_gigabytes(tmp_path):
    path = tmp_path / "labels.slp"
    write_project(path)
    with h5py.File(path, "a") as file:
        del file["points"]
        file.create_dataset("points", shape=(2**34,), dtype=POINT, chunks=(1024,))
    with pytest.raises(AnnotationError, match="'points' says that it has the shape"):
        read(sleap, path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_project_that_is_cut_off(tmp_path, part):
    path = tmp_path / "labels.slp"
    write_project(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(AnnotationError, match="damaged"):
        read(sleap, path)


def test_an_empty_file(tmp_path):
    path = tmp_path / "labels.slp"
    path.write_bytes(b"")
    with pytest.raises(AnnotationError, match="the file is empty"):
        sleap.read(path, None)


def test_a_damaged_heap_does_not_read_for_ever(tmp_path):
    path = tmp_path / "mice.analysis.h5"
    write_analysis(path, np.full((2, 2, 2, 3), 1.0))
    content = path.read_bytes()
    at = content.index(b"D:\\mice.mp4") - 16  # the object of the heap that holds the text
    path.write_bytes(content[:at] + bytes(16) + content[at + 16 :])
    with pytest.raises(AnnotationError, match=f"damaged at byte {at}, in a heap"):
        sleap.read(path, None)
