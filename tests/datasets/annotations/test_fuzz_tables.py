"""Cut and garbled files are read right, or refused with an error that names the file.

What was not touched must come back as it was; nothing but our own errors may be raised.
"""

import json
import math
import random

import numpy as np
import pytest
from PIL import Image

from sklearn_kpd.datasets.annotations import (
    deeplabcut,
    mediapipe,
    mtfl,
    openpose,
    pts,
    sleap,
    via,
    wflw,
    wide,
    yolo,
)
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations import (
    test_deeplabcut,
    test_mtfl,
    test_sleap,
    test_via,
    test_wflw,
    test_wide,
    test_yolo,
)

N_ROUNDS = 120

INSERTS = [
    *(",", " ", '"', "'", "\n", "\r", "\t", "\0", ";", "|", "#", ":", "-", "+", "_", ".", "e9"),
    *("x", "0", "9" * 400, "1e400", "nan", "inf", "NaN", "None", "\ufeff", "\u0661", "é", "{"),
    *("}", "[", "]", "\\"),
    *("null", "true", "0x1F", "--", ",,,", "\n\n", '"\n"', "\x1c", "\u2028", "\x85"),
]  # fmt: skip

ROWS = "".join(
    f"{number}.png,{number}.5,{number + 20},{number + 30},{number + 40}.25\n"
    for number in range(10, 20)
)

#: Line by line, an object a line (but for the lines at the beginning).
LINES = {
    "wide": (wide, "table.csv", "path,nose_x,nose_y,tail_x,tail_y\n" + ROWS),
    "wide, semicolons": (
        wide,
        "table.csv",
        "path;nose_x;nose_y;tail_x;tail_y\n" + ROWS.replace(",", ";").replace(".5;", ",5;")
        .replace(".25", ",25"),
    ),
    "wide, blanks": (
        wide,
        "table.txt",
        "10\nnose_x nose_y tail_x tail_y\n" + ROWS.replace(",", " "),
    ),
    "wide, no header": (wide, "table.csv", ROWS),
    "DeepLabCut": (deeplabcut, "labels.csv", "".join(
        [*test_deeplabcut.SINGLE.splitlines(keepends=True)[:3], ROWS]
    )),
    "SLEAP": (sleap, "labels.csv", test_sleap.CSV + "".join(
        f"a,{number},nan,{number}.5,2,,{number},4,0.5\n" for number in range(10, 20)
    )),
    "MTFL": (mtfl, "labels.txt", f"{test_mtfl.MTFL}\n" * 5),
    "WFLW": (wflw, "labels.txt", f"{test_wflw.line()}\n" * 3),
    "YOLO": (yolo, "labels/a.txt", test_yolo.LABELS * 5),
}  # fmt: skip

#: Others.
TEXTS = {
    "VIA, JSON": (via, "via.json", json.dumps(test_via.as_json(test_via.TWO))),
    "VIA, CSV": (via, "via.csv", test_via.as_csv(test_via.TWO)),
    "long": (wide, "table.csv", test_wide.TABLES["long"] * 1),
    "300-W": (pts, "a.pts", "version: 1\nn_points: 3\n{\n1.5 2\n30 40\n5 6\n}\n"),
    "OpenPose": (
        openpose,
        "a.json",
        json.dumps({"people": [{"person_id": [-1], "pose_keypoints_2d": [1, 2, 0.5, 3, 4, 1]}]}),
    ),
    "MediaPipe": (
        mediapipe,
        "a.json",
        json.dumps(
            {"image_width": 4, "image_height": 3, "landmarks": [[{"x": 0.5, "y": 0.25, "z": 1}]]}
        ),
    ),
    "description": (yolo, "data.yaml", test_yolo.DATA.replace("../datasets/set", ".")),
}


def prepare(folder):
    """What a file of YOLO needs beside it."""
    for name in ("images/train/a.png", "images/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 20)).save(folder / name)
    for name in ("labels/train/a.txt", "labels/a.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(test_yolo.LABELS)


def read_or_refuse(module, path, content):
    """What is read, or None if it is refused; both as they must be."""
    path.write_bytes(content)
    module.is_this(path, content[:65536])
    message = None
    try:
        found = module.read(path, Images(None))
    except AnnotationError as error:
        message = str(error)
    if message is not None:
        assert message.startswith(str(path.parent)[:900])
        return None
    for item in found.objects:
        assert set(item.points) <= set(found.names[item.category])
        assert item.hidden <= set(item.points)
        assert all(abs(value) <= 1e8 for point in item.points.values() for value in point)
        assert item.box is None or all(map(math.isfinite, item.box))
    return found


def line_of(item):
    return int(item.where.partition("line ")[2].split(",")[0])


def points_by_line(found):
    return {line_of(item): (item.image, item.points) for item in found.objects}


@pytest.mark.parametrize("name", LINES)
def test_cut_lists(tmp_path, name):
    module, file, text = LINES[name]
    prepare(tmp_path)
    content = text.encode()
    expected = points_by_line(read_or_refuse(module, tmp_path / file, content))
    assert len(expected) > 1
    for at in random.Random(0).sample(range(len(content)), min(N_ROUNDS, len(content))):
        found = read_or_refuse(module, tmp_path / file, content[:at])
        if found is not None:
            points = points_by_line(found)
            # A cut number may be another number, so the line of the cut is free.
            points.pop(content[:at].count(b"\n") + 1, None)
            assert points.items() <= expected.items()


@pytest.mark.parametrize("name", LINES)
def test_garbled_lists(tmp_path, name):
    module, file, text = LINES[name]
    prepare(tmp_path)
    expected = points_by_line(read_or_refuse(module, tmp_path / file, text.encode()))
    lines = text.splitlines(keepends=True)
    for seed in range(N_ROUNDS):
        rng = random.Random(seed)
        at = rng.randrange(len(lines))
        garbled = garble(rng, lines[at].rstrip("\n")) + "\n"
        n_lines = len(garbled.splitlines())
        changed = [*lines[:at], garbled, *lines[at + 1 :]]
        found = read_or_refuse(module, tmp_path / file, "".join(changed).encode())
        if found is None:
            continue
        points = points_by_line(found)
        for line, before in expected.items():
            if line == at + 1 or (name == "wide, blanks" and at < 2):
                continue
            # A garbled header may call things otherwise, but gives them no other numbers.
            after = points[line + (n_lines - 1) * (line > at + 1)]
            assert list(after[1].values()) == list(before[1].values()), (seed, garbled)


def garble(rng, text):
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(3)
        if kind == 0:
            text = text[:at] + rng.choice(INSERTS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.choice([1, 2, 10]) :]
        else:
            text = (
                text[:at] + text[rng.randrange(len(text) + 1) :][: rng.choice([1, 5])] + text[at:]
            )
    return text


@pytest.mark.parametrize("name", TEXTS)
def test_cut_and_garbled_texts(tmp_path, name):
    module, file, text = TEXTS[name]
    prepare(tmp_path)
    assert read_or_refuse(module, tmp_path / file, text.encode()) is not None
    for seed in range(N_ROUNDS):
        rng = random.Random(seed)
        content = garble(rng, text).encode()
        if seed % 3 == 0:
            content = content[: rng.randrange(len(content) + 1)]
        if seed % 7 == 0 and content:
            at = rng.randrange(len(content))
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        read_or_refuse(module, tmp_path / file, content)


@pytest.mark.parametrize("kind", ["project", "analysis", "table", "fixed"])
def test_damaged_hdf5(tmp_path, kind):
    path = tmp_path / "labels.h5"
    module = sleap
    if kind == "project":
        test_sleap.write_project(path)
    elif kind == "analysis":
        tracks = np.random.default_rng(0).uniform(0, 100, (2, 2, 2, 3))
        test_sleap.write_analysis(path, tracks)
    else:
        write = getattr(test_deeplabcut, f"write_{kind}")
        write(path, np.array([b"v/a.png", b"v/b.png"]))
        module = deeplabcut
    content = path.read_bytes()
    assert read_or_refuse(module, path, content) is not None
    for seed in range(N_ROUNDS):
        rng = random.Random(seed)
        damaged = bytearray(content)
        if seed % 3 == 0:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            for _ in range(rng.choice([1, 3, 30])):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        read_or_refuse(module, path, bytes(damaged))
