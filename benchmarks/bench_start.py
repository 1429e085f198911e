"""Time of `import sklearn_kpd`, beside that of importing its regressor with TensorFlow."""

import argparse
import subprocess
import sys
import time

from _sides import compare


def seconds_of(code):
    def run(_):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
        return {"seconds": time.perf_counter() - start}

    return run


SIDES = {
    "bare Python": seconds_of("pass"),
    "package": seconds_of("import sklearn_kpd"),
    "regressor": seconds_of("from sklearn_kpd import KeypointRegressor"),
}


def main():
    found = compare(SIDES, argparse.ArgumentParser(description=__doc__))
    if found:
        bare, package, regressor = (found[side]["seconds"] for side in SIDES)
        print(
            f"import sklearn_kpd {package - bare:.3f} s, its regressor {regressor - bare:.2f} s, "
            f"ratio {(package - bare) / (regressor - bare):.3f}"
        )


if __name__ == "__main__":
    main()
