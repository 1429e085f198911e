"""The page in a real browser, and the server killed under it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from sklearn_kpd.datasets import load_kaggle, make_faces
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS
from tests.label_quality.review.helpers import issues_of, write_kaggle_csv

pytest.importorskip("flask")
pytest.importorskip("selenium")

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to show the page"),
    pytest.mark.skipif(CHROMEDRIVER is None, reason="no chromedriver to drive Chromium"),
    # selenium leaves its connections to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

NAMES = list(KAGGLE_KEYPOINTS)
NOSE = NAMES.index("nose_tip")
LEFT_EYE, RIGHT_EYE = NAMES.index("left_eye_center"), NAMES.index("right_eye_center")
HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">"
PATIENCE = 120  # seconds: the machine may be busy


@pytest.fixture
def labels(tmp_path):
    """Labels of four faces of training.csv: row 2 is moved, row 0 swapped; 1 of a hostile kind."""
    X, y = make_faces(4, random_state=0)
    predicted = y.to_numpy().reshape(4, -1, 2) + 0.5
    labels = predicted.round(2)
    labels[2, NOSE] = [70, 25]
    labels[0, [LEFT_EYE, RIGHT_EYE]] = labels[0, [RIGHT_EYE, LEFT_EYE]]
    write_kaggle_csv(tmp_path / "training.csv", X, y.assign(**dict(
        zip(y.columns, labels.reshape(4, -1).T, strict=True)
    )))  # fmt: skip
    rows = [
        (2, "moved", ["nose_tip"]),
        (0, "swapped", [NAMES[LEFT_EYE], NAMES[RIGHT_EYE]]),
        (1, HOSTILE, ["nose_tip"]),
    ]
    issues_of(labels, rows, NAMES, predicted).to_csv(tmp_path / "issues.csv", index=False)
    return labels


class Review:
    """The command in a process of its own."""

    def __init__(self, folder):
        self._folder, self._process = folder, None
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sklearn_kpd", "review", "training.csv", "issues.csv",
             "--no-browser"],
            cwd=self._folder, text=True, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        self.said, self.url = [], None
        for line in self._process.stdout:
            self.said.append(line)
            found = re.search(r"http://\S+", line)
            if found:
                self.url = found[0]
                return
        raise AssertionError(self.said)

    def kill(self):
        self._process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._process.wait()
        self._process.stdout.close()

    def end(self):
        rest = self._process.stdout.read()
        return self._process.wait(timeout=PATIENCE), rest

    def journal(self):
        lines = (self._folder / "issues.csv.review.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]


@pytest.fixture
def review(labels, tmp_path):
    running = Review(tmp_path)
    yield running
    if running._process.poll() is None:
        running.kill()


@pytest.fixture
def driver(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1280,900", f"--user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


class Page:
    """What a person sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)
        self.wait(lambda: self.text("progress"))
        return self

    def wait(self, condition):
        WebDriverWait(self.driver, PATIENCE).until(lambda _: condition())

    def find(self, id):
        return self.driver.find_element("id", id)

    def text(self, id):
        return self.find(id).text

    def wait_for(self, id, text):
        self.wait(lambda: text in self.text(id))

    def press(self, key):
        self.driver.find_element("tag name", "body").send_keys(key)

    def click(self, id):
        self.find(id).click()

    def point(self, k):
        """Where a label is on the screen, from the middle of the picture; None for nowhere."""
        return self.driver.execute_script(
            """
            const label = `#marks .point:not(.predicted)[data-k="${arguments[0]}"]`;
            const mark = document.querySelector(label);
            if (!mark) return null;
            const box = mark.getBoundingClientRect();
            const all = document.getElementById("picture").getBoundingClientRect();
            return [box.x + box.width / 2 - all.x - all.width / 2,
                    box.y + box.height / 2 - all.y - all.height / 2];
            """,
            k,
        )

    def scale(self):
        """Pixels of the screen for one of the image."""
        return self.driver.execute_script(
            """const picture = document.getElementById("picture");
            return picture.getBoundingClientRect().width / picture.viewBox.baseVal.width;"""
        )

    def over(self, place):
        """Begin with the pointer there, from the middle of the picture."""
        actions = ActionChains(self.driver)
        return actions.move_to_element_with_offset(self.find("picture"), *map(round, place))

    def drag(self, start, by):
        actions = self.over(start)
        actions.click_and_hold().move_by_offset(4, 4).move_by_offset(by[0] - 4, by[1] - 4)
        actions.release().perform()

    def picture_shown(self):
        """Whether the image was fetched and decoded."""
        return self.driver.execute_async_script(
            """const done = arguments[0], image = new Image();
            image.onload = () => done([image.naturalWidth, image.naturalHeight]);
            image.onerror = () => done(null);
            image.src = document.getElementById("image").href.baseVal;"""
        )

    def fetched(self):
        return self.driver.execute_script(
            "return performance.getEntries().map((entry) => entry.name)"
            ".filter((name) => name.includes(':'))"
        )

    def messages(self):
        """What the browser's console holds, but for what the kill of a server leaves there."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [text for text in said if "ERR_CONNECTION_REFUSED" not in text]


def test_changes_survive_a_kill_of_the_server(review, driver, labels, tmp_path):
    page = Page(driver).open(review.url)
    assert page.text("progress") == "0 of 3 looked at, 0 changed"
    assert "Moved" in page.text("issues")
    assert "nose_tip" in page.text("issues")
    assert page.picture_shown() == [96, 96]
    # a point is dragged, and goes where the pointer went
    scale = page.scale()
    assert scale > 5
    page.drag(page.point(NOSE), (-80, 60))
    page.wait_for("progress", "1 changed")
    moved = review.journal()[-1]["points"]["nose_tip"]
    np.testing.assert_allclose(moved, labels[2, NOSE] + np.array([-80, 60]) / scale, atol=0.3)
    page.press("u")
    page.wait_for("progress", "0 changed")
    assert not page.find("undo").is_enabled()
    # accepted, and the page loaded again shows it
    page.press("a")
    page.wait_for("progress", "1 changed")
    driver.refresh()
    page.wait_for("progress", "1 changed")
    # the server is killed: what it does not answer is said not to be kept
    review.kill()
    page.press("n")
    page.wait_for("alert", "does not answer")
    assert page.text("title").startswith("Row 2,")
    # in the middle of a line, too
    journal = tmp_path / "issues.csv.review.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"action": "clear", "row": 2, "poi')
    old = review.url
    review.start()
    assert "0 of 3 looked at, 1 changed" in review.said[0]
    assert review.url != old
    page.open(review.url)
    assert page.text("progress") == "0 of 3 looked at, 1 changed"
    page.press("u")
    page.wait_for("progress", "0 changed")
    assert [entry["action"] for entry in review.journal()] == ["move", "undo", "accept", "undo"]
    assert page.messages() == []


def test_to_the_corrected_file(review, driver, labels, tmp_path):
    page = Page(driver).open(review.url)
    page.click("accept")
    page.wait_for("progress", "1 changed")
    accepted = review.journal()[-1]["points"]["nose_tip"]
    page.click("next")
    page.wait_for("title", "Row 0,")
    assert page.text("progress") == "1 of 3 looked at, 1 changed"
    page.click("swap")
    page.wait_for("progress", "2 changed")
    page.press("n")
    page.wait_for("title", "Row 1,")
    # a hostile name is text
    assert HOSTILE in page.text("issues")
    assert driver.title != "broken"
    assert driver.find_elements("css selector", "#issues img") == []
    # undo goes back to where the change was; and again
    page.press("u")
    page.wait_for("title", "Row 0,")
    page.wait_for("progress", "1 changed")
    page.press("w")
    page.wait_for("progress", "2 changed")
    page.press("n")
    page.wait_for("title", "Row 1,")
    page.press("n")
    page.wait(lambda: page.find("ask").is_displayed())
    assert "All 3 were looked at. 2 have changed." in page.text("ask")
    fetched = page.fetched()
    page.click("write")
    page.wait_for("end-text", "Wrote training_corrected.csv")
    code, rest = review.end()
    assert code == 0
    assert "2 of 4 rows have other labels" in rest
    expected = labels.copy()
    expected[2, NOSE] = accepted
    expected[0, [LEFT_EYE, RIGHT_EYE]] = labels[0, [RIGHT_EYE, LEFT_EYE]]
    found = load_kaggle(tmp_path / "training_corrected.csv", return_X_y=True, cache=False)[1]
    np.testing.assert_array_equal(found.to_numpy(), expected.reshape(4, -1))
    # nothing was asked of anybody else
    assert fetched
    assert all(name.startswith(review.url) for name in fetched)
    assert page.messages() == []


def test_points_are_selected_placed_and_moved(review, driver, labels):
    page = Page(driver).open(review.url)
    scale = page.scale()
    # hover names the point
    page.over(page.point(LEFT_EYE)).perform()
    assert driver.find_element("css selector", "#marks .name").text == NAMES[LEFT_EYE]
    # a click selects it, and what follows is about it
    page.over(page.point(LEFT_EYE)).click().perform()
    page.wait_for("about", f"selected: {NAMES[LEFT_EYE]}")
    page.press("x")
    page.wait_for("progress", "1 changed")
    assert review.journal()[-1]["points"] == {NAMES[LEFT_EYE]: None}
    assert page.point(LEFT_EYE) is None
    # a double click puts it somewhere
    page.over((-300, 250)).double_click().perform()
    page.wait(lambda: review.journal()[-1]["action"] == "move")
    placed = review.journal()[-1]["points"][NAMES[LEFT_EYE]]
    np.testing.assert_allclose(placed, [47.5 - 300 / scale, 47.5 + 250 / scale], atol=1)
    # arrows move it
    for _ in range(3):
        page.press(Keys.ARROW_RIGHT)
    page.wait(lambda: left_eye(review)[0] == pytest.approx(placed[0] + 3 / scale, abs=0.01))
    # Shift adds to the selection, which moves together
    page.press(Keys.ESCAPE)
    page.over(page.point(NOSE)).click().perform()
    actions = page.over(page.point(RIGHT_EYE)).key_down(Keys.SHIFT).click().key_up(Keys.SHIFT)
    actions.perform()
    page.drag(page.point(NOSE), (40, 0))
    page.wait(lambda: set(review.journal()[-1]["points"]) == {"nose_tip", NAMES[RIGHT_EYE]})
    for name, k in (("nose_tip", NOSE), (NAMES[RIGHT_EYE], RIGHT_EYE)):
        by = np.array(review.journal()[-1]["points"][name]) - labels[2, k]
        np.testing.assert_allclose(by, [40 / scale, 0], atol=0.3)
    assert page.messages() == []


def left_eye(review):
    """Where the left eye was put last."""
    return review.journal()[-1]["points"][NAMES[LEFT_EYE]]


def test_zoom_pan_and_skip_change_nothing(review, driver):
    page = Page(driver).open(review.url)
    scale = page.scale()
    origin = ScrollOrigin.from_element(page.find("picture"), -300, -300)
    ActionChains(driver).scroll_from_origin(origin, 0, -400).perform()
    page.wait(lambda: page.scale() > 1.3 * scale)
    before = page.point(NOSE)
    page.drag((-300, 250), (30, -20))
    np.testing.assert_allclose(np.subtract(page.point(NOSE), before), [30, -20], atol=2)
    page.press("0")
    page.wait(lambda: page.scale() == pytest.approx(scale))
    assert review.journal() == []
    # skipped ones come again
    for key, row in (("s", 0), ("n", 1), ("p", 0), ("n", 1), ("n", 2)):
        page.press(key)
        page.wait_for("title", f"Row {row},")
    assert page.text("progress") == "2 of 3 looked at, 0 changed"
    assert page.messages() == []


def test_on_a_phone_nothing_is_cut_off(review, driver):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page = Page(driver).open(review.url)
    width = driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    for id in ("accept", "clear", "swap", "undo", "previous", "skip", "next", "finish", "zoom-in"):
        box = page.find(id).rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 36
    page.click("accept")
    page.wait_for("progress", "1 changed")
    # two fingers that go apart enlarge
    box, scale = page.find("picture").rect, page.scale()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", 0)):
        fingers = [{"x": x + by, "y": y, "id": id} for id, by in enumerate((-apart, apart))]
        touch = {"type": kind, "touchPoints": fingers if apart else []}
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    page.wait(lambda: page.scale() == pytest.approx(3 * scale, rel=0.05))
    assert page.text("progress") == "0 of 3 looked at, 1 changed"


def test_a_second_window_cannot_work_on_what_it_does_not_see(review, driver):
    page = Page(driver).open(review.url)
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    page.open(review.url)
    page.press("n")
    page.wait_for("title", "Row 0,")
    driver.switch_to.window(first)
    page.press("x")
    page.wait_for("alert", "another window")
    page.wait_for("title", "Row 0,")
    assert [entry["action"] for entry in review.journal()] == ["show"]
