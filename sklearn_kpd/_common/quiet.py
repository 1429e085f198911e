"""Keras and TensorFlow, imported without the log lines that a user can do nothing about.

Every public module that needs Keras imports this one before all others. TensorFlow writes to
file descriptor 2 from C++, before it reads any setting of its log. It is left alone where the
user imported it first, or set TF_CPP_MIN_LOG_LEVEL to see what it does.
"""

import contextlib
import ctypes
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator

# 'WARNING: All log messages before absl::InitializeLog() …', 'I0000 00:00:1795643368.733033 …',
# '2026-01-31 12:00:00.123456: E external/…'
_LOG_LINE = re.compile(
    rb"WARNING: All log messages before absl|[IWE]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \S+: [IWE] "
)
# Of glibc's <malloc.h>.
_M_ARENA_MAX = -8


@contextlib.contextmanager
def held_back_log() -> Iterator[None]:
    """Drop what TensorFlow logs while it is imported; if that fails, everything is let out.

    What is no line of a log, such as a warning of Python's, is let out in any case.
    """
    saved = None if _left_alone() else _copy_of_stderr()
    if saved is None:
        yield
        return
    failed = True
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if failed or not _LOG_LINE.match(line):
                    os.write(2, line)


def _left_alone() -> bool:
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    return "tensorflow" in sys.modules or level in {"0", "1"}


def _copy_of_stderr() -> int | None:
    try:
        return os.dup(2)
    except OSError:  # a program without a console has none
        return None


def _start_devices() -> None:
    """Have TensorFlow look for devices, which it logs at its first use, where that is harmless.

    Where there is a driver it is not started: processes that are forked later could not use it.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.test.is_built_with_cuda() and not _may_have_gpu():
        tf.config.list_physical_devices()


def _may_have_gpu() -> bool:
    """Whether there is a driver of NVIDIA's, and TensorFlow may use it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _share_heaps() -> None:
    """Have threads share as many heaps as there are cores; too late once there are more.

    By default glibc gives up to eight to a core, and the threads of every training fill others
    with holes: twelve fits of 15,000 images each took 124 MB more than one, and 11 MB so.
    """
    if platform.libc_ver()[0] == "glibc" and "MALLOC_ARENA_MAX" not in os.environ:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, max(2, os.cpu_count() or 2))


_is_first = "tensorflow" not in sys.modules

if _is_first:
    _share_heaps()
with held_back_log():
    import keras

    if _is_first:
        _start_devices()
