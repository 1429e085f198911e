"""Mutate files of annotations, and see that reading them ends well.

A mutated file has to be read right, or raise an error of the package that names the file: no
other exception, no hang. Right is, for a single mutation: every point of the result is a point
that the file had, under its name and on its image, unless the mutation itself is in this object,
in the name of this image or of this keypoint. So no mutation may give one object's points to
another, nor make points of what was not labelled.

Run as ``python -m tests.fuzz_annotations --n 2000``. Files are generated, and taken from the real
ones beside the repository where these are there.
"""

import argparse
import collections
import contextlib
import copy
import json
import random
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from PIL import Image

from sklearn_kpd.datasets import load_annotations, save_annotations
from sklearn_kpd.exceptions import AnnotationError
from tests.datasets.annotations.real_files import FOLDER
from tests.limits import time_limit

TIME_LIMIT = 20  # seconds a file, on a busy machine
SIZE_LIMIT = 150_000  # bytes of a file that is mutated

HOSTILE = [
    None, True, False, -1, 0, 1, 2, 3, 7.5, 10**9, 2**63, 10**400, 1e300, float("nan"),
    float("inf"), "", " ", "nan", "1", "12", "x", "nose", "x" * 3000, "\x00", "\ud800", "../1.jpg",
    "C:\\a.jpg", "https://a/b%20c.jpg", [], {}, [[]], [None], [1, 2], {"": None}, {"x": 1, "y": 2},
]  # fmt: skip
HOSTILE_TEXTS = [
    "", "0", "1", "-1", "2", "nan", "inf", "1e999", "1,2", "1;2", "x", "٣", "1_0", " ", "9" * 400,
    "&lt;", "true", "None", "0x1f",
]  # fmt: skip

#: Where an image's name stands, or all that is on an image: another image's there would be what
#: the file says.
IMAGE_KEYS = (
    "file_name", "image", "imagePath", "img_path", "path", "filename", "file_upload", "file",
    "name", "data", "result", "predictions", "annotations",
)  # fmt: skip


class Seed(NamedTuple):
    """A file to mutate: what to load, how, and what it holds."""

    file: Path
    target: Path
    options: dict
    triples: set


# seeds


def generated(folder):
    """Write a file of each format that is written."""
    film = folder / "labeled-data/film"
    film.mkdir(parents=True)
    for name in "ab":
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(film / f"{name}.png")
    X = pd.DataFrame({"path": [str(film / "a.png"), str(film / "a.png"), str(film / "b.png")]})
    X[["left", "top", "right", "bottom"]] = [[2, 3, 30, 40], [35, 5, 70, 50], [1, 2, 75, 55.5]]
    y = pd.DataFrame(
        [[10, 11, 20.5, 21], [40, 41, np.nan, np.nan], [60, 31, 62, 33.25]],
        columns=["nose_x", "nose_y", "tail_x", "tail_y"],
    )
    for format in ("coco", "dlib", "cvat", "label_studio", "deeplabcut", "csv"):
        suffix = {"dlib": "xml", "cvat": "xml", "deeplabcut": "csv", "csv": "csv"}
        path = film / f"{format}.{suffix.get(format, 'json')}"
        save_annotations(X, y, path, format, visibility=[[2, 1], [2, 0], [2, 2]])
        yield path, path


def real(folder):
    """Copy the real files, and name those that can be mutated, with what to load."""
    if not FOLDER.exists():
        return
    copied = folder / "real"
    shutil.copytree(FOLDER, copied, copy_function=shutil.copyfile)
    for path in sorted(copied.rglob("*")):
        suffixes = (".json", ".ljson", ".xml", ".csv", ".txt", ".pts", ".yaml", ".h5", ".slp")
        if path.is_file() and path.suffix in suffixes and path.stat().st_size < SIZE_LIMIT:
            project = next((p for p in path.parents if (p / "meta.json").exists()), None)
            yield path, project or path


def seeds(folder):
    """The files that load, with what they hold."""
    found = []
    for file, target in [*generated(folder), *real(folder)]:
        for options in ({}, {"missing_value": -1.0}):
            with contextlib.suppress(ValueError, FileNotFoundError):
                options = {**options, **category_of(target, options)}
                content = load_annotations(target, **options)
                found.append(Seed(file, target, options, triples(content)))
                break
    return found


def category_of(target, options):
    """The first category of a file, as an option, if those that it has differ."""
    try:
        load_annotations(target, **options)
    except AnnotationError as error:
        category = re.search(r"different keypoints \('(.*?)' has", str(error))
        return {"category": category[1]} if category else {}
    return {}


def triples(found):
    """(image, frame, keypoint, x, y) of every labelled point."""
    points = found.target.to_numpy().reshape(len(found.data), -1, 2)
    frames = found.get("frame", [None] * len(points))
    return {
        (str(path), frame, name, *map(float, point))
        for path, frame, row in zip(found.data["path"], frames, points, strict=True)
        for name, point in zip(found.keypoint_names, row, strict=True)
        if not np.isnan(point[0])
    }


# mutations


def flip(data, rng):
    data = bytearray(data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def splice(data, rng):
    start, length = rng.randrange(len(data)), rng.randrange(30)
    return data[:start] + rng.randbytes(rng.randrange(30)) + data[start + length :]


def change_lines(data, rng):
    """Other lines; two that are exchanged may change two objects, unless a line is an object."""
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    kind = rng.choice(["drop", "double", "cut", *["swap"] * (data[:1] not in b"{[<")])
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "cut":
        lines[at] = lines[at][: rng.randrange(len(lines[at]))] + b"\n"
    else:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def change_a_field(data, rng):
    """Another text in place of a number or a word."""
    spots = list(re.finditer(rb"[\w.+-]+", data))
    spot = rng.choice(spots)
    new = rng.choice(HOSTILE_TEXTS).encode()
    return data[: spot.start()] + new + data[spot.end() :]


def places(node, found):
    if isinstance(node, (dict, list)):
        for key in node if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            places(node[key], found)
    return found


def change_json(data, rng):
    tree = json.loads(data)
    spots = places(tree, [])
    container, key = rng.choice(spots)
    kind = rng.choice(["drop", "replace", "replace", "swap", "double"])
    if kind == "drop":
        del container[key]
    elif kind == "replace" or (kind == "swap" and key in IMAGE_KEYS):
        container[key] = copy.deepcopy(rng.choice(HOSTILE))
    elif kind == "double":
        if isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        else:
            container[f"{key}_"] = copy.deepcopy(container[key])
    else:
        alike = [spot for spot in spots if spot[1] == key and isinstance(key, str)]
        other, other_key = rng.choice(alike or spots)
        container[key] = copy.deepcopy(other[other_key])
    text = json.dumps(tree)
    if kind == "double" and isinstance(container, dict):
        text = text.replace(f'"{key}_":', f'"{key}":', 1)  # one key twice
    return text.encode()


def change_xml(data, rng):
    root = ElementTree.fromstring(data)
    parents = [(parent, child) for parent in root.iter() for child in parent]
    parent, child = rng.choice(parents)
    kind = rng.choice(["drop", "double", "attribute", "attribute", "attribute"])
    if kind == "drop":
        parent.remove(child)
    elif kind == "double":
        parent.append(copy.deepcopy(child))
    elif child.attrib:
        key = rng.choice(list(child.attrib))
        others = [element.get(key) for element in root.iter() if key in element.attrib]
        draw = rng.random()
        if draw < 0.3:
            del child.attrib[key]
        elif draw < 0.6 and not (child.tag == "image" and key in IMAGE_KEYS):
            child.set(key, rng.choice(others))
        else:
            child.set(key, rng.choice(HOSTILE_TEXTS))
    return ElementTree.tostring(root)


def mutate(seed, data, rng):
    """The data in another way, and how."""
    ways = [flip, cut, splice]
    if seed.file.suffix not in (".h5", ".slp"):
        ways += [change_lines, change_a_field, change_a_field]
    if seed.file.suffix in (".json", ".ljson"):
        ways += [change_json] * 8
    if seed.file.suffix == ".xml":
        ways += [change_xml] * 8
    way = rng.choice(ways)
    return way(data, rng), way.__name__


# running them


def wrong(seed, found):
    """What is wrong with the result of a mutated file: '' if nothing is, as far as can be told."""
    now = triples(found)
    new = now - seed.triples
    if not new or seed.file.suffix in (".h5", ".slp"):  # whose bits are the numbers
        return ""
    if len({(image, frame) for image, frame, *_ in new}) == 1 and len(new) <= len(
        found.keypoint_names
    ):
        return ""  # one object is another
    if seed.file.suffix == ".csv" and all(name.isdecimal() for name in found.keypoint_names):
        return ""  # without its header a table is x and y in turn, as the documentation says
    points = {point[-2:] for point in seed.triples}
    if {point[-2:] for point in new} <= points:  # all points are ones that were there:
        images = {point[0] for point in seed.triples}
        names = {point[2] for point in seed.triples}
        if {point[0] for point in new}.isdisjoint(images):
            return ""  # an image has another name
        if {point[2] for point in new}.isdisjoint(names) or ({point[2] for point in now} != names):
            return ""  # keypoints have other names
    return f"{len(new)} new points, such as {sorted(new, key=str)[:3]}"


def outcome(seed, data):
    """How reading ends: 'read', 'refused' or what went wrong."""
    try:
        with time_limit(TIME_LIMIT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seed.file.write_bytes(data)
            found = load_annotations(seed.target, **seed.options)
    except (AnnotationError, ValueError) as error:
        text = str(error)
        if type(error) is ValueError and text.startswith("category="):
            return "refused"  # the mutation took the category away
        if not isinstance(error, AnnotationError):
            return f"{type(error).__name__}: {error}"
        fine = str(seed.file.parent) in text or str(seed.target.parent) in text
        return "refused" if fine and "\n" not in text else f"an error without place: {text}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return wrong(seed, found) or "read"


def run(n, seed=0, only=""):
    """Mutate `n` times; the outcomes counted, and what went wrong."""
    rng = random.Random(seed)
    counts, failures = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        files = [item for item in seeds(Path(folder)) if only in str(item.file)]
        by_folder = collections.defaultdict(list)  # formats alike often, however many files
        for item in files:
            relative = item.file.relative_to(folder).parts
            by_folder[relative[1] if relative[0] == "real" else item.file.name].append(item)
        for at in range(n):
            item = rng.choice(by_folder[rng.choice(list(by_folder))])
            data = item.file.read_bytes()
            mutated, way = mutate(item, data, rng)
            end = outcome(item, mutated)
            item.file.write_bytes(data)
            counts[end if end in ("read", "refused") else "wrong"] += 1
            if end not in ("read", "refused"):
                failures.append((at, str(item.file.relative_to(folder)), way, end[:300]))
    return counts, failures, len(files)


def main():
    """Run, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the path of the files to take")
    arguments = parser.parse_args()
    counts, failures, n_files = run(arguments.n, arguments.seed, arguments.only)
    for failure in failures:
        print(*failure, sep=" | ")
    print(f"{n_files} files, {arguments.n} mutations: {dict(counts)}")


if __name__ == "__main__":
    main()
