"""The doors of the package."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_kpd

ROOT = Path(sklearn_kpd.__file__).parent


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize(
    ("library", "door"), [("scikeras", "_training/scikeras.py"), ("imgaug", "augment/_imgaug.py")]
)
def test_each_dead_library_has_one_door(library, door):
    found = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*.py") if library in imports_of(p)]
    assert found == [door]


def test_tensorflow_is_imported_where_keras_does_not_do():
    found = [p.name for p in ROOT.rglob("*.py") if "tensorflow" in imports_of(p)]
    # a function for batches of any size; several devices; variables are measured before they are
    # made; determinism; its log; batches that come without Keras' waits
    doors = ["compiled.py", "devices.py", "guards.py", "keras.py", "quiet.py", "stream.py"]
    assert sorted(found) == doors


def test_importing_the_package_is_light():
    code = (
        "import sys, sklearn_kpd; dir(sklearn_kpd); "
        "print([m for m in ('tensorflow', 'keras', 'imgaug', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


def test_names_at_the_top():
    assert sklearn_kpd.metrics.neg_mean_squared_error
    for name in sklearn_kpd.__all__:
        assert getattr(sklearn_kpd, name)
    assert "KeypointRegressor" in dir(sklearn_kpd)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sklearn_kpd.nothing  # noqa: B018


def test_missing_system_library_says_what_to_install(monkeypatch):
    code = """
import builtins, sys
real = builtins.__import__
def broken(name, *args, **kwargs):
    if name == "cv2":
        raise ImportError("libxcb.so.1: cannot open shared object file")
    return real(name, *args, **kwargs)
builtins.__import__ = broken
import sklearn_kpd.augment
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip uninstall -y opencv-python" in out.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [None, None, "true"]),
        ({"OMP_NUM_THREADS": "1"}, ["1", "1", "true"]),
        (
            {
                "OMP_NUM_THREADS": "1",
                "TF_NUM_INTRAOP_THREADS": "3",
                "TF_FORCE_GPU_ALLOW_GROWTH": "false",
            },
            ["3", "1", "false"],
        ),
    ],
)
def test_tensorflow_shares_the_machine(given, expected):
    names = ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"]
    mine = {k: v for k, v in os.environ.items() if k not in {*names, "OMP_NUM_THREADS"}}
    code = f"import os, sklearn_kpd; print([os.environ.get(name) for name in {names}])"
    command = [sys.executable, "-c", code]
    out = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**mine, **given}
    )
    assert out.stdout.strip() == str(expected)
