"""The house: who may import whom, who may touch what is fragile, how long a function is."""

import ast
from pathlib import Path

import pytest

import sklearn_kpd

ROOT = Path(sklearn_kpd.__file__).parent

# Each room may import from those above it in this list, and from rooms of its own line.
LAYERS = (
    ("exceptions", "_common", "images", "keypoints"),
    ("losses", "missing"),
    ("networks", "model_selection", "metrics", "augment", "datasets", "photographs", "serving"),
    ("_inference", "_training", "inspection"),
    ("regressor",),
    ("conformal", "label_quality"),
    ("_persistence",),
    ("persistence",),
    ("cli",),
    ("__main__", "__init__"),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# Rooms of one line that must not know each other.
APART = {
    ("_inference", "_training"),
    ("inspection", "_training"),
    ("inspection", "_inference"),
    ("photographs", "networks"),
    ("photographs", "metrics"),
    ("networks", "augment"),
    ("networks", "datasets"),
    ("metrics", "augment"),
}
EXCEPTIONS = {
    # files of trainings and of estimators have one form
    ("_training", "sklearn_kpd._persistence.archive"),
    # BoxFinder stands on the regressor, and is imported when it is asked for
    ("photographs", "sklearn_kpd.regressor"),
}


def room(name):
    return name.split(".")[1] if "." in name else "__init__"


def imports():
    for path in ROOT.rglob("*.py"):
        here = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn_kpd"):
                for alias in node.names:
                    module = node.module
                    if module == "sklearn_kpd" and alias.name in LEVEL:
                        module = f"sklearn_kpd.{alias.name}"
                    yield here, module


@pytest.mark.parametrize(("here", "module"), sorted(set(imports())))
def test_imports_go_down(here, module):
    there = room(module)
    if there in (here, "__init__") or (here, module) in EXCEPTIONS:
        return
    lazily = here in ("__init__", "cli")  # on top of all
    assert lazily or LEVEL[there] <= LEVEL[here], f"{here} imports {module}"
    assert (here, there) not in APART
    assert (there, here) not in APART or here == "_training"


# What is private or fragile in a library below us, and the one module that imports it.
DOORS = {
    "scikeras": "_training/scikeras.py",
    "imgaug": "augment/_imgaug.py",
    "cv2": "_common/opencv.py",
    "private names of scikit-learn": "_common/sklearn.py",
    "private names of Keras and TensorFlow": "_common/keras.py",
}


def fragile_imports():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                library, *rest = name.split(".")
                what = library
                if library == "sklearn" and any(part.startswith("_") for part in rest):
                    what = "private names of scikit-learn"
                elif (library, *rest[:1]) in (("keras", "src"), ("tensorflow", "python")):
                    what = "private names of Keras and TensorFlow"
                if what in DOORS:
                    yield what, path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("what", DOORS)
def test_what_is_fragile_has_one_door(what):
    assert {path for found, path in fragile_imports() if found == what} == {DOORS[what]}


def functions_on_top():
    """Functions of the top folder's files, and their lines of code."""
    for path in sorted(ROOT.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            # scikit-learn has __init__ name each parameter twice, and do nothing else
            if not isinstance(node, ast.FunctionDef) or node.name == "__init__":
                continue
            documented = ast.get_docstring(node) is not None
            skipped = range(node.body[0].lineno, node.body[0].end_lineno + 1) if documented else ()
            code = [
                line.strip()
                for number, line in enumerate(text.splitlines(), start=1)
                if node.lineno <= number <= node.end_lineno and number not in skipped
            ]
            n_lines = sum(bool(line) and not line.startswith("#") for line in code)
            yield f"{path.name}:{node.name}", n_lines


def test_a_function_on_top_is_read_on_one_screen():
    found = dict(functions_on_top())
    assert found["regressor.py:_fit"] > 20  # lines are counted
    assert {where: n for where, n in found.items() if n > 50} == {}


def test_every_room_has_its_place():
    found = {path.name.removesuffix(".py") for path in ROOT.iterdir()}
    assert found - {"__pycache__", "py.typed"} == set(LEVEL)
