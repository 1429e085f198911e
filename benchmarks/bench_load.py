"""Time and memory of reading Kaggle's training file: ours against pandas and NumPy.

The usual way is `pandas.read_csv` and `np.fromstring(row, sep=" ")` for each row; told to make
uint8, `np.fromstring` is faster, so that is a second peer. All contenders take turns in each
round. Ratios are medians over the rounds, of wall time and of processor time: on a machine that
does other work as well, the latter says more. `cold` reads without a cache; `cached` finds the
entry that the round before has left (in a temporary folder, not the user's).

Memory is the growth of the resident set to its peak (Linux's VmHWM, reset before the load) in a
fresh process for each contender, after all imports.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_kpd.datasets import load_kaggle


def usual(path, dtype=np.float64):
    table = pd.read_csv(path)
    rows = table.pop("Image")
    return np.stack([np.fromstring(row, dtype=dtype, sep=" ") for row in rows]), table


CONTENDERS = {
    "usual": usual,
    "usual, uint8": lambda path: usual(path, np.uint8),
    "ours, cold": lambda path: load_kaggle(path, return_X_y=True, cache=False),
    "ours, cached": lambda path: load_kaggle(path, return_X_y=True),
}


def timed(load, path):
    start = time.perf_counter(), time.process_time()
    load(path)
    return time.perf_counter() - start[0], time.process_time() - start[1]


def memory(load, path):
    """Growth of the resident set to its peak, and the result's size, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is resident
    before = peak()
    X, y = load(path)
    return peak() - before, X.nbytes + int(y.memory_usage().sum())


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def report_times(path, n_rounds):
    load_kaggle(path)  # fills the cache
    rounds = [
        {name: timed(load, path) for name, load in CONTENDERS.items()} for _ in range(n_rounds)
    ]
    for kind, title in enumerate(("wall time", "processor time")):
        print(f"\n{title}, median of {n_rounds} rounds, and times slower than ours, cold")
        for name in CONTENDERS:
            seconds = statistics.median(r[name][kind] for r in rounds)
            ratio = statistics.median(r[name][kind] / r["ours, cold"][kind] for r in rounds)
            print(f"  {name:13}{seconds:7.3f} s{ratio:7.2f}")


def report_memory(path):
    file_size = os.path.getsize(path)
    print(f"\npeak memory; the file has {file_size / 1e6:.1f} MB")
    for name in CONTENDERS:
        command = [sys.executable, __file__, path, "--memory-of", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        grown, size = map(int, output.split())
        print(
            f"  {name:13}{grown / 1e6:7.1f} MB for a result of {size / 1e6:.1f} MB: "
            f"{(grown - file_size) / size:.2f} × result + file"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(*memory(CONTENDERS[arguments.memory_of], arguments.training))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCIKIT_LEARN_DATA"] = folder
        report_times(arguments.training, arguments.rounds)
        report_memory(arguments.training)


if __name__ == "__main__":
    main()
