"""What benchmarks share: sides that take turns, memory, faces, augmentation."""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from sklearn_kpd.datasets import make_faces

#: A usual augmentation, and the same with what costs the most.
AUGMENT = {
    "rotation": 15, "scale": 0.1, "translation": 4, "flip": 0.5, "brightness": 0.1,
    "contrast": 0.2,
}  # fmt: skip
NOISY = {**AUGMENT, "noise": 0.05}


def memory(field):
    """A field of /proc/self/status in megabytes: "VmHWM" is the peak, "RssAnon" without files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":") for line in lines)[field].split()[0]) / 1024


class PeakMemory(threading.Thread):
    """Peak of the memory that is not that of mapped files, looked at 50 times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.peak = 0.0

    def run(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, memory("RssAnon"))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def faces(n_faces):
    """A thousand generated faces, over and over: images and keypoints."""
    X, y = make_faces(1000, random_state=0)
    rows = np.arange(n_faces) % len(X)
    return X[rows], y.iloc[rows].reset_index(drop=True)


def timed(function):
    """Seconds of a call, by the clock on the wall and by the processor's."""
    start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def take_turns(functions, n_rounds):
    """Time functions of this process in turn: name to (n_rounds, 2), as `timed` gives them."""
    rounds = [{name: timed(run) for name, run in functions.items()} for _ in range(n_rounds)]
    return {name: np.array([times[name] for times in rounds]) for name in functions}


def compare(sides, parser, rounds=3):
    """Run each side in a process of its own, in turn, and take medians.

    Parameters
    ----------
    sides : dict of str to callable
        Each takes the parsed arguments and returns a dict of figures.
    parser : argparse.ArgumentParser
        Options of the script.
    rounds : int, default=3
        How often each side runs, unless ``--rounds`` says so.

    Returns
    -------
    dict of str to dict of str to float, or None
        None in the process of one side.
    """
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--side", choices=sides, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(sides[arguments.side](arguments)))
        return None
    found = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for side in sides:
            command = [sys.executable, *sys.argv, "--side", side]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[side].append(json.loads(out.splitlines()[-1]))
            print(f"{side}: {found[side][-1]}", flush=True)
    return {
        side: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for side, runs in found.items()
    }
