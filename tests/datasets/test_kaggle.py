import zipfile

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.datasets import load_kaggle, make_submission
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

COLUMNS = columns_from_names(KAGGLE_KEYPOINTS)


def rows_of(faces, n=3):
    """Header and rows of a training file, as lists of fields."""
    X, y = faces
    rows = [[*COLUMNS, "Image"]]
    for image, values in zip(X[:n], y.to_numpy()[:n], strict=True):
        fields = ["" if np.isnan(v) else repr(float(v)) for v in values]
        rows.append([*fields, " ".join(map(str, image.ravel()))])
    return rows


def write(path, rows):
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


@pytest.fixture
def training(kaggle_like):
    return rows_of(kaggle_like)


def test_training_files(kaggle_like, training, tmp_path):
    X, y = kaggle_like
    path = write(tmp_path / "training.csv", training)
    archive = tmp_path / "training.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "training.csv")
        file.writestr("__MACOSX/._training.csv", "rubbish")
    for source in (path, str(path), archive):
        faces = load_kaggle(source)
        np.testing.assert_array_equal(faces.data, X[:3])
        assert faces.data.dtype == np.uint8
        pd.testing.assert_frame_equal(faces.target, y[:3])
        assert faces.keypoint_names == list(KAGGLE_KEYPOINTS)
        np.testing.assert_array_equal(faces.image_ids, [1, 2, 3])
        assert "3 grey images" in faces.DESCR
        data, target = load_kaggle(source, return_X_y=True)
        np.testing.assert_array_equal(data, X[:3])
        pd.testing.assert_frame_equal(target, y[:3])


def test_test_files(training, tmp_path):
    rows = [["ImageId", "Image"], *([str(7 + i), row[-1]] for i, row in enumerate(training[1:]))]
    faces = load_kaggle(write(tmp_path / "test.csv", rows))
    assert faces.target is None
    np.testing.assert_array_equal(faces.image_ids, [7, 8, 9])
    assert load_kaggle(tmp_path / "test.csv", return_X_y=True)[1] is None


def change(rows, row, column, value):
    rows = [list(r) for r in rows]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: [], "the file is empty"),
        (lambda r: r[:1], "a header, but no row of data"),
        (lambda r: [*r[:2], r[2][:-1]], "row 2: 30 fields where the header has 31"),
        (lambda r: [*r[:2], [*r[2], "1"]], "row 2: 32 fields"),
        (lambda r: [row[1:] for row in r], "columns are missing: left_eye_center_x"),
        (lambda r: [row[:-1] for row in r], "the column 'Image' is missing"),
        (lambda r: [row[30:] for row in r], "neither the 30 columns .* nor .* 'ImageId'"),
        (lambda r: change(r, 0, 1, COLUMNS[0]), "'left_eye_center_x' is there more than once"),
        (lambda r: change(r, 1, 4, "abc"), f"row 1: column '{COLUMNS[4]}' holds 'abc', no number"),
        (lambda r: change(r, 1, 4, "inf"), "row 1: .* no number"),
        (lambda r: change(r, 3, 30, "1 2 3"), "row 3: 3 pixels, where 96 x 96 = 9216"),
        (lambda r: change(r, 2, 30, ""), "row 2: 0 pixels"),
        (lambda r: change(r, 2, 30, "x" + r[2][30][1:]), "row 2: pixel 1 is 'x.*no whole number"),
        (lambda r: change(r, 2, 30, "1.5 " + r[2][30].split(" ", 1)[1]), "pixel 1 is '1.5'"),
        (lambda r: change(r, 2, 30, "256 " + r[2][30].split(" ", 1)[1]), "256, out of 0..255"),
        (lambda r: change(r, 2, 30, "-1 " + r[2][30].split(" ", 1)[1]), "-1, out of 0..255"),
        (lambda r: change(r, 2, 30, "9" * 30 + " " + r[2][30].split(" ", 1)[1]), "pixel 1"),
    ],
)
def test_bad_files_name_the_file_the_row_and_what_is_wrong(training, tmp_path, spoil, message):
    path = tmp_path / "training.csv"
    rows = spoil(training)
    path.write_text("") if not rows else write(path, rows)
    with pytest.raises(ValueError, match=message) as error:
        load_kaggle(path)
    assert str(path) in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_kaggle(tmp_path / "training.csv")
    with pytest.raises(ValueError, match="is a folder: name the file"):
        load_kaggle(tmp_path)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK rubbish")
    with pytest.raises(ValueError, match="no whole zip file"):
        load_kaggle(broken)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        file.writestr("training.zip", "")
    with pytest.raises(ValueError, match=r"0 CSV files \(training.zip\).* unpack it"):
        load_kaggle(tmp_path / "all.zip")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        load_kaggle(binary)


def test_submission(tmp_path):
    lookup = tmp_path / "IdLookupTable.csv"
    lookup.write_text("RowId,ImageId,FeatureName,Location\n1,8,nose_tip_x,\n2,7,nose_tip_y,\n")
    y_pred = np.arange(60.0).reshape(2, 30)
    table = make_submission(y_pred, [7, 8], lookup)
    assert list(table.columns) == ["RowId", "Location"]
    nose = COLUMNS.index("nose_tip_x")
    assert table["Location"].tolist() == [30.0 + nose, nose + 1.0]
    assert make_submission(y_pred.reshape(2, 15, 2), [7, 8], lookup).equals(table)
    with pytest.raises(ValueError, match="row 2: ImageId .*7.*: no such image"):
        make_submission(y_pred, [9, 8], lookup)
    with pytest.raises(ValueError, match="4 columns"):
        make_submission(y_pred[:, :4], [7, 8], lookup)
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,ear_x\n")
    with pytest.raises(ValueError, match="'ear_x': no such coordinate"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("RowId,ImageId\n1,8\n")
    with pytest.raises(ValueError, match="'FeatureName' is missing"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("")
    with pytest.raises(ValueError, match="no CSV file"):
        make_submission(y_pred, [7, 8], lookup)
