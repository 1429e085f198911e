"""Bounds for what a test may take."""

import contextlib
import signal


@contextlib.contextmanager
def time_limit(seconds):
    def stop(number, frame):
        raise BaseException(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
