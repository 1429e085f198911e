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
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _sides import memory, take_turns

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


def growth(load, path):
    """Growth of the resident set to its peak, and the result's size, in megabytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is resident
    before = memory("VmHWM")
    X, y = load(path)
    return memory("VmHWM") - before, (X.nbytes + int(y.memory_usage().sum())) / 2**20


def report_times(path, n_rounds):
    load_kaggle(path)  # fills the cache
    loads = {name: partial(load, path) for name, load in CONTENDERS.items()}
    times = take_turns(loads, n_rounds)
    for kind, title in enumerate(("wall time", "processor time")):
        print(f"\n{title}, median of {n_rounds} rounds, and times slower than ours, cold")
        for name in CONTENDERS:
            seconds = times[name][:, kind]
            ratio = np.median(seconds / times["ours, cold"][:, kind])
            print(f"  {name:13}{np.median(seconds):7.3f} s{ratio:7.2f}")


def report_memory(path):
    file_size = os.path.getsize(path) / 2**20
    print(f"\npeak memory; the file has {file_size:.1f} MB")
    for name in CONTENDERS:
        command = [sys.executable, __file__, path, "--memory-of", name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        grown, size = map(float, output.split())
        print(
            f"  {name:13}{grown:7.1f} MB for a result of {size:.1f} MB: "
            f"{(grown - file_size) / size:.2f} × result + file"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(*growth(CONTENDERS[arguments.memory_of], arguments.training))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCIKIT_LEARN_DATA"] = folder
        report_times(arguments.training, arguments.rounds)
        report_memory(arguments.training)


if __name__ == "__main__":
    main()
