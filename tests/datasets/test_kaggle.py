import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import get_data_home

from sklearn_kpd.datasets import _kaggle, load_kaggle, make_submission, requested_labels
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


@pytest.mark.parametrize(
    "restyle",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b"\n\n").rstrip(),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b'"' + text.strip().replace(b",", b'","').replace(b"\n", b'"\n"') + b'"',
        lambda text: text.replace(b" ", b"\t"),
        lambda text: text.replace(b" ", b"  "),
        lambda text: text.replace(b" ", b" 000"),
        lambda text: text.replace(b",", b" , "),
    ],
)
def test_other_forms_of_the_same_table(kaggle_like, training, tmp_path, monkeypatch, restyle):
    X, y = kaggle_like
    path = write(tmp_path / "training.csv", training)
    path.write_bytes(restyle(path.read_bytes()))
    for piece in (1000, 2**18):
        monkeypatch.setattr(_kaggle, "_PIECE", piece)
        faces = load_kaggle(path, cache=False)
        np.testing.assert_array_equal(faces.data, X[:3])
        pd.testing.assert_frame_equal(faces.target, y[:3])


def test_every_grey_level(training, tmp_path):
    levels = np.resize(np.arange(256), 96 * 96)
    text = " ".join(map(str, levels))
    path = write(tmp_path / "training.csv", change(training, 2, 30, text))
    np.testing.assert_array_equal(load_kaggle(path).data[1].ravel(), levels)
    for level in (*range(256, 360), *range(400, 1200, 50)):
        path = write(path, change(training, 2, 30, text.replace("255", str(level), 1)))
        with pytest.raises(ValueError, match=f"row 2: pixel 256 is {level}, out of 0..255"):
            load_kaggle(path)


def test_a_second_load_is_the_same(training, tmp_path, monkeypatch):
    rows = [["ImageId", "Image"], *([str(7 + i), row[-1]] for i, row in enumerate(training[1:]))]
    write(tmp_path / "training.csv", training)
    write(tmp_path / "test.csv", rows)
    for path in (tmp_path / "training.csv", tmp_path / "test.csv"):
        first = load_kaggle(path)
        again = path.rename(path.with_name(f"again_{path.name}"))
        with monkeypatch.context() as patch:
            patch.setattr(_kaggle, "parse", None)
            second = load_kaggle(again)
            with pytest.raises(TypeError):
                load_kaggle(again, cache=False)
        assert second.keys() == first.keys()
        assert second.keypoint_names == first.keypoint_names
        assert first.DESCR.replace(path.name, again.name) == second.DESCR
        for name in ("data", "image_ids"):
            np.testing.assert_array_equal(second[name], first[name])
            assert second[name].dtype == first[name].dtype
        if first.target is None:
            assert second.target is None
        else:
            pd.testing.assert_frame_equal(second.target, first.target)
            second.target.iloc[0, 0] = first.target.iloc[0, 0] = 1.0
        first.data[:] = second.data[:] = 0
        assert load_kaggle(again).data.any()
    again.write_bytes(again.read_bytes()[:-1])
    monkeypatch.setattr(_kaggle, "parse", None)
    with pytest.raises(TypeError):  # other content, the same name
        load_kaggle(again)


def test_nothing_is_kept_if_the_cache_is_off(training, tmp_path):
    load_kaggle(write(tmp_path / "training.csv", training), cache=False)
    assert not list(Path(get_data_home()).iterdir())


def test_the_name_tells_a_zip_file_with_a_cache_too(training, tmp_path):
    archive = tmp_path / "training.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(write(tmp_path / "training.csv", training), "training.csv")
    load_kaggle(archive)
    with pytest.raises(ValueError, match="UTF-8"):
        load_kaggle(archive.rename(tmp_path / "zip.csv"))


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
        (lambda r: change(r, 1, 4, "1_0"), "row 1: .* holds '1_0', no number"),
        (lambda r: change(r, 1, 4, "\0"), "row 1: "),
        (lambda r: change(r, 1, 4, '"1'), "row 1: 5 fields where the header has 31"),
        (lambda r: change(r, 1, 4, "1" * 2**21), "a line is longer than 1048576 bytes"),
        (lambda r: change(r, 1, 30, '"' + '1\n","' * 2**18), "row 1: longer than .* left open"),
        (lambda r: change(r, 1, 30, '"' + "1" * 2**18), "row 1: field larger than field limit"),
        (lambda r: change(r, 3, 30, r[3][30].replace(" ", " _", 1)), "row 3: pixel 2 is '_"),
        (lambda r: change(r, 3, 30, "5 " * 9215), "row 3: 9215 pixels"),
        (lambda r: change(r, 3, 30, "5 " * 9214 + "5/5"), "row 3: 9215 pixels"),
        (lambda r: change(r, 3, 30, "5 " * 9215 + "5:"), "pixel 9216 is '5:', no whole number"),
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


@pytest.mark.parametrize("image_id", ["", "7.0", "1_0", "9" * 19, "9" * 5000, "x"])
def test_ids_that_are_none(training, tmp_path, image_id):
    path = write(tmp_path / "test.csv", [["ImageId", "Image"], [image_id, training[1][-1]]])
    with pytest.raises(ValueError, match="row 1: column 'ImageId' holds .*, no whole number"):
        load_kaggle(path)


def test_text_in_another_encoding(training, tmp_path):
    path = tmp_path / "training.csv"
    text = "\n".join(map(",".join, change(training, 2, 3, "Zürich")))
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="row 2: no text in UTF-8"):
        load_kaggle(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="row 2: .* holds 'Zürich', no number"):
        load_kaggle(path)


def packed(path, text, method=zipfile.ZIP_DEFLATED, **changes):
    """A zip file, with bytes changed in what its directory says of the file in it."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("training.csv", text)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\1\2")
    for name, value in changes.items():
        at = directory + {"flags": 8, "crc": 16, "size": 24}[name]
        content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flags": b"\1"}, "is encrypted"),
        ({"crc": b"\0\0\0\0"}, "no whole zip file: Bad CRC"),
        ({"size": b"\0\0\0\xf0"}, "out of proportion. If you trust the file, unpack it"),
        ({"size": b"\xff\xff\0\0"}, "row 2: .* fields|row 2: .* pixels|no whole zip file"),
        ({"method": zipfile.ZIP_BZIP2}, "not packed by deflate"),
        ({"method": zipfile.ZIP_LZMA}, "not packed by deflate"),
    ],
)
def test_bad_zip_files(training, tmp_path, changes, message):
    text = write(tmp_path / "training.csv", training).read_bytes()
    path = packed(tmp_path / "training.zip", text, **changes)
    with pytest.raises(ValueError, match=message) as error:
        load_kaggle(path)
    assert str(path) in str(error.value)


def test_a_zip_bomb_is_refused(training, tmp_path):
    text = write(tmp_path / "training.csv", training).read_bytes()
    path = packed(tmp_path / "training.zip", text + b"\n" * 2**27)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match="out of proportion"):
        load_kaggle(path)


def test_cut_zip_files(training, tmp_path):
    path = packed(tmp_path / "training.zip", write(tmp_path / "t.csv", training).read_bytes())
    content = path.read_bytes()
    for length in range(0, len(content), len(content) // 20):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="no whole zip file"):
            load_kaggle(path)


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
    with pytest.raises(ValueError, match="4 columns, but 15 keypoints have 30: .*keypoint_names"):
        make_submission(y_pred[:, :4], [7, 8], lookup)
    with pytest.raises(ValueError, match="2 predictions for 1 image_ids"):
        make_submission(y_pred, [7], lookup)
    with pytest.raises(ValueError, match="image_ids: 7 stands there more than once"):
        make_submission(y_pred, [7, 7], lookup)
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,ear_x\n")
    with pytest.raises(ValueError, match="'ear_x': no such coordinate"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,nose_tip_x\n1,8,nose_tip_y\n")
    with pytest.raises(ValueError, match="RowId 1 stands there more than once"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,nose_tip_x\n=2+3,8,nose_tip_y\n")
    with pytest.raises(ValueError, match=r"row 2: RowId '=2\+3' is no number"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("RowId,ImageId\n1,8\n")
    with pytest.raises(ValueError, match="'FeatureName' is missing"):
        make_submission(y_pred, [7, 8], lookup)
    lookup.write_text("")
    with pytest.raises(ValueError, match="no CSV file"):
        make_submission(y_pred, [7, 8], lookup)


def test_locations_outside_of_the_images_are_brought_to_their_edge(tmp_path):
    lookup = tmp_path / "IdLookupTable.csv"
    names = ["nose_tip_x", "nose_tip_y", "left_eye_center_x"]
    rows = "".join(f"{at},8,{name}\n" for at, name in enumerate(names))
    lookup.write_text(f"RowId,ImageId,FeatureName\n{rows}")
    y_pred = pd.DataFrame([[-3.0, 99.5, 95.9]], columns=names).assign(left_eye_center_y=0.0)
    assert make_submission(y_pred, [8], lookup)["Location"].tolist() == [0.0, 96.0, 95.9]


def test_requested_labels(tmp_path):
    lookup = tmp_path / "IdLookupTable.csv"
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,nose_tip_x\n2,7,nose_tip_y\n")
    requested = requested_labels(lookup, [7, 9, 8])
    assert list(requested.columns) == COLUMNS
    assert requested.to_numpy().dtype == bool
    assert requested["nose_tip_y"].tolist() == [True, False, False]
    assert requested["nose_tip_x"].tolist() == [False, False, True]
    assert requested.to_numpy().sum() == 2
    with pytest.raises(ValueError, match="row 2: ImageId .*7.*: no such image"):
        requested_labels(lookup, [8])
    with pytest.raises(ValueError, match="image_ids: 7 stands there more than once"):
        requested_labels(lookup, [7, 7, 8])
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,ear_x\n")
    with pytest.raises(ValueError, match="row 1: FeatureName 'ear_x': no such coordinate"):
        requested_labels(lookup, [8])


def test_submissions_go_by_the_names_of_keypoints(tmp_path):
    lookup = tmp_path / "IdLookupTable.csv"
    lookup.write_text("RowId,ImageId,FeatureName\n1,8,nose_tip_x\n2,7,nose_tip_y\n")
    frame = pd.DataFrame(np.arange(60.0).reshape(2, 30), columns=COLUMNS)
    expected = make_submission(frame.to_numpy(), [7, 8], lookup)
    reversed_ = frame[frame.columns[::-1]]
    for table in (frame, reversed_, frame[["nose_tip_x", "nose_tip_y"]]):
        assert make_submission(table, [7, 8], lookup).equals(expected)
    names = [column[:-2] for column in COLUMNS[::2]][::-1]
    values = frame.to_numpy().reshape(2, 15, 2)[:, ::-1]
    assert make_submission(values, [7, 8], lookup, keypoint_names=names).equals(expected)
    with pytest.raises(ValueError, match="'nose_tip_x': no such coordinate"):
        make_submission(frame.iloc[:, :4], [7, 8], lookup)


@pytest.mark.parametrize("kind", ["csv.gz", "text.parquet", "lists.parquet"])
def test_other_packings_hold_the_same(training, tmp_path, kind):
    plain = write(tmp_path / "training.csv", training)
    expected = load_kaggle(plain)
    path = tmp_path / f"training.{kind}"
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        pytest.importorskip("pyarrow")
        table = pd.read_csv(plain)
        if kind == "lists.parquet":
            images = [np.array(image.split(), dtype=np.uint8) for image in table["Image"]]
            table = table.assign(Image=images)
        table.to_parquet(path)
    for _ in range(2):  # read, and from the cache
        faces = load_kaggle(path)
        np.testing.assert_array_equal(faces.data, expected.data)
        pd.testing.assert_frame_equal(faces.target, expected.target)


def test_damaged_packings_are_named(training, tmp_path):
    content = gzip.compress(write(tmp_path / "t.csv", training).read_bytes())
    path = tmp_path / "training.csv.gz"
    for damaged in (content[: len(content) // 2], b"ImageId,Image", content[:-8] + b"12345678"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="no whole gzip file") as error:
            load_kaggle(path)
        assert str(path) in str(error.value)
    path.write_bytes(gzip.compress(b"\n" * 2**27))
    with pytest.raises(ValueError, match="out of proportion"):
        load_kaggle(path)
    pytest.importorskip("pyarrow")
    path = tmp_path / "training.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no whole Parquet file"):
        load_kaggle(path)
