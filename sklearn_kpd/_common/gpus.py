"""GPUs that workers of one machine share by mistake."""

import os
import stat
import sys
import tempfile
from pathlib import Path

from sklearn_kpd._common.keras import IS_TENSORFLOW, n_visible_gpus

# Locks of this process, by the number or name of the GPU; they end with it, however it ends.
_claimed: dict[str, int] = {}


def claim_gpus() -> None:
    """Refuse a GPU that another of Dask's workers on this machine computes on.

    Both would be slow, and where the memory does not do for both, one fails in the midst of the
    search. ``SKLEARN_KPD_SHARE_GPU=1`` says that sharing is meant.

    Raises
    ------
    RuntimeError
        Says how to give each worker a GPU of its own.
    """
    meant = os.environ.get("SKLEARN_KPD_SHARE_GPU") == "1"
    if not IS_TENSORFLOW or sys.platform == "win32" or meant or not _in_dask_worker():
        return
    for name in _visible():
        if name not in _claimed:
            _claimed[name] = _locked(name)


def _in_dask_worker() -> bool:
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _visible() -> list[str]:
    """GPUs that TensorFlow computes on, as CUDA_VISIBLE_DEVICES names them."""
    n_gpus = n_visible_gpus()
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(i) for i in range(n_gpus)] if names is None else names.split(",")[:n_gpus]


def _locked(name: str) -> int:
    import fcntl

    path = Path(tempfile.gettempdir()) / f"sklearn_kpd-{os.getuid()}-gpu-{name.strip()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file: remove it.")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise RuntimeError(
            f"Another of Dask's workers on this machine computes on GPU {name} already: start "
            "every worker with a GPU of its own, such as CUDA_VISIBLE_DEVICES=0 dask worker ..., "
            "CUDA_VISIBLE_DEVICES=1 dask worker ..., each with --nworkers 1; or, if they are to "
            "share it, set SKLEARN_KPD_SHARE_GPU=1 for the workers."
        ) from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
