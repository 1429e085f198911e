import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sklearn_kpd.cli import main
from tests.datasets.test_kaggle import rows_of, write


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
    import joblib

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
