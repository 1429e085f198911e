import pytest
from PIL import Image

from sklearn_kpd.datasets.annotations import yolo
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import read, real


def points_of(found):
    return {
        image.rpartition("/")[2]: [item.points for item in found.objects if item.image == image]
        for image in dict.fromkeys(item.image for item in found.objects)
    }


@pytest.mark.parametrize("name", ["doors", "doors/test_pos.yaml"])
def test_real_doors(name):
    found = points_of(read(yolo, real(f"yolo_pose/{name}")))
    assert len(found) == 3
    assert found["0002204.jpg"][0]["0"] == pytest.approx((1144.08, 466.85), abs=0.01)
    assert found["0002972.jpg"][0]["0"] == pytest.approx((1217.28, 471.03), abs=0.01)


def test_real_two_values_and_a_path_of_windows():
    found = points_of(read(yolo, real("yolo_pose/keytool_2values")))
    assert set(found) == {"testimage10.jpg", "testimage15.jpg", "testimage111.jpg"}
    expected = 346 / 2496 * 256, 1519 / 2496 * 256
    assert found["testimage10.jpg"][0]["0"] == pytest.approx(expected)


def test_real_comments_and_visibility():
    found = read(yolo, real("yolo_pose/comments_and_visibility"))
    assert len(found.objects) == 4
    second = [item for item in found.objects if item.image.endswith("image_002.jpg")][1]
    for name, point in {"0": (130, 55), "1": (136, 60), "2": (140, 70), "3": (144, 80)}.items():
        assert second.points[name] == pytest.approx(point)
    assert "4" not in second.points
    assert second.hidden == {"3"}
    assert found.flip_pairs == [("0", "1"), ("2", "3")]


@pytest.mark.parametrize("name", ["yolov8_pose", "yolov8_pose_two_values_per_point"])
def test_real_tiny_image(name):
    [item] = read(yolo, real(f"yolo_pose/{name}")).objects
    for at, point in enumerate([(1.5, 2), (4.5, 4), (7.5, 6)]):
        assert item.points[str(at)] == pytest.approx(point)


def test_real_names_of_xanylabeling():
    [person] = read(yolo, real("yolo_pose/xanylabeling")).objects
    assert person.points["nose"] == pytest.approx((263, 299), abs=1e-3)
    assert "right_ear" not in person.points
    assert len(person.points) == 16


def test_real_people():
    found = read(yolo, real("yolo_pose/handmade_coco"))
    first, second, third = (item for item in found.objects if "40083" in item.image)
    assert first.points["nose"] == pytest.approx((99, 144), abs=1e-3)
    assert first.points["left_hip"] == pytest.approx((57, 246), abs=1e-3)
    assert first.hidden == {"left_hip", "right_hip", "right_ankle"}
    assert second.points["left_ear"] == pytest.approx((359, 163), abs=1e-3)
    assert third.points == {}
    assert ("left_eye", "right_eye") in found.flip_pairs
    assert len(found.flip_pairs) == 8


def test_real_two_classes(tmp_path):
    folder = real("yolo_pose/two_classes_from_cvat")
    with pytest.raises(AnnotationError, match="give its folder by images="):
        read(yolo, folder)
    for label in (folder / "out").iterdir():
        Image.new("L", (6000, 8000)).save(tmp_path / f"{label.stem}.png")
    found = read(yolo, folder, images=tmp_path)
    mouse = next(item for item in found.objects if item.category == "mouse")
    assert mouse.points["4"] == pytest.approx((3832, 3878))
    assert {item.category for item in found.objects} == {"mouse", "pen"}


def test_real_broken_description():
    with pytest.raises(AnnotationError, match="line 1: a colon and a blank"):
        read(yolo, real("yolo_pose/broken_yaml"))


DATA = """\
path: ../datasets/set
train: images/train
val: images/val
kpt_shape: [2, 3]
flip_idx: [1, 0]
names: [cat]
kpt_names:
  0: [left, right]
"""
LABELS = "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.75 0.25 1\n"


def write(folder, data=DATA, labels=LABELS, images="images/train", size=(40, 20)):
    """A data set of one image and its labels, in the layout that the folder of images says."""
    files = {
        "data.yaml": data,
        images.replace("images", "labels") + "/a.b.txt": labels,
    }
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    (folder / images).mkdir(parents=True, exist_ok=True)
    if size:
        Image.new("RGB", size).save(folder / images / "a.b.JPG", format="jpeg")
    return folder


@pytest.mark.parametrize("part", ["", "data.yaml", "labels/train/a.b.txt"])
def test_data_set(tmp_path, part):
    found = read(yolo, write(tmp_path) / part)
    [cat] = found.objects
    assert cat.points == {"left": (10, 10), "right": (30, 5)}
    assert cat.hidden == {"right"}
    assert cat.box == (10, 5, 30, 15)
    assert cat.image == str(tmp_path / "images/train/a.b.JPG")
    assert (cat.category, cat.image_size) == ("cat", (20, 40))
    assert found.names == {"cat": ("left", "right")}
    assert found.flip_pairs == [("left", "right")]
    assert len(found.left_out) == (not part.endswith(".txt"))  # there is no val


@pytest.mark.parametrize(
    ("images", "changes"),
    [
        ("train/images", {"images/train": "train/images"}),
        ("images/train", {"path: ../datasets/set\n": ""}),
        ("images/train", {"images/train": "images\\train"}),
        ("set/images/train", {}),
        ("set/images/train", {"../datasets/set": "D:\\my\\set"}),
        ("images/train", {"train: images/train": "train: [images/train]"}),
        ("images/train", {"val: images/val": "val: images/train"}),
        ("images/train", {"train: images/train": "train: train.txt"}),
    ],
)
def test_layouts(tmp_path, images, changes):
    data = DATA
    for old, new in changes.items():
        data = data.replace(old, new)
    (tmp_path / "train.txt").write_text("./images/train/a.b.JPG\n./images/train/c.jpg\n")
    found = read(yolo, write(tmp_path, data, images=images))
    assert [item.points for item in found.objects] == [{"left": (10, 10), "right": (30, 5)}]


def test_two_values(tmp_path):
    labels = "0 .5 .5 .5 .5 0 0 .75 .25\n"
    found = read(yolo, write(tmp_path, DATA.replace("[2, 3]", "[2, 2]"), labels))
    assert found.objects[0].points == {"right": (30, 5)}


def test_an_image_that_is_shown_turned(tmp_path):
    folder = write(tmp_path, size=None)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (40, 20)).save(folder / "images/train/a.b.jpg", exif=exif)
    [cat] = read(yolo, folder).objects
    assert cat.points == {"left": (5, 20), "right": (15, 10)}


def test_images_elsewhere(tmp_path):
    folder = write(tmp_path / "set", size=None)
    with pytest.raises(AnnotationError, match="give its folder by images="):
        read(yolo, folder)
    place = tmp_path / "elsewhere" / "train"
    place.mkdir(parents=True)
    Image.new("RGB", (40, 20)).save(place / "a.b.png")
    assert read(yolo, folder, images=place.parent).objects[0].points["left"] == (10, 10)


def test_a_lone_file_with_visibilities(tmp_path):
    path = write(tmp_path, data=None) / "labels/train/a.b.txt"
    found = read(yolo, path)
    assert found.objects[0].points == {"0": (10, 10), "1": (30, 5)}
    assert found.objects[0].category == "0"


@pytest.mark.parametrize(
    "labels",
    [
        "0 .5 .5 .5 .5 .2 .3 .4 .5\n",  # may be the corners of a shape
        "0 .5 .5 .5 .5 .2 .3 0 .4 .5 0\n",
        "0 .5 .5 .5 .5 .2 .3 2\n0 .5 .5 .5 .5 .2 .3 2 .4 .5 2\n",
    ],
)
def test_a_lone_file_that_may_be_something_else(tmp_path, labels):
    path = write(tmp_path, data=None, labels=labels) / "labels/train/a.b.txt"
    with pytest.raises(AnnotationError, match="without a data.yaml"):
        read(yolo, path)


@pytest.mark.parametrize("text", [LABELS.replace("0.75", "0,75"), "0 0.5 0.5 5 5 1 2 2\n", ""])
def test_what_are_no_labels(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert not yolo.is_this(path, path.read_bytes())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + LABELS[:-10], "line 2: 9 numbers; .* there must be 11"),
        (LABELS.replace("1\n", "0.9\n"), "line 1, keypoint right: visible is 0.9"),
        (LABELS.replace("0.75", "30"), "line 1, keypoint right: 30 is not within 0..1"),
        (LABELS.replace("0.5 0.5 0.5", "0.5 0.5 9"), "line 1, box: 9 is not within"),
        (LABELS.replace("0 ", "1 ", 1), "line 1: class 1 has no name"),
        ("# a comment\n\n" + LABELS.replace("0.75", "x"), "line 3: 'x'"),
    ],
)
def test_damaged_labels(tmp_path, labels, message):
    write(tmp_path, labels=labels)
    with pytest.raises(AnnotationError, match=message):
        read(yolo, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[2, 3]", "[2, 4]", "kpt_shape is"),
        ("[2, 3]", "2", "'kpt_shape' may not be 2"),
        ("[1, 0]", "[1]", "flip_idx is"),
        ("[1, 0]", "[0 1]", "flip_idx is"),
        ("[left, right]", "[left]", "must have 2 names"),
        ("[left, right]", "[left, left]", "is there twice"),
        ("images/", "pictures/", "there are no files of labels"),
    ],
)
def test_damaged_description(tmp_path, old, new, message):
    labels = None if "pictures" in new else LABELS
    write(tmp_path, data=DATA.replace(old, new), labels=labels)
    with pytest.raises(AnnotationError, match=message) as raised:
        read(yolo, tmp_path)
    assert str(raised.value).startswith(str(tmp_path / "data.yaml"))


def test_two_images_with_one_stem(tmp_path):
    write(tmp_path)
    Image.new("RGB", (4, 2)).save(tmp_path / "images/train/a.b.png")
    with pytest.raises(AnnotationError, match="the image may be"):
        read(yolo, tmp_path)
