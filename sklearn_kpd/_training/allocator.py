"""How the C library hands memory out during training."""

import ctypes
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Names and numbers of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_DEFAULT_MMAP_MAX = 65536
# How far glibc lets its own thresholds grow, on 64 bits.
_LARGEST_MMAP_THRESHOLD, _LARGEST_TRIM_THRESHOLD = 32 * 2**20, 64 * 2**20
_KEPT = 2**30

_lock = threading.Lock()
_n_blocks = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let glibc keep freed memory for the length of a block, and give it back afterwards.

    TensorFlow takes the memory of every tensor of every step from malloc and frees it again. When
    batches come from Python, the network runs on threads whose memory glibc gives back to the
    system at once: fetching the pages anew made a step of the heatmap network twice to thrice as
    long. Does nothing where the C library is another one. Blocks may overlap in several threads.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    global _n_blocks
    libc = ctypes.CDLL(None)
    with _lock:
        _n_blocks += 1
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        with _lock:
            _n_blocks -= 1
            if not _n_blocks:
                libc.mallopt(_M_MMAP_MAX, _DEFAULT_MMAP_MAX)
                libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
                libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_TRIM_THRESHOLD)
                libc.malloc_trim(ctypes.c_size_t(0))
