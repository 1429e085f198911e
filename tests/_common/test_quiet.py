"""Importing TensorFlow prints nothing that a user can do nothing about, and hides no error."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_kpd
from sklearn_kpd._common import quiet
from sklearn_kpd._common.keras import IS_TENSORFLOW

ROOT = Path(sklearn_kpd.__file__).parent
LOG = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795643368.733033   31351 port.cc:153] oneDNN custom operations are on.",
    "E0000 00:00:1795643382.237482   31351 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
    "2026-01-31 12:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations",
    "2026-01-31 12:00:00.123456: E external/local_xla/cuda_fft.cc:477] Unable to register cuFFT",
]
OTHERS = ["UserWarning: this NumPy is too old", "Using JAX backend.", "INFO of another library"]


def run(code, **variables):
    mine = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**mine, **variables},
        check=False,
    )


def write(lines):
    os.write(2, "".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def first_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


def test_fit_and_predict_print_nothing_to_stderr():
    code = """
from sklearn_kpd import KeypointRegressor
from sklearn_kpd.datasets import make_faces
X, y = make_faces(20, random_state=0)
model = KeypointRegressor(network="cnn", network__filters=(4, 4), epochs=1)
print(model.fit(X, y).predict(X).shape)
"""
    out = run(code)
    assert out.stdout.endswith("(20, 30)\n")
    assert out.stderr == ""


def test_an_import_that_fails_shows_all_it_said(tmp_path):
    code = "import os; os.write(2, b'I0000 00:00:1 first\\n'); raise ImportError('no keras')"
    (tmp_path / "keras.py").write_text(code)
    path = os.pathsep.join([str(tmp_path), str(ROOT.parent)])
    out = run("from sklearn_kpd import KeypointRegressor", PYTHONPATH=path)
    assert "I0000 00:00:1 first" in out.stderr
    assert out.stderr.endswith("ImportError: no keras\n")


def test_an_attribute_that_is_missing_below_is_no_name_missing_here(tmp_path):
    (tmp_path / "keras.py").write_text("")
    path = os.pathsep.join([str(tmp_path), str(ROOT.parent)])
    out = run("from sklearn_kpd import KeypointRegressor", PYTHONPATH=path)
    assert "module 'keras' has no attribute" in out.stderr
    assert "cannot import name" not in out.stderr


@pytest.mark.usefixtures("first_import")
def test_only_lines_of_the_log_are_dropped(capfd):
    with quiet.held_back_log():
        write([*LOG, *OTHERS])
    assert capfd.readouterr().err.splitlines() == OTHERS


@pytest.mark.usefixtures("first_import")
def test_everything_is_let_out_if_the_block_fails(capfd):
    def fail():
        with quiet.held_back_log():
            write(LOG)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capfd.readouterr().err.splitlines() == LOG


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.usefixtures("first_import")
def test_a_user_who_asks_for_the_log_gets_it(capfd, monkeypatch, level):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with quiet.held_back_log():
        write(LOG)
    assert capfd.readouterr().err.splitlines() == LOG


def test_once_tensorflow_is_there_nothing_is_held_back(capfd):
    with quiet.held_back_log():
        write(LOG)
    assert capfd.readouterr().err.splitlines() == LOG


@pytest.mark.usefixtures("first_import")
def test_without_stderr_it_does_nothing(monkeypatch):
    def closed(descriptor):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with quiet.held_back_log():
        pass


def test_public_modules_import_keras_through_it():
    needed = []
    for path in ROOT.rglob("*.py"):
        if any(part.startswith("_") for part in path.relative_to(ROOT).parts[:-1]):
            continue
        if path.name.startswith("_") and path.name != "__init__.py":
            continue
        imports = [n for n in ast.parse(path.read_text("utf-8")).body
                   if isinstance(n, ast.Import | ast.ImportFrom)]  # fmt: skip
        if any(ast.unparse(node).startswith(("import keras", "from keras")) for node in imports):
            needed.append(path.relative_to(ROOT).as_posix())
            assert ast.unparse(imports[0]) == "from sklearn_kpd._common import quiet", path
    assert "losses.py" in needed


@pytest.mark.skipif(not IS_TENSORFLOW, reason="devices of TensorFlow")
@pytest.mark.parametrize(
    ("cuda", "driver", "visible", "started"),
    [
        (True, False, None, True),
        (True, True, None, False),
        (True, True, "0", False),
        (True, True, "-1", True),
        (True, True, "", True),
        (False, False, None, False),
    ],
)
def test_no_driver_is_started(monkeypatch, cuda, driver, visible, started):
    import tensorflow as tf

    def load(name):
        if not driver:
            raise OSError(name)

    calls = []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(quiet.ctypes, "CDLL", load)
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: cuda)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: calls.append(1))
    quiet._start_devices()
    assert bool(calls) == started
