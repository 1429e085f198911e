"""Standard deviations from moved copies beside those from heatmaps: cost, and what they tell.

Takes a saved model with heatmaps, which must not have seen the test faces, a test file in Kaggle's
format, and a CSV file with the labels of the test faces (columns ImageId and the 30 coordinates).
Both kinds are calibrated on one half of the faces as they are and measured on the other half, as
it is and changed; halves are drawn again and again.
"""

import numpy as np
import pandas as pd
from _sides import take_turns
from bench_conformal import changed, read_arguments

from sklearn_kpd._inference.calibration import calibrate, calibrated
from sklearn_kpd.keypoints import last_step

SPREADS = ("moves", "heatmaps")
AS_THEY_ARE = "as they are"


def errors_and_spread(regressor, X, y, kind):
    predictor = regressor.set_params(spread=kind)._predictor()
    images = np.reshape(X, (-1, *regressor.image_shape_))
    gain = regressor.float_gain_ or 1.0
    found, spread = predictor.pixels_and_spread(images, gain, batch_size=64)
    return found - np.asarray(y), spread


def measures(errors, std):
    scaled = np.abs(errors) / std
    surest = np.argsort(np.mean(std**2, axis=1))[: len(std) // 2]
    return {
        "within 1": (scaled <= 1).mean(),
        "within 2": (scaled <= 2).mean(),
        "-log likelihood": (np.log(std) + scaled**2 / 2).mean(),
        "RMSE": np.sqrt((errors**2).mean()),
        "surest half": np.sqrt((errors[surest] ** 2).mean()),
    }


def table(regressor, tests, orders):
    """Calibrated on halves of the faces as they are, measured on the other halves of each kind."""
    known = {
        spread: errors_and_spread(regressor, *tests[AS_THEY_ARE], spread) for spread in SPREADS
    }
    for name, (X, y) in tests.items():
        for spread in SPREADS:
            errors, spreads = errors_and_spread(regressor, X, y, spread)
            rows = []
            for order in orders:
                half, rest = np.split(order, [len(order) // 2])
                known_errors, known_spreads = (part[half] for part in known[spread])
                calibration = calibrate(known_spreads, known_errors)
                rows.append(measures(errors[rest], calibrated(spreads[rest], calibration)))
            yield {"faces": name, "spread": spread, **pd.DataFrame(rows).mean()}


def with_std(regressor, X, spread):
    """A function that predicts standard deviations of one kind."""
    return lambda: regressor.set_params(spread=spread).predict(X, return_std=True)


def main():
    model, X, y, orders = read_arguments(__doc__)
    regressor = last_step(model)
    tests = {AS_THEY_ARE: (X, y), **{name: faces for name, *faces in changed(X, y)}}
    found = pd.DataFrame(table(regressor, tests, orders))
    print(found.round(3).to_string(index=False), flush=True)

    functions = {spread: with_std(regressor, X, spread) for spread in SPREADS}
    times = take_turns({"predict": lambda: regressor.predict(X), **functions}, 6)
    seconds = {name: np.median(taken[1:, 0]) for name, taken in times.items()}
    for spread in SPREADS:
        ratio = seconds[spread] / seconds["predict"]
        print(f"{spread}: {ratio:.2f} x the time of predict without a standard deviation")


if __name__ == "__main__":
    main()
