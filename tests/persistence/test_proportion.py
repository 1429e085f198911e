"""Small files that ask for much time or memory are refused, or do no harm."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.persistence.hostile_files import KINDS, OF_MODELS

pytest.importorskip("resource")

# Beyond the import: on a machine that others use too, a multiple of what a load takes.
SECONDS, MEGABYTES = 30, 500

LOAD = """
import resource, sys, time, warnings
import sklearn_kpd
from sklearn_kpd.exceptions import PersistenceError

def status(field):
    with open("/proc/self/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return int(fields[field].split()[0]) // 1024

warnings.simplefilter("ignore")
kinds, folder, megabytes, seconds = sys.argv[4:], sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
from tests.persistence.hostile_files import hostile_file
sklearn_kpd.load(hostile_file("as it was", folder))  # what is made once in a process
for kind in kinds:
    path = hostile_file(kind, folder)
    space = (status("VmSize") + megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (space, -1))
    done = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (done + seconds, -1))
    print(f"{kind}: {path.stat().st_size} bytes", end=" ", flush=True)
    started = time.perf_counter()
    try:
        sklearn_kpd.load(path)
        ended = "loaded"
    except PersistenceError as error:
        ended = f"{type(error).__name__}: {str(error)[:80]}"
    print(f"{time.perf_counter() - started:.1f} s: {ended}", flush=True)
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
"""
BROKEN = [
    "called twice each", "many nested nodes", "reverse order", "wrapped deeply", "long text",
    "many empty lists", "constants", "constants and no tensor", "a tensor without history",
    "many layers", "many layers in one",
]  # fmt: skip
HARMLESS = [
    "a large pooling window", "a large window of maxima", "sizes in the batch", "many steps",
    "some steps", "adaptive pooling", "adaptive maxima", "resizing", "padding",
    "up in one direction", "many inputs",
]  # fmt: skip
ENDS = {
    **dict.fromkeys(BROKEN, "BrokenFileError"),
    **dict.fromkeys(HARMLESS, "loaded"),
    "an optimizer in another": "UntrustedTypeError",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_time_and_memory_are_in_proportion(tmp_path):
    """A child that takes more is ended; its last line names the kind of file."""
    assert {"as it was", *ENDS} == {*KINDS, *OF_MODELS}
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path, str(MEGABYTES), str(SECONDS), *ENDS],
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0, (lines[-1:], ended.stderr[-2000:])
    found = dict(line.split(": ", 1) for line in lines)
    assert found.keys() == ENDS.keys()
    wrong = {kind: found[kind] for kind, end in ENDS.items() if f" s: {end}" not in found[kind]}
    assert not wrong
