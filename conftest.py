"""How the tests are run: in how many processes, and on how many threads each."""

import os

# Processes beside each other do not fight for cores. Set before NumPy is imported; the package
# hands it on to TensorFlow, and child processes inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config):
    """All tests in up to four processes; files that are named, in this one.

    Every process imports TensorFlow and takes over a gigabyte.
    """
    if config.args_source is not config.ArgsSource.TESTPATHS:
        return 0
    from joblib import cpu_count

    return min(4, cpu_count())
