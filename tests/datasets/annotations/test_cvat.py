import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import real

SKELETONS = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>mouse</name><type>skeleton</type><svg>&lt;line data-type="edge" data-node-from="1"
 data-node-to="2"&gt;&lt;/line&gt;&lt;circle data-node-id="1" data-label-name="nose"&gt;
&lt;circle data-node-id="2" data-label-name="tail"&gt;</svg></label>
<label><name>nose</name><parent>mouse</parent></label>
<label><name>tail</name><parent>mouse</parent></label>
</labels></task></meta>
<image id="0" name="a b.jpg" width="600" height="800">
  <box label="box" occluded="0" xtl="1.5" ytl="2" xbr="30" ybr="40" group_id="3"/>
  <skeleton label="mouse" group_id="3">
    <points label="tail" outside="0" occluded="1" points="20.25,30"/>
    <points label="nose" outside="1" occluded="0" points="7,8"/>
  </skeleton>
  <polygon label="x" points="1,2;3,4;5,6"/>
</image>
<image id="1" name="empty.jpg" width="600" height="800"/>
</annotations>"""

SINGLE = """<annotations><version>1.1</version><meta/>
<image id="0" name="a.jpg" width="100" height="100">
  <points label="nose" occluded="0" points="11,12"/>
  <points label="nose" occluded="0" points="51,52"/>
  <points label="tail" occluded="1" points="60,61"/>
  <box label="cat" xtl="10" ytl="10" xbr="20" ybr="20"/>
  <box label="cat" xtl="50" ytl="50" xbr="70" ybr="70"/>
</image></annotations>"""

VIDEO = """<annotations><version>1.1</version><meta><task>
<original_size><width>64</width><height>48</height></original_size></task>
<source>film.mp4</source></meta>
<track id="4" label="cat">
  <skeleton frame="10" keyframe="1"><points label="nose" outside="0" points="1,2"/></skeleton>
  <skeleton frame="13" keyframe="0"><points label="nose" outside="1" points="3,4"/></skeleton>
</track>
<track id="5" label="cat">
  <skeleton frame="10" outside="0" points="5,6"/>
  <track id="0" label="nose"><points frame="10" outside="0" points="5,6"/></track>
</track></annotations>"""


def load(tmp_path, xml, **parameters):
    path = tmp_path / "annotations.xml"
    path.write_text(xml)
    return load_annotations(path, **parameters)


def point(found, row, name):
    return found.target.loc[row, [f"{name}_x", f"{name}_y"]].tolist()


def test_skeletons_by_their_labels(tmp_path):
    found = load(tmp_path, SKELETONS)
    np.testing.assert_array_equal(found.target, [[np.nan, np.nan, 20.25, 30]])
    assert found.visibility.to_numpy().tolist() == [[0, 1]]
    assert found.data.iloc[0].tolist() == ["a b.jpg", 1.5, 2, 30, 40]
    assert found.skeleton == [("nose", "tail")]
    assert found.left_out["reason"].tolist() == [
        "a polygon has no keypoints",
        "it has no annotation",
    ]


def test_single_points_belong_to_the_box_around_them(tmp_path):
    found = load(tmp_path, SINGLE)
    np.testing.assert_array_equal(found.target, [[11, 12, np.nan, np.nan], [51, 52, 60, 61]])
    assert found.data["left"].tolist() == [10, 50]
    assert found.visibility.to_numpy().tolist() == [[2, 0], [2, 1]]
    with pytest.raises(AnnotationError, match="line 4: the keypoint 'nose' is there for several"):
        load(tmp_path, SINGLE.replace('xtl="50"', 'xtl="52"'))


def test_frames_of_a_video(tmp_path):
    found = load(tmp_path, VIDEO)
    np.testing.assert_array_equal(found.target, [[1, 2], [5, 6], [np.nan, np.nan]])
    assert found.frame.tolist() == [10, 10, 13]
    assert found.track.tolist() == ["4", "5", "4"]
    assert set(found.data["path"]) == {"film.mp4"}


def test_points_of_uneven_number_are_no_keypoints(tmp_path):
    many = '<points label="head" points="1,2;3,4"/>'
    xml = SINGLE.replace("<box", f'{many}<points label="head" points="1,2;3,4;5,6"/><box', 1)
    found = load(tmp_path, xml, category="tail")
    assert found.target.to_numpy().tolist() == [[60, 61]]
    reasons = found.left_out["reason"].tolist()
    assert reasons.count("'head' has 2, 3 points in different objects: no keypoints") == 2


def test_images_of_one_name_are_told_apart(tmp_path):
    xml = SKELETONS.replace("empty.jpg", "a b.jpg")
    with pytest.raises(AnnotationError, match="another image is called 'a b.jpg' too"):
        load(tmp_path, xml)
    for subset in ("Train", "Val"):
        xml = xml.replace('name="a b.jpg" width', f'subset="{subset}" name="a b.jpg"  width', 1)
    assert load(tmp_path, xml).data["path"].tolist() == ["Train/a b.jpg"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('points="20.25,30"', 'points="20.25"', "line 12: a point is x,y"),
        ('points="20.25,30"', 'points="20.25,inf"', "line 12: inf"),
        ('points="20.25,30"', "", "line 12: <points> has no points="),
        ('points="20.25,30"', 'points="1,2;3,4"', "line 12: 2 points"),
        ('label="nose" outside', 'label="tail" outside', "line 13: the point 'tail'.*twice"),
        ('xtl="1.5"', 'xtl="31"', "line 10: a box ends at 30, 40"),
        ('width="600"', "", "line 9, width"),
        ('name="a b.jpg"', "", "line 9: <image> has no name="),
    ],
)
def test_damage_is_an_error_with_its_line(tmp_path, old, new, message):
    assert old in SKELETONS
    with pytest.raises(AnnotationError, match=rf"annotations\.xml, {message}"):
        load(tmp_path, SKELETONS.replace(old, new, 1))


def test_real_images():
    path = real("cvat_xml/datumaro_for_images/train.xml")
    with pytest.raises(AnnotationError, match="'skeleton' has 1, 2, 3, 4; 'label2' has 0, 1, 2"):
        load_annotations(path)
    found = load_annotations(path, category="skeleton")
    np.testing.assert_array_equal(
        found.target,
        [[np.nan, np.nan, 2, 2, 3, 3, 4, 4], [3, 3, 4, 4, np.nan, np.nan, 6, 6]],
    )
    assert found.data["path"].str.rsplit("/", n=1).str[-1].tolist() == ["img0.jpg", "img1.jpg"]
    assert found.missing_images == []
    label2 = load_annotations(path, category="label2")
    assert label2.target.to_numpy().tolist() == [[1, 2, 3, 4, 5, 6]]


def test_real_video_with_nested_tracks():
    path = real("cvat_xml/datumaro_for_video/annotations.xml")
    found = load_annotations(path, category="klhg")
    assert found.target.to_numpy().tolist() == [[21.95, 8, 2.55, 15.09, 2.23, 3.16]]
    assert found.frame.tolist() == [10]
    found = load_annotations(path, category="skeleton")
    assert found.frame.tolist() == [10, 13, 16]
    assert point(found, 0, "1") == [48.80, 111.77]
    assert found.target["3_x"].isna().tolist() == [False, True, True]
    names = [path.rsplit("/", 1)[-1] for path in found.data["path"]]
    assert names == ["frame_000010.png", "frame_000013.png", "t.mp4"]


def test_real_video_with_nested_points():
    found = load_annotations(real("cvat_xml/video_tracks_nested_points.xml"))
    assert found.target.shape == (12, 18)
    assert found.frame.tolist() == list(range(12))
    assert point(found, 0, "1") == [711.95, 325.60]
    assert point(found, 0, "8") == [677.01, 503.12]
    assert found.track.tolist() == ["0"] * 12
    assert len(found.left_out) == 24  # boxes of two tracks


def test_real_two_skeletons():
    path = real("cvat_xml/two_skeletons_images.xml")
    with pytest.raises(AnnotationError, match="category="):
        load_annotations(path)
    mouse = load_annotations(path, category="mouse_skeleton")
    assert mouse.keypoint_names == ["1", "2", "3", "4", "5", "6"]
    assert point(mouse, 0, "1") == [3832.37, 3878.68]
    assert point(mouse, 0, "5") == [4418.44, 3914.75]
    assert mouse.visibility.loc[0, "5"] == 1
    assert mouse.data.iloc[0, 1:].tolist() == [3520, 3680, 4840, 4650]  # by their attributes
    pen = load_annotations(path, category="pen_skeleton")
    assert point(pen, 0, "1") == [2342.40, 3699.72]
    assert pen.visibility.loc[0, "1"] == 1


def test_real_named_points():
    found = load_annotations(real("cvat_xml/named_points_images.xml"))
    one = found.data.index[found.data["path"] == "1.png"][0]
    assert point(found, one, "LBlade") == [232.01, 187.45]
    assert found.visibility.loc[one, "LBlade"] == 1
    assert point(found, one, "LFrontRoof") == [181.16, 59.88]
    forklifts = found.target[found.data["path"] == "forklift annotations.jpg"]
    assert forklifts["LBlade_x"].tolist() == [2688.08, 821.63]
    assert found.left_out["reason"].tolist() == ["it has no annotation"] * 5


def test_real_points_on_images_of_another_size():
    found = load_annotations(real("cvat_xml/keytool/annotations.xml"))
    assert len(found.data) == 33
    small = found.data["path"].str.endswith("testimage10.jpg")
    np.testing.assert_allclose(found.target[small].iloc[0, :2], [35.49, 155.86], atol=0.01)
    large = found.data["path"] == "testimage11.jpg"  # not there: as in the file
    assert found.target[large].iloc[0, :2].tolist() == [337.30, 1510.86]
    assert "scaled" in found.DESCR
    assert found.data["left"].notna().all()
