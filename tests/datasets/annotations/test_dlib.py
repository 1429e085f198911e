import numpy as np
import pytest

from sklearn_kpd.datasets import load_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import FOLDER

XML = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>Faces</name><images>
  <image file='a.jpg' width='500' height='332'>
    <box top='90' left='194' width='37' height='38'>
      <part name='01' x='201' y='110'/>
      <part name='00' x='-2' y='107'/>
    </box>
    <box top='1' left='2' width='3' height='4' ignore='1'/>
    <box top='1' left='2' width='3' height='4'><part name='00' x='1' y='2'/></box>
  </image>
  <image file='empty.jpg'/>
</images></dataset>
"""


def load(tmp_path, xml=XML):
    path = tmp_path / "faces.xml"
    path.write_text(xml)
    return load_annotations(path)


def test_boxes_and_parts(tmp_path):
    found = load(tmp_path)
    assert found.keypoint_names == ["00", "01"]
    np.testing.assert_array_equal(found.target, [[-2, 107, 201, 110], [1, 2, np.nan, np.nan]])
    assert found.data.iloc[0].tolist() == ["a.jpg", 194, 90, 231, 128]
    assert found.left_out["reason"].tolist() == ["it is marked to be ignored", "it has no box"]
    assert found.left_out["where"][0].endswith("faces.xml, line 9")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x='201'", "x='nan'", "line 6, part 01: nan is no coordinate"),
        ("x='201'", "x='2_01'", "line 6, part 01: '2_01'"),
        ("x='201'", "", "line 6, part 01: None"),
        ("name='00' x='-2'", "name='01' x='-2'", "line 5: the keypoint '01' is there twice"),
        ("name='00' x='-2'", "x='-2'", "line 5: <part> has no name="),
        ("left='194'", "", "line 5: <box> has no left="),
        ("width='37'", "width='-37'", "line 5: a box has the width -37"),
        ("file='a.jpg'", "", "line 4: <image> has no file="),
        ("width='500'", "width='0'", "line 4: the image has height 332 and width 0"),
        ("</dataset>", "", "no XML"),
        ("<dataset>", "<!DOCTYPE d [<!ENTITY a 'b'>]><dataset>", "document type"),
    ],
)
def test_damage_is_an_error_with_its_line(tmp_path, old, new, message):
    assert old in XML
    with pytest.raises(AnnotationError, match=rf"faces\.xml.*{message}"):
        load(tmp_path, XML.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "counts"),
    [("training", [7, 6, 2, 3]), ("testing", [6, 3, 7, 7, 2])],
)
def test_real_files(name, counts):
    path = FOLDER.parent / f"photos/{name}_with_face_landmarks.xml"
    if not path.exists():
        pytest.skip(f"the real file {path} is not here")
    found = load_annotations(path)
    assert found.data["path"].value_counts(sort=False).tolist() == counts
    assert found.target.shape == (sum(counts), 136)
    assert found.target.notna().all(axis=None)
    assert found.missing_images == []
    if name == "training":
        assert found.data.iloc[0, 1:].tolist() == [194, 90, 194 + 37, 90 + 37]
        assert found.target.iloc[0, :6].tolist() == [201, 107, 201, 110, 201, 113]
