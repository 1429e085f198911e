"""Workers of Dask's that would share a GPU."""

import os
import subprocess
import sys
import tempfile
import types

import pytest

from sklearn_kpd._common import gpus

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs flock")

# Another worker's process, that holds the lock of a GPU until it ends.
OTHER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Be a worker of Dask's that sees the GPUs 0 and 1."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_claimed", {})
    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(get_worker=object))
    monkeypatch.setattr(
        "tensorflow.config.list_physical_devices", lambda kind: ["first", "second"]
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SKLEARN_KPD_SHARE_GPU", raising=False)
    return tmp_path


@pytest.fixture
def other(worker):
    lock = worker / f"sklearn_kpd-{os.getuid()}-gpu-1.lock"
    command = [sys.executable, "-c", OTHER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def test_a_gpu_of_another_worker_is_refused(other):
    with pytest.raises(RuntimeError, match="GPU 1 already.*CUDA_VISIBLE_DEVICES"):
        gpus.claim_gpus()


def test_a_gpu_of_its_own_is_taken(other, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    gpus.claim_gpus()
    gpus.claim_gpus()
    assert set(gpus._claimed) == {"0", "3"}


def test_a_gpu_is_free_once_its_worker_is_dead(other):
    other.kill()
    other.wait()
    gpus.claim_gpus()
    assert set(gpus._claimed) == {"0", "1"}


def test_sharing_may_be_meant(other, monkeypatch):
    monkeypatch.setenv("SKLEARN_KPD_SHARE_GPU", "1")
    gpus.claim_gpus()
    assert not gpus._claimed


def test_who_is_no_worker_shares_as_he_likes(other, monkeypatch):
    def none():
        raise ValueError("No worker found")

    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(get_worker=none))
    gpus.claim_gpus()
    monkeypatch.delitem(sys.modules, "distributed")
    gpus.claim_gpus()
    assert not gpus._claimed


def test_no_link_is_followed(worker):
    goal = worker / "precious"
    (worker / f"sklearn_kpd-{os.getuid()}-gpu-0.lock").symlink_to(goal)
    with pytest.raises(OSError, match="gpu-0.lock"):
        gpus.claim_gpus()
    assert not goal.exists()
