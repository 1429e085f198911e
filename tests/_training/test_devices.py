"""Runs `on_two_devices.py` in a process whose processor counts as two devices."""

import subprocess
import sys
from pathlib import Path

import pytest

from sklearn_kpd._training import devices
from tests.helpers import tiny_regressor


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_on_two_devices(which):
    file = Path(__file__).with_name("on_two_devices.py")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", which, str(file)]
    command += ["-p", "no:cacheprovider", "--override-ini", "python_files=on_two_devices.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize("names", [["GPU:77"], [], ["CPU:0", "CPU:0"], "all"])
def test_devices_that_are_not_there_are_named(faces, names):
    if names == "all" and "GPU" in devices.known_devices():
        pytest.skip("there are GPUs")
    with pytest.raises(ValueError, match=r"there are .*CPU:0"):
        tiny_regressor(devices=names).fit(*faces)


def test_other_backends_have_none(faces, monkeypatch):
    monkeypatch.setattr(devices, "IS_TENSORFLOW", False)
    with pytest.raises(ValueError, match="set devices=None"):
        tiny_regressor(devices="all").fit(*faces)
