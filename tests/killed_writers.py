"""Kill processes in the midst of writing files, and look at what is left.

A child writes two contents in turn to one file, and is killed at a random moment, every second
time at one in which a file is not complete yet: one of the two has to be there, whole, and beside
it nothing but files whose names say what they are. The first write after an hour deletes these.

Run as ``python -m tests.killed_writers --n 20``.
"""

import argparse
import os
import random
import re
import signal
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

from tests.writers import WRITERS, make, read

STRAY = re.compile(r"\.[0-9a-f]{16}\.tmp(\.\w+)?")


def keep_writing(write, contents, path, started):
    """What a child does until it is killed."""
    try:
        os.write(started, b".")
        while True:
            for content in contents:
                write(content, path)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def kill_while_writing(write, contents, path, wait):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        keep_writing(write, contents, path, writing)
    os.read(reading, 1)
    wait()
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the child ended by itself"
    os.close(reading)
    os.close(writing)


def wait_for_more(folder):
    """Until there is a file that was not there before."""
    before = set(os.listdir(folder))
    while set(os.listdir(folder)) <= before:
        pass


def run(name, n, seed=0):
    """Kill n times; returns how many of the kills have left a file that was not complete.

    Raises
    ------
    AssertionError
        If what is there is neither content, or something is left that nothing explains.
    """
    rng = random.Random(f"{seed} {name}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "written" / name
        path.parent.mkdir()
        contents, whole = [], []
        for number in range(2):
            content, write = make(name, Path(folder), number)
            started = time.perf_counter()
            write(content, path)
            seconds = time.perf_counter() - started
            contents.append(content)
            whole.append(read(path))
        assert whole[0] != whole[1]
        n_left, left = 0, set()
        for number in range(n):
            wait = (
                partial(wait_for_more, path.parent)
                if number % 2
                else partial(time.sleep, rng.uniform(0, 3 * seconds))
            )
            kill_while_writing(write, contents, path, wait)
            assert read(path) in whole, f"{name}: torn by the kill {number}"
            found = set(os.listdir(path.parent)) - {name}
            assert all(STRAY.fullmatch(other.removeprefix(name)) for other in found), found
            n_left += found > left
            left = found
        for other in left:
            os.utime(path.parent / other, (0, 0))
        write(contents[0], path)
        assert read(path) == whole[0]
        assert os.listdir(path.parent) == [name]
    return n_left


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in WRITERS:
        n_left = run(name, arguments.n, arguments.seed)
        print(f"{name}: {arguments.n} kills, {n_left} while a file was written", flush=True)
