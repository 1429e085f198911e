"""The code blocks of the user guide run, page by page, on small generated data."""

import copy
import re
import shutil
from pathlib import Path

import cv2
import pandas as pd
import pytest
from PIL import Image
from skimage import data

from sklearn_kpd import networks
from sklearn_kpd.datasets import make_faces, save_annotations
from tests.helpers import make_photographs, tiny_heatmap, tiny_network

GUIDE = Path(__file__).parents[1] / "docs" / "guide"
PAGES = sorted(path.stem for path in GUIDE.glob("*.rst") if path.stem != "index")
BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: python\n(?P<options>(?: +:.*\n)*)\n"
    r"(?P<code>(?:(?P=indent) +.*\n|\n)+)",
    re.MULTILINE,
)
# What a reader waits for, a test need not.
QUICKER = [
    (r"make_faces\(\d+", "make_faces(24"),
    (r"\bepochs=\d+", "epochs=1"),
    (r"KFold\(\d+", "KFold(2"),
]


def blocks(page):
    """Code of a page, with as many empty lines before it that a traceback names the right one."""
    text = (GUIDE / f"{page}.rst").read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if ":class: not-run" in match["options"]:
            continue
        lines = match["code"].splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        code = "\n".join(line[indent:] for line in lines)
        for pattern, quick in QUICKER:
            code = re.sub(pattern, quick, code)
        yield "\n" * text.count("\n", 0, match.start("code")) + code


def small(network):
    return lambda image_shape, n_outputs, **options: network(image_shape, n_outputs)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with every file that the guide names."""
    folder = tmp_path_factory.mktemp("guide")
    X, y = make_faces(24, missing="kaggle", random_state=0)
    pixels = [" ".join(map(str, image.ravel())) for image in X]
    tables = {
        "training": y.assign(Image=pixels),
        "test": pd.DataFrame({"ImageId": range(1, 25), "Image": pixels}),
    }
    for name, table in tables.items():
        packed = {"method": "zip", "archive_name": f"{name}.csv"}
        table.to_csv(folder / f"{name}.zip", index=False, compression=packed)
    asked = [(row, row, "nose_tip_x") for row in range(1, 25)]
    pd.DataFrame(asked, columns=["RowId", "ImageId", "FeatureName"]).to_csv(
        folder / "IdLookupTable.csv", index=False
    )
    X.tofile(folder / "images.dat")

    photographs = make_photographs(folder, 8)
    save_annotations(*photographs, folder / "annotations.json", "coco", category="face")
    project = folder / "my_project" / "labeled-data" / "mouse"
    project.mkdir(parents=True)
    frames = make_photographs(project, 8)
    save_annotations(
        frames[0][["path"]], frames[1], project / "CollectedData_me.csv", "deeplabcut"
    )
    for name in ("holiday", "wedding"):
        Image.fromarray(data.astronaut()).save(folder / f"{name}.jpg")
    video = cv2.VideoWriter(
        str(folder / "mouse.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (96, 96)
    )
    for image in X[:6]:
        video.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    video.release()
    return folder


@pytest.fixture(scope="module", autouse=True)
def _small_networks():
    """A small network for the large ones, with heatmaps for the one that has them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in networks.NETWORKS:
            network = tiny_heatmap if name == "heatmap" else tiny_network
            patch.setitem(networks.NETWORKS, name, small(network))
        yield


def run(page, namespace):
    for code in blocks(page):
        exec(compile(code, str(GUIDE / f"{page}.rst"), "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def beginning():
    """What all pages go on from."""
    return run("index", {})


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore")
def test_the_code_of_a_page_runs(page, beginning, files, tmp_path, monkeypatch):
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    run(page, {**beginning, "pipe": copy.deepcopy(beginning["pipe"])})


def test_blocks_are_found():
    text = "".join(path.read_text(encoding="utf-8") for path in GUIDE.glob("*.rst"))
    assert len(BLOCK.findall(text)) == text.count("code-block:: python") > 20
