import platform
import subprocess
import sys

import pytest

# Prints how many pages the system has to hand out, while a thread takes memory and frees it.
PAGES = """
import resource, sys, threading
from sklearn_kpd._memory import keep_freed_memory

def work():
    for _ in range(200):
        blocks = [bytearray(100_000) for _ in range(100)]
        del blocks

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
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
