import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sklearn_kpd import metrics
from sklearn_kpd.cli import main
from sklearn_kpd.datasets import load_kaggle
from sklearn_kpd.keypoints import columns_from_names
from tests.datasets.test_kaggle import rows_of, write
from tests.helpers import tiny_regressor


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*args):
        return CliRunner().invoke(main, [str(a) for a in args])

    return invoke


@pytest.fixture
def data(kaggle_like, tmp_path):
    rows = rows_of(kaggle_like, n=12)
    test = [["ImageId", "Image"], *([str(i), row[-1]] for i, row in enumerate(rows[1:], start=1))]
    write(tmp_path / "training.csv", rows)
    write(tmp_path / "test.csv", test)
    (tmp_path / "lookup.csv").write_text("RowId,ImageId,FeatureName\n1,3,nose_tip_x\n")
    return tmp_path


def test_train_evaluate_predict(run, data):
    result = run(
        "train", "training.csv", "--out", "m.joblib", "--network", "cnn", "--epochs", 1,
        "--random-state", 0,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Wrote m.joblib." in result.output
    assert "Validation RMSE" in result.output
    result = run(
        "evaluate", "m.joblib", "training.csv", "--out", "worst.png", "--report", "report.html"
    )
    assert result.exit_code == 0, result.output
    assert "m.joblib on training.csv" in (data / "report.html").read_text()
    assert "RMSE" in result.output
    assert (data / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert run("predict", "m.joblib", "test.csv", "--out", "plain.csv").exit_code == 0
    plain = pd.read_csv(data / "plain.csv")
    assert plain.shape == (12, 31)
    assert run(
        "predict", "m.joblib", "test.csv", "--out", "s.csv", "--lookup", "lookup.csv"
    ).exit_code == 0  # fmt: skip
    submission = pd.read_csv(data / "s.csv")
    assert list(submission.columns) == ["RowId", "Location"]
    np.testing.assert_allclose(submission["Location"], plain["nose_tip_x"][2])


@pytest.fixture
def models(kaggle_like, data):
    """Models of the same keypoints in another order, of some of them, and without names."""
    X, y = kaggle_like
    complete = y.fillna(y.mean())
    names = sorted(column[:-2] for column in y.columns[::2])
    sets = {
        "sorted": complete[columns_from_names(names)],
        "eyes": complete.iloc[:, :4],
        "points": complete.to_numpy().reshape(-1, 15, 2),
        "other": complete.iloc[:, :4].set_axis(columns_from_names(["ear", "tail"]), axis=1),
        "nameless": complete.to_numpy()[:, :4],
    }
    fitted = {name: tiny_regressor(epochs=1).fit(X, labels) for name, labels in sets.items()}
    for name, model in fitted.items():
        joblib.dump(model, data / f"{name}.joblib")
    return fitted


def test_models_meet_the_file_by_the_names_of_their_keypoints(run, data, models):
    faces = load_kaggle(data / "training.csv")
    for name in ("sorted", "eyes"):
        model = models[name]
        columns = columns_from_names(model.keypoint_names_)
        y_pred = model.predict(faces.data)
        rmse = metrics.mean_squared_error(faces.target[columns], y_pred) ** 0.5
        result = run("evaluate", f"{name}.joblib", "training.csv")
        assert result.exit_code == 0, result.output
        assert f"RMSE {rmse:8.3f} pixels" in result.output
        assert run("predict", f"{name}.joblib", "test.csv", "--out", "p.csv").exit_code == 0
        table = pd.read_csv(data / "p.csv")
        assert list(table.columns) == ["ImageId", *columns]
        np.testing.assert_allclose(table[columns], y_pred, atol=1e-3)
    args = ("--out", "s.csv", "--lookup", "lookup.csv")
    assert run("predict", "sorted.joblib", "test.csv", *args).exit_code == 0
    nose = models["sorted"].keypoint_names_.index("nose_tip")
    location = pd.read_csv(data / "s.csv")["Location"]
    expected = models["sorted"].predict(faces.data[2:3])[0, 2 * nose]
    np.testing.assert_allclose(location, expected, atol=1e-3)


def test_models_without_names_are_taken_for_kaggles_or_refused(run, data, models):
    faces = load_kaggle(data / "training.csv")
    y_pred = models["points"].predict(faces.data)
    result = run("evaluate", "points.joblib", "training.csv")
    assert result.exit_code == 0, result.output
    assert f"RMSE {metrics.mean_squared_error(faces.target, y_pred) ** 0.5:8.3f}" in result.output
    assert "tells no names of keypoints; taken for Kaggle's 15" in result.output
    assert run("predict", "points.joblib", "test.csv", "--out", "p.csv").exit_code == 0
    for name, message in (
        ("nameless", "predicts 4 values and tells no names"),
        ("other", "predicts 'ear_x', of which training.csv has no labels"),
    ):
        result = run("evaluate", f"{name}.joblib", "training.csv")
        assert result.exit_code == 1
        assert message in result.output.replace("\n", " ")
        assert "Traceback" not in result.output


def test_demo(run, tmp_path):
    result = run("demo", "--faces", 40, "--epochs", 1, "--out", "d.png")
    assert result.exit_code == 0, result.output
    assert "for the column means" in result.output
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["train", "nothing.csv", "--out", "m.joblib"], 1, "nothing.csv: no such file"),
        (["train", "test.csv", "--out", "m.joblib"], 1, "test.csv holds no labels"),
        (["train", "broken.csv", "--out", "m.joblib"], 1, "row 1: 1 pixels"),
        (["train", "training.csv", "--out", "no/m.joblib"], 1, "no such folder"),
        (["train", "training.csv"], 2, "Missing option '--out'"),
        (["train", "training.csv", "--out", "m", "--epochs", "0"], 2, "Invalid value"),
        (["evaluate", "nothing.joblib", "training.csv"], 1, "nothing.joblib: no such file"),
        (["evaluate", "test.csv", "training.csv"], 1, "no model that can be read"),
        (["evaluate", "list.joblib", "training.csv"], 1, "holds a list, no fitted model"),
        (["predict", "nothing.joblib", "test.csv", "--out", "p.csv"], 1, "no such file"),
        (["fly"], 2, "No such command"),
    ],
)
def test_errors_are_plain_and_have_exit_codes(run, data, args, code, message):
    joblib.dump([], data / "list.joblib")
    broken = (data / "test.csv").read_text().splitlines()[0] + "\n1,3\n"
    (data / "broken.csv").write_text(broken)
    result = run(*args)
    assert result.exit_code == code
    assert message in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


def test_version_and_help(run):
    import sklearn_kpd

    assert sklearn_kpd.__version__ in run("--version").output
    for command in ("demo", "train", "evaluate", "predict"):
        assert command in run("--help").output
        assert run(command, "--help").exit_code == 0
