"""Corrected labels in every format that can be written: what was not changed is as it was."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.utils import Bunch

from sklearn_kpd.cli._inputs import read_labelled
from sklearn_kpd.datasets import load_annotations, load_kaggle, make_faces, save_annotations
from sklearn_kpd.label_quality._review import outputs
from sklearn_kpd.label_quality._review.outputs import (
    FORMATS,
    choose_output,
    warnings_of,
    write_corrected,
)
from tests.label_quality.review.helpers import LABELS, NAMES, table_of, write_kaggle_csv


def output_of(path, out=None):
    """As the command chooses it; also the labels, and the names of the keypoints."""
    data = read_labelled(path, images=None, category=None)
    images = data.X if data.kind == "images" else None
    names = [column[:-2] for column in data.y.columns[::2]]
    labels = data.y.to_numpy().reshape(len(data.y), -1, 2)
    return choose_output(path, out, data.annotations, images), labels, names


@pytest.fixture
def photographs(tmp_path):
    """Two objects on the first photograph, one on each other; whole pixels, as dlib has them."""
    folder = tmp_path / "labeled-data" / "video"
    folder.mkdir(parents=True)
    paths = [str(folder / f"{name}.png") for name in ("a", "b", "a", "c")]
    for path in paths:
        Image.new("RGB", (120, 100)).save(path)
    X = pd.DataFrame({"path": paths, "left": 5.0, "top": 6.0, "right": 99.0, "bottom": 88.0})
    return X, table_of(np.round(LABELS))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("clear_a_row", [False, True])
def test_annotations_but_for_what_was_changed(photographs, tmp_path, format, clear_a_row):
    X, y = photographs
    hidden = np.where(y.to_numpy()[:, ::2] == 20, 1, 2)
    path = tmp_path / f"labels{FORMATS[format]}"
    save_annotations(X, y, path, format, visibility=hidden, category="cat")
    before = path.read_bytes()
    chosen, labels, names = output_of(path)
    assert chosen.path == tmp_path / f"labels_corrected{FORMATS[format]}"
    after = labels.copy()
    k = names.index("nose")
    after[0, k] = [33.25, 44.5]
    after[1, 0] = np.nan
    if clear_a_row:
        after[3] = np.nan
    write_corrected(chosen, labels, after, names)
    assert path.read_bytes() == before
    old, new = load_annotations(path), load_annotations(chosen.path)
    found = new.target[old.target.columns].to_numpy()
    expected = after.reshape(len(after), -1)
    if format == "dlib":
        expected = np.array([[round(v) if v == v else v for v in row] for row in expected])
    if clear_a_row:
        found, expected = (v[~np.isnan(v).all(axis=1)] for v in (found, expected))
    np.testing.assert_array_equal(found, expected)
    assert set(new.category) <= {"cat", None} or format in ("dlib", "label_studio", "deeplabcut")
    if format in ("coco", "cvat", "csv"):
        assert (new.visibility.to_numpy() == 1).sum() == 1
    if format != "deeplabcut":
        assert new.data.dropna().equals(old.data) or clear_a_row
    assert new.missing_images == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(
        [path.name, chosen.path.name]
    )


@pytest.mark.parametrize("ending", [".csv", ".zip", ".csv.gz"])
def test_kaggles_files_byte_for_byte(tmp_path, ending):
    X, y = make_faces(4, missing="kaggle", random_state=0)
    plain = tmp_path / "plain.csv"
    write_kaggle_csv(plain, X, y)
    content = plain.read_bytes()
    path = tmp_path / f"Training{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("training.csv", content)
    else:
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    chosen, labels, names = output_of(path)
    assert chosen.path == tmp_path / f"Training_corrected{ending}"
    after = labels.copy()
    after[2, names.index("nose_tip")] = [33.25, 44.5]
    write_corrected(chosen, labels, after, names)
    found_X, found_y = load_kaggle(chosen.path, return_X_y=True, cache=False)
    np.testing.assert_array_equal(found_X, X)
    np.testing.assert_array_equal(found_y.to_numpy(), after.reshape(4, -1))
    if ending == ".csv":
        old, new = (file.read_bytes().splitlines() for file in (path, chosen.path))
        assert [at for at in range(5) if old[at] != new[at]] == [3]
        pairs = zip(old[3].split(b","), new[3].split(b","), strict=True)
        assert [pair[1] for pair in pairs if pair[0] != pair[1]] == [b"33.25", b"44.5"]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    X, y = make_faces(2, random_state=0)
    images = [" ".join(map(str, image.ravel())) for image in X]
    path = tmp_path / "training.parquet"
    y.assign(Image=images).to_parquet(path)
    chosen, labels, names = output_of(path)
    after = labels.copy()
    after[1, 0] = np.nan
    write_corrected(chosen, labels, after, names)
    found = load_kaggle(chosen.path, return_X_y=True, cache=False)[1]
    np.testing.assert_array_equal(found.to_numpy(), after.reshape(2, -1))


def test_a_source_that_has_changed_is_not_mixed_with_corrections(tmp_path):
    X, y = make_faces(2, random_state=0)
    path = tmp_path / "training.csv"
    write_kaggle_csv(path, X, y)
    chosen, labels, names = output_of(path)
    write_kaggle_csv(path, X, y + 1)
    after = labels.copy()
    after[1, 0] = [1, 2]
    with pytest.raises(ValueError, match="was not written: has .*training.csv changed since"):
        write_corrected(chosen, labels, after, names)
    assert [p.name for p in tmp_path.iterdir()] == ["training.csv"]


def test_what_cannot_be_written_is_said_before_the_work(tmp_path, photographs):
    Image.new("RGB", (120, 100)).save(tmp_path / "a.png")
    path = tmp_path / "a.json"
    shapes = [{"label": "nose", "shape_type": "point", "points": [[10.5, 20.25]], "group_id": 1}]
    path.write_text(
        json.dumps({"version": "5.0", "imagePath": "a.png", "imageHeight": 100, "imageWidth": 120,
                    "flags": {}, "imageData": None, "shapes": shapes})
    )  # fmt: skip
    with pytest.raises(ValueError, match="format labelme.* give --out a_corrected.json .* coco"):
        output_of(path)
    chosen, labels, names = output_of(path, tmp_path / "new.json")
    assert chosen.format == "coco"
    after = labels + 1
    write_corrected(chosen, labels, after, names)
    found = load_annotations(chosen.path).target
    np.testing.assert_array_equal(found.to_numpy(), after.reshape(1, -1))


def test_frames_of_a_video_are_written_as_deeplabcut_does(tmp_path):
    found = Bunch(
        data=pd.DataFrame({"path": ["clip.mp4"] * 4}),
        frame=np.array([7, 3, 9, 3], dtype=object),
        track=np.array(["a", "b", "a", "a"], dtype=object),
        format="sleap",
        target=table_of(),
        category=np.array([None] * 4),
        visibility=None,
    )
    path = tmp_path / "clip.slp"
    with pytest.raises(ValueError, match=r"video: give --out clip_corrected.csv .* deeplabcut"):
        choose_output(path, None, found, None)
    chosen = choose_output(path, tmp_path / "new.csv", found, None)
    assert "numbered anew" in " ".join(warnings_of(chosen))
    write_corrected(chosen, LABELS, LABELS + 1, NAMES)
    new = load_annotations(chosen.path)
    assert new.frame.tolist() == [3, 3, 7, 9]
    np.testing.assert_array_equal(new.target, (LABELS + 1)[[1, 3, 0, 2]].reshape(4, -1))


@pytest.mark.parametrize(
    ("format", "out", "reason"),
    [
        ("coco", "new.xml", "must end in .json"),
        ("dlib", "new.csv", "must end in .json .coco. or .xml .dlib."),
        ("csv", "new.txt", "must end in .json .coco. or .csv .csv."),
    ],
)
def test_names_of_other_formats_are_refused(photographs, tmp_path, format, out, reason):
    path = tmp_path / f"labels{FORMATS[format]}"
    save_annotations(*photographs, path, format)
    with pytest.raises(ValueError, match=reason):
        output_of(path, tmp_path / out)


def test_kaggles_files_keep_their_kind(tmp_path):
    with pytest.raises(ValueError, match="new.csv: the name must end in .zip"):
        choose_output(Path("training.zip"), Path("new.csv"), None, None)


def test_fractions_are_not_rounded_away_by_dlib(photographs, tmp_path):
    path = tmp_path / "labels.xml"
    save_annotations(*photographs, path, "dlib")
    path.write_text(path.read_text().replace('x="20"', 'x="20.5"'))
    with pytest.raises(ValueError, match="fractions of pixels.*--out labels_corrected.json"):
        output_of(path)
    assert output_of(path, tmp_path / "new.json")[0].format == "coco"


def test_what_the_new_file_will_lack_is_told(photographs, tmp_path):
    X, y = photographs
    path = tmp_path / "labels.xml"
    save_annotations(X, y, path, "dlib", category="cat")
    chosen = output_of(path)[0]
    chosen.annotations.category[:2] = ["cat", "dog"]
    texts = " ".join(warnings_of(chosen))
    assert "labels_corrected.xml will hold photographs, keypoints and boxes; what else" in texts
    assert "in one category, 'object'" in texts
    assert "whole pixels" in texts
    X, y = make_faces(1, random_state=0)
    write_kaggle_csv(tmp_path / "training.csv", X, y)
    assert warnings_of(output_of(tmp_path / "training.csv")[0]) == []


def test_what_does_not_read_as_it_should_is_not_written(photographs, tmp_path, monkeypatch):
    path = tmp_path / "labels.json"
    save_annotations(*photographs, path, "coco")
    chosen, labels, names = output_of(path)

    def wrong(temporary, output, y):
        y = y.copy()
        y.iloc[0, 0] += 1e-9
        save_annotations(output.annotations.data, y, temporary, "coco")

    monkeypatch.setattr(outputs, "_save", wrong)
    with pytest.raises(ValueError, match="was not written"):
        write_corrected(chosen, labels, labels, names)
    assert not chosen.path.exists()


def test_every_format_that_can_be_written_is_known():
    from sklearn_kpd.datasets.annotations._save import _WRITERS

    assert set(FORMATS) == set(_WRITERS)
