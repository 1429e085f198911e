import gc
import platform
import subprocess
import sys

import pytest

from tests.helpers import tiny_heatmap, tiny_network, tiny_regressor

# Prints how many pages the system has to hand out, while a thread takes memory and frees it.
PAGES = """
import contextlib, resource, sys, threading
from sklearn_kpd._training.allocator import freed_memory_kept

def work():
    for _ in range(50):
        blocks = [bytearray(1_000_000) for _ in range(40)]
        del blocks

before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
with freed_memory_kept() if sys.argv[1] == "keep" else contextlib.nullcontext():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_used_again():
    given_back, kept = (
        int(
            subprocess.run(
                [sys.executable, "-c", PAGES, mode], capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("give", "keep")
    )
    assert kept < given_back / 2


HELD = """
from sklearn_kpd._training.allocator import freed_memory_kept

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

before = resident()
with freed_memory_kept():
    with freed_memory_kept():
        blocks = [bytearray(1_000_000) for _ in range(300)]
        del blocks
    inner = resident()
print(inner - before, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_is_given_back_after_the_last_block():
    out = subprocess.run(
        [sys.executable, "-c", HELD], capture_output=True, text=True, check=True
    ).stdout
    held, left = map(int, out.split())  # kB
    assert held > 200_000
    assert left < 20_000


def test_what_was_fitted_is_released(faces):
    """Graphs hold the weights and the optimizer's variables, so none may stay."""
    X, y = faces

    def n_graphs():
        gc.collect()
        return sum(type(item).__name__ == "FuncGraph" for item in gc.get_objects())

    tiny_regressor(epochs=1).fit(X, y).predict(X)
    before = n_graphs()
    for network in (tiny_network, tiny_heatmap):
        tiny_regressor(network=network, epochs=1).fit(X, y).predict(X)
    assert n_graphs() == before
