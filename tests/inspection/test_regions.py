import numpy as np
import pytest
from matplotlib.patches import Ellipse
from sklearn.base import BaseEstimator

from sklearn_kpd.inspection import CoverageDisplay, RegionDisplay, RiskCoverageDisplay


class Regions(BaseEstimator):
    """Predicts y, moved to the right by 1, 2 ... pixels; a region is 10 * coverage."""

    def __init__(self, y):
        self.y = y

    def predict_region(self, X, coverage, joint=False, *, return_prediction=False):
        points = self.y[: len(X)].reshape(len(X), -1, 2).copy()
        points[..., 0] += np.arange(1, len(X) + 1)[:, np.newaxis] % 10
        radii = 10 * np.multiply.outer(np.asarray(coverage), np.ones(points.shape[:2]))
        return radii, points.reshape(len(X), -1)


@pytest.fixture
def estimator(faces):
    return Regions(faces[1].to_numpy())


def patches(axes):
    return [patch for patch in axes.patches if isinstance(patch, Ellipse)]


def test_discs_lie_on_the_predictions_and_show_what_they_miss(faces, estimator):
    X, y = faces
    display = RegionDisplay.from_estimator(estimator, X, y, coverage=0.25, n_faces=4)
    assert len(display.axes_) == 4
    first, third = patches(display.axes_[0]), patches(display.axes_[2])
    assert len(first) == 15
    assert first[0].width == first[0].height == 5
    np.testing.assert_allclose(first[0].center, y.to_numpy()[0, :2] + [1, 0])
    assert first[0].get_edgecolor() != third[0].get_edgecolor()  # 1 and 3 pixels off, of 2.5


def test_ellipses_are_turned(faces):
    X, y = faces
    regions = np.tile([[2.5, 1.5], [1.5, 2.5]], (40, 15, 1, 1))
    regions[0, 0] = [[np.inf, 0], [0, np.inf]]
    display = RegionDisplay.from_predictions(X, None, y, regions, n_faces=1)
    found = patches(display.axes_[0])
    assert len(found) == 14  # what is infinite is not drawn
    assert sorted([found[0].width, found[0].height]) == pytest.approx([2, 4])
    ends = found[0].get_patch_transform().transform([[-1, 0], [1, 0], [0, -1], [0, 1]])
    longer = max([ends[1] - ends[0], ends[3] - ends[2]], key=np.linalg.norm)
    assert abs(longer[0] - longer[1]) < 1e-9  # along x = y


def test_faces_without_labels(faces, estimator):
    X, y = faces
    RegionDisplay.from_estimator(estimator, X, y * np.nan, n_faces=2)
    assert len(RegionDisplay.from_estimator(estimator, X, n_faces=2).axes_) == 2


def test_coverage_that_is_kept(faces, estimator):
    X, y = faces
    # rows are off by 1 to 9 and by 0, so a region of c * 10 pixels holds c of 10, and one more
    display = CoverageDisplay.from_estimator(estimator, X, y, coverages=(0.45, 0.75))
    np.testing.assert_allclose(display.kept, [[0.5], [0.8]])
    assert display.interval.shape == (2, 2)
    assert (display.interval[0] < [0.5, 0.8]).all()
    np.testing.assert_allclose(display.lines_[0].get_ydata(), [50, 80])


@pytest.mark.parametrize(
    ("by", "joint", "n_groups"),
    [("keypoint", False, 15), ("size", False, 3), ("spread", False, 3), ("size", True, 3)],
)
def test_coverage_of_groups(faces, estimator, by, joint, n_groups):
    X, y = faces
    y = y.copy()
    y.iloc[0, 2:] = np.nan
    y.iloc[1] = np.nan
    display = CoverageDisplay.from_estimator(
        estimator, X, y, coverages=(0.45, 0.75), by=by, joint=joint
    )
    assert display.kept.shape == (2, n_groups)
    assert len(display.names) == len(display.lines_) == n_groups
    assert display.interval is None
    if by == "size" and joint:
        # by hand: the box about the labels of each face
        points = y.to_numpy().reshape(40, 15, 2)
        rows = np.delete(np.arange(40), 1)
        spans = np.nanmax(points[rows], axis=1) - np.nanmin(points[rows], axis=1)
        # the face with one label among them, whose box is a point
        ranked = np.repeat(np.sqrt(spans.prod(axis=1)), [1, *[15] * 38])
        limits = np.sort(ranked)[[len(ranked) // 3, 2 * len(ranked) // 3]]
        thirds = np.digitize(np.sqrt(spans.prod(axis=1)), limits)
        held = (rows + 1) % 10 <= 4.5
        expected = [held[thirds == third].mean() for third in range(3)]
        np.testing.assert_allclose(display.kept[0], expected)


@pytest.mark.parametrize(
    ("by", "joint"), [("colour", False), ("keypoint", True), ("spread", True)]
)
def test_groups_that_there_are_not(faces, estimator, by, joint):
    X, y = faces
    with pytest.raises(ValueError, match=f"by='{by}' is unknown"):
        CoverageDisplay.from_estimator(estimator, X, y, by=by, joint=joint)


def test_risk_by_hand():
    y = np.zeros((3, 4))
    y[2, 2:] = np.nan
    y_pred = [[1, 0, 0, 3], [0, 5, 7, 0], [2, 0, 100, 0]]
    radii = [[1, 2], [4, 4], [3, 0.5]]
    display = RiskCoverageDisplay.from_predictions(y, y_pred, radii, name="by hand")
    np.testing.assert_allclose(display.radii, [1, 2, 3, 4])
    np.testing.assert_allclose(display.kept, [0.2, 0.4, 0.6, 1.0])
    np.testing.assert_allclose(display.errors, [1, 2, 2, 18 / 5])
    np.testing.assert_allclose(display.line_.get_xdata(), [20, 40, 60, 100])


def test_risk_of_ellipses_goes_by_the_longer_axis(faces, estimator):
    X, y = faces
    regions = np.zeros((40, 15, 2, 2))
    regions[..., 0, 0], regions[..., 1, 1] = 1.0, 9.0
    regions[0, :, 1, 1] = np.inf
    regions[0, :, 0, 0] = np.inf
    found = RiskCoverageDisplay.from_predictions(y, y + 1, regions)
    assert found.radii.tolist() == [3.0, np.inf]
    display = RiskCoverageDisplay.from_estimator(estimator, X, y)
    assert display.ax_.get_legend().get_texts()[0].get_text() == "Regions"
