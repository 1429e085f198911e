"""How the C library hands memory out during training."""

import ctypes
import platform
from functools import lru_cache

# glibc's <malloc.h>: how much more than asked for is taken from the system, and kept.
_M_TOP_PAD = -2
_TOP_PAD = 64 * 1024 * 1024


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Let glibc keep 64 MB of freed memory for each of its arenas.

    TensorFlow takes the memory of every tensor of every step from malloc. When batches come from
    Python, the network runs on threads whose arenas glibc gives back to the system when they
    are empty, which is once a step: fetching the pages anew made a step of the heatmap network
    2.7 times as long. Does nothing where the C library is another one.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_TOP_PAD, _TOP_PAD)
