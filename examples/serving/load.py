"""Requests per second that one process of the service answers, on one core.

Run as ``python load.py faces.onnx face.png``. The client asks one request after the other over
one connection; it runs on another core where there is one.
"""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def connect(port: int, seconds: float = 60) -> http.client.HTTPConnection:
    """Wait until the service listens."""
    end = time.monotonic() + seconds
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.connect()
            return connection
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor, which a busy machine hardly changes; Linux's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start the service, ask it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--requests", type=int, default=500)
    arguments = parser.parse_args()
    port, body = free_port(), arguments.image.read_bytes()
    command = [sys.executable, "-m", "uvicorn", "--factory", "service:create_app"]
    service = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "warning"],
        cwd=Path(__file__).parent,
        env={**os.environ, "KEYPOINT_MODEL": str(arguments.model.resolve())},
    )
    try:
        if hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(service.pid, cores[:1])
            os.sched_setaffinity(0, cores[-1:])
        connection = connect(port)
        seconds = []
        on_linux = sys.platform == "linux"
        used = -processor_seconds(service.pid) if on_linux else np.nan
        for _ in range(arguments.requests):
            start = time.perf_counter()
            connection.request("POST", "/keypoints", body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the service answered {answer.status}")
            seconds.append(time.perf_counter() - start)
        used += processor_seconds(service.pid) if on_linux else 0
    finally:
        service.terminate()
        service.wait()
    median, slow = 1000 * np.quantile(seconds[10:], [0.5, 0.95])
    print(f"{1000 / median:.0f} requests/s: median {median:.2f} ms, 95 % within {slow:.2f} ms")
    if on_linux:
        each = used / arguments.requests
        print(f"{1000 * each:.2f} ms of the processor each: {1 / each:.0f}/s on a core of its own")


if __name__ == "__main__":
    main()
