"""Faces found in photographs."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from sklearn_kpd import CropTransformer
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.photographs import find_faces
from sklearn_kpd.photographs._detectors import overlaps

BOX = ["left", "top", "right", "bottom"]
PHOTOS = Path(__file__).parents[2] / "../shared/data/photos"


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    """A photograph with one face, around (225, 115)."""
    path = tmp_path_factory.mktemp("photographs") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def nothing(photograph):
    return []


def bright(photograph):
    """A detector of what is bright."""
    assert photograph.dtype == np.uint8
    assert photograph.shape[2] == 3
    rows, columns = np.nonzero(photograph.mean(axis=2) > 128)
    if len(rows):
        yield columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_face_is_found(astronaut):
    X = find_faces([astronaut], min_size=0.2)
    assert X.columns.tolist() == ["path", *BOX]
    assert X["path"].tolist() == [str(astronaut)]
    left, top, right, bottom = X[BOX].iloc[0]
    assert left < 225 < right
    assert top < 115 < bottom
    assert X.attrs["without_face"] == []
    assert CropTransformer(48).fit_transform(X).pixels().shape == (1, 48, 48, 1)


def test_large_photographs_are_reduced_and_boxes_scaled_back(tmp_path, astronaut):
    large = Image.open(astronaut).resize((3000, 3000))
    large.save(tmp_path / "large.jpg", quality=90)
    small = find_faces([astronaut], min_size=0.2)[BOX].to_numpy()
    found = find_faces([tmp_path / "large.jpg"], min_size=0.2)[BOX].to_numpy()
    assert (overlaps(small[0] * 3000 / 512, found) > 0.6).any()
    # exactly so, where the detector is exact
    picture = np.zeros((1200, 2000, 3), np.uint8)
    picture[300:600, 500:1000] = 255
    Image.fromarray(picture).save(tmp_path / "box.png")
    sizes = []

    def seen(photograph):
        sizes.append(photograph.shape)
        return bright(photograph)

    X = find_faces([tmp_path / "box.png"], detector=seen, min_size=0.06)
    assert sizes == [(240, 400, 3)]
    assert X[BOX].iloc[0].tolist() == [500, 300, 1000, 600]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_photograph_as_a_viewer_shows_it(tmp_path, orientation):
    picture = np.zeros((200, 300), np.uint8)
    picture[40:90, 20:100] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path, exif=exif)
    box = find_faces([path], detector=bright)[BOX].iloc[0].tolist()
    x, y = {
        1: ((20, 100), (40, 90)), 2: ((200, 280), (40, 90)), 3: ((200, 280), (110, 160)),
        4: ((20, 100), (110, 160)), 5: ((40, 90), (20, 100)), 6: ((110, 160), (20, 100)),
        7: ((110, 160), (200, 280)), 8: ((40, 90), (200, 280)),
    }[orientation]  # fmt: skip
    assert box == [x[0], y[0], x[1], y[1]]


def test_order_scores_and_overlapping_boxes(tmp_path):
    paths = []
    for name in "cab":
        Image.fromarray(np.zeros((100, 100), np.uint8)).save(tmp_path / f"{name}.png")
        paths.append(str(tmp_path / f"{name}.png"))
    found = iter([
        [(0, 0, 10, 10, 0.2), (1, 0, 11, 10, 0.9), (50, 50, 60, 60, 0.5)],
        [],
        [(5, 5, 9, 9, 0.1)],
    ])  # fmt: skip
    with pytest.warns(UserWarning, match=r"^No face was found in 1 of 3 photographs.*a\.png"):
        X = find_faces(pd.DataFrame({"path": paths}), detector=lambda photograph: next(found))
    assert X["path"].tolist() == [paths[0], paths[0], paths[2]]
    assert X["score"].tolist() == [0.9, 0.5, 0.1]
    assert X["left"].tolist() == [1, 50, 5]
    assert X.index.tolist() == [0, 1, 2]
    assert X.attrs["without_face"] == [paths[1]]


def test_no_face_at_all(astronaut):
    with pytest.warns(UserWarning, match="in 1 of 1"):
        X = find_faces([astronaut], detector=nothing)
    assert X.columns.tolist() == ["path", *BOX]
    assert len(X) == 0


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        (["gone.jpg"], {}, "1 of 1 photographs are not there: row 0: gone.jpg"),
        ([np.zeros((4, 4), np.uint8)], {}, "paths, row 0: ndarray is no path"),
        ("a.jpg", {}, "one path"),
        (None, {"min_size": 0}, "min_size=0 must be a share"),
        (None, {"min_size": 24}, "min_size=24 must be a share"),
        (None, {"detector": "haar"}, "detector='haar' is unknown"),
        (None, {"detector": lambda p: [(1, 2, 3)]}, r"array of the shape \(1, 3\)"),
        (None, {"detector": lambda p: [(3, 2, 1, 4)]}, "the box 3, 2, 1, 4 in .*astronaut"),
        (None, {"detector": lambda p: [(0, 0, np.nan, 4)]}, "the box 0, 0, nan, 4 in"),
    ],
)
def test_errors(astronaut, paths, options, message):
    with pytest.raises(ValueError, match=message):
        find_faces([astronaut] if paths is None else paths, **options)


def test_a_broken_photograph_is_named(tmp_path, astronaut):
    (tmp_path / "text.jpg").write_text("no photograph")
    with pytest.raises(PhotographError, match=r"^paths, row 1: .*text\.jpg: no photograph"):
        find_faces([astronaut, tmp_path / "text.jpg"], detector=bright)


def annotated(folder):
    faces = {}
    for name in ("testing", "training"):
        root = ET.parse(folder / f"{name}_with_face_landmarks.xml").getroot()
        for image in root.iter("image"):
            edges = [[int(b.get(k)) for k in ("left", "top", "width", "height")]
                     for b in image.iter("box")]  # fmt: skip
            faces[image.get("file")] = [(x, y, x + w, y + h) for x, y, w, h in edges]
    return {**faces, "dogs.jpg": []}


@pytest.mark.skipif(not PHOTOS.exists(), reason="the annotated photographs are not here")
@pytest.mark.parametrize(("detector", "n_found", "n_false"), [(None, 35, 8), ("mtcnn", 42, 1)])
@pytest.mark.filterwarnings("ignore:No face was found")
def test_faces_of_annotated_photographs(detector, n_found, n_false):
    if detector == "mtcnn":
        pytest.importorskip("mtcnn")
    faces = annotated(PHOTOS)
    X = find_faces([PHOTOS / name for name in faces], detector=detector)
    found = false = 0
    for name, boxes in faces.items():
        rows = X[BOX][X["path"] == str(PHOTOS / name)].to_numpy()
        hits = overlaps(np.array(boxes, dtype=float).reshape(-1, 1, 4), rows) > 0.3
        found += hits.any(axis=1).sum()
        false += (~hits.any(axis=0)).sum()
    assert sum(map(len, faces.values())) == 43
    assert found >= n_found
    assert false <= n_false
