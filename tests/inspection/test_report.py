import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from sklearn_kpd import metrics
from sklearn_kpd.inspection import evaluation_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def predictions(kaggle_like):
    X, y = kaggle_like
    rng = np.random.default_rng(0)
    pred = y.fillna(y.mean()).to_numpy()
    return X, y, pred + rng.normal(0, 1.5, pred.shape)


@pytest.fixture(scope="module")
def page(predictions):
    return evaluation_report(*predictions, title="a <b> & faces.csv", n_faces=6, random_state=0)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows and data.strip():
            self.rows[-1].append(data.strip())


def test_scores_lie_in_their_intervals_and_are_those_of_the_metrics(page, predictions):
    _, y, pred = predictions
    parsed = Page()
    parsed.feed(page)
    table = {row[0]: row[1:4] for row in parsed.rows if row[3:4] in (["px"], ["%"])}
    assert len(table) == 7
    rmse = float(table["Root mean squared error"][0])
    assert rmse == pytest.approx(metrics.mean_squared_error(y, pred) ** 0.5, abs=0.005)
    (nme,) = (float(row[0]) for name, row in table.items() if name.startswith("Normalised"))
    expected = metrics.normalized_mean_error(y, pred, normalize="interpupil")
    assert nme == pytest.approx(100 * expected, abs=0.005)
    shares = {
        "Failure rate (above 8 %)": metrics.failure_rate,
        "Area under the cumulative error curve up to 8 %": metrics.area_under_cumulative_error,
    }
    for name, metric in shares.items():
        expected = 100 * metric(y, pred, normalize="interpupil")
        assert float(table[name][0]) == pytest.approx(expected, abs=0.005)
    for value, interval, _ in table.values():
        low, high = map(float, interval.split(" to "))
        assert low <= float(value) <= high
        assert low < high


def test_it_is_one_page_that_needs_nothing_else(page):
    parsed = Page()
    parsed.feed(page)
    assert len(parsed.addresses) == 4
    assert all(address.startswith("data:image/png;base64,") for address in parsed.addresses)
    assert "script" not in parsed.tags
    assert "a &lt;b&gt; &amp; faces.csv" in page


@pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page in")
def test_a_browser_shows_the_pictures_and_fetches_nothing(page, tmp_path):
    # The page itself lets no script run; a copy that does says what the browser shows and fetches.
    script = """<script>
    addEventListener('load', () => document.body.dataset.found = JSON.stringify({
        widths: [...document.images].map(image => image.complete && image.naturalWidth),
        fetched: performance.getEntriesByType('resource').map(entry => entry.name),
        heading: document.querySelector('h1').innerText,
    }))</script>"""
    path = tmp_path / "report.html"
    policy = re.search(r"<meta http-equiv=[^>]*>", page)[0]
    assert "default-src 'none'" in policy
    path.write_text(page.replace(policy, "").replace("</body>", script + "</body>"), "utf-8")
    dom = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', dom)[1]))
    assert found["heading"] == "a <b> & faces.csv"
    assert len(found["widths"]) == 4
    assert min(found["widths"]) > 300
    assert not [name for name in found["fetched"] if not name.startswith("data:")]


def test_few_faces_and_arrays(faces):
    X, y = faces
    page = evaluation_report(X[:2], y.to_numpy()[:2], y.to_numpy()[:2] + 1, random_state=0)
    assert "by the size of the face" in page
    holes = y.iloc[:3].copy()
    holes.iloc[1:, :10] = np.nan  # no eye: two faces are left out
    page = evaluation_report(X[:3], holes, holes.fillna(0) + 1, random_state=0)
    assert "2 of the faces" in page
    with pytest.raises(ValueError, match="no labelled keypoint"):
        evaluation_report(X[:3], holes * np.nan, holes.fillna(0))


@pytest.mark.parametrize("in_other_order", [False, True])
def test_regions_are_counted_and_shown(faces, in_other_order):
    X, y = faces
    y_pred = y + 1
    y_pred.iloc[:10, 0] += 4  # the first keypoint of ten faces of forty
    regions = np.full((40, 15), 2.0)
    regions[:, 1] = 0.5  # and the second one of all
    if in_other_order:
        y_pred, regions = y_pred[y.columns[::-1]], regions[:, ::-1]
    page = evaluation_report(X, y, y_pred, regions=regions, n_faces=2, random_state=0)
    row = page.partition("<td>Labels in their regions</td><td>")[2]
    assert row.startswith(f"{100 * (1 - (10 + 40) / 600):.2f}</td>")
    assert "<td>Faces with all labels in their regions</td><td>0.00</td>" in page
    assert page.count("<img") == 5
    assert "in their regions" not in evaluation_report(X, y, y_pred, n_faces=2)


def test_names_with_formulas_and_predictions_beyond_all_bounds(faces):
    X, y = (item[:4] for item in faces)
    named = y.set_axis([c.replace("nose_tip", "no$e$_{x^") for c in y.columns], axis=1)
    assert "no$e$" in evaluation_report(X, named, named + 1, n_faces=2, random_state=0)
    page = evaluation_report(X, y, y + 1e15, n_faces=2, random_state=0)  # and it ends
    assert "1000000000000000.00" in page


def test_no_faces_are_an_error_of_ours(faces):
    X, y = faces
    with pytest.raises(ValueError, match="nothing to report on"):
        evaluation_report(X[:0], y[:0], y[:0])
    with pytest.raises(ValueError, match="no face to show"):
        evaluation_report(X, y, y, n_faces=0)
