// The page of a review. All that is known comes from the server as JSON and is shown as text; every
// change goes to the server, which has it on disk before it answers.

const KINDS = {
  moved: ["Moved", "the label is far from where it is expected"],
  swapped: ["Swapped", "the labels seem to have changed places"],
  mirrored: ["Mirrored", "the labels seem to be those of the mirror image"],
  shifted: ["Shifted", "the labels seem to be shifted together"],
  "wrong object": ["Wrong object", "the labels seem to be those of another object"],
  outside: ["Outside", "the label lies outside of the image"],
  "duplicates disagree": ["Duplicates disagree", "the same image is there again with other labels"],
};
const NEAR = { mouse: 12, pen: 14, touch: 24 }; // how near to a point a click has to be, in pixels of the screen
const SMALL = 256; // pictures up to so many pixels are shown pixel by pixel
const CROWD = 20; // keypoints of an issue from which on each is drawn small
const EDGE = 32; // pixels of the screen that are free at the edges together, for half a mark each
const PAUSE = 400; // milliseconds without an arrow key after which the points are kept

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

let state = null; // as the server told it last
let points = []; // labels as they are shown: those of the state, but for what is being moved
let selected = new Set();
let hovered = null;
let view = { x: 0, y: 0, scale: 1 }; // pixel of the photograph in the middle, pixels of the screen for one
let fitted = true; // whether all is seen that can be seen at first
let queue = Promise.resolve();
let waiting = 0; // requests under way
let pending = null; // timer of moves by arrows
let finished = false;

// ---------------------------------------------------------------- server

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(`api/${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  return answer;
}

// One request after the other, each about the state that the one before has left.
function send(path, more) {
  const row = state.row; // what the person saw: if it is another by then, the server refuses
  waiting += 1;
  queue = queue.then(async () => {
    try {
      take(await ask(path, { version: state.version, row, ...more }));
      hideAlert();
    } catch (error) {
      await failed(error);
    } finally {
      waiting -= 1;
      render();
    }
  });
  return queue;
}

async function load() {
  try {
    take(await ask("state"));
    hideAlert();
  } catch (error) {
    await failed(error, false);
  }
}

async function failed(error, again = true) {
  if (error.status === undefined) {
    showAlert("The server does not answer, and your last action was not kept. All before it is on disk: " +
      "run the same command once more and open the address that it prints.");
  } else {
    showAlert(error.message);
    if (again && error.status !== 403) {
      try { take(await ask("state")); } catch { /* the alert says it */ }
    }
  }
  if (state) points = state.labels.slice();
}

function showAlert(text) {
  $("alert-text").textContent = text;
  $("alert").hidden = false;
}

function hideAlert() { $("alert").hidden = true; }

function take(answer) {
  const other = !state || state.row !== answer.row;
  const shown = points;
  state = answer;
  points = state.labels.slice();
  if (other) {
    selected = new Set();
    hovered = null;
    showImage();
    fit();
  } else if (pending !== null || drag?.moved) { // what is being moved goes on
    for (const k of selected) points[k] = shown[k];
  }
  render();
}

// ---------------------------------------------------------------- what a person can do

const issueKeypoints = () => [...new Set(state.issues.flatMap((issue) => issue.keypoints))];
const targets = () => (selected.size ? [...selected] : issueKeypoints());
const canAccept = () => targets().some((k) => state.predicted[k]);
const canClear = () => targets().some((k) => points[k]);

// What changes places: two that are selected, or that an issue says are swapped; else left and right.
function swaps() {
  if (selected.size === 2) return [[...selected]];
  const said = state.issues.filter(({ kind, keypoints }) => kind === "swapped" && keypoints.length === 2);
  if (!selected.size && said.length) return disjoint(said.map(({ keypoints }) => keypoints));
  return disjoint(targets().map((k) => [k, state.counterparts[k]]).filter(([k, other]) => k !== other));
}

function disjoint(pairs) {
  const seen = new Set();
  return pairs.filter(([a, b]) => !seen.has(a) && !seen.has(b) && seen.add(a).add(b));
}

function change(action, keypoints = targets()) {
  keepNudges();
  send("change", { action, keypoints });
}

function keep(keypoints) {
  const to = keypoints.map((k) => points[k]);
  send("change", { action: "move", keypoints, points: to });
}

function go(step, looked_at) {
  if (waiting) return; // a key held down must not pass over faces that were not shown
  keepNudges();
  send("show", { step, looked_at });
}

const actions = {
  accept: () => canAccept() && change("accept"),
  clear: () => canClear() && change("clear"),
  swap: () => swaps().length && change("swap", swaps().flat()),
  undo: () => {
    keepNudges();
    send("undo", {});
  },
  next: () => {
    const before = state;
    go(1, true);
    queue.then(() => {
      const all = state.looked_at === state.total;
      if (all && (before.looked_at < state.total || before.row === state.row)) askToFinish();
    });
  },
  previous: () => go(-1, false),
  skip: () => go(1, false),
  fit: () => { fit(); render(); },
  "zoom-in": () => zoom(1.5),
  "zoom-out": () => zoom(1 / 1.5),
  finish: () => {
    keepNudges();
    queue.then(askToFinish);
  },
  write: finish,
  "go-on": () => $("ask").close(),
  retry: load,
};

const KEYS = {
  n: "next", p: "previous", s: "skip", a: "accept", x: "clear", Delete: "clear", w: "swap", u: "undo",
  "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "fit",
  f: "finish",
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function pressed(event) {
  if (!state || finished || $("ask").open || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z" || event.shiftKey) return;
    actions.undo();
  } else if (event.key in ARROWS && selected.size) {
    nudge(ARROWS[event.key], event.shiftKey ? 10 : 1);
  } else if (event.key === "Escape") {
    selected = new Set();
    render();
  } else {
    const name = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!name || (event.repeat && !name.startsWith("zoom"))) return;
    if (!$(name).disabled) actions[name]();
  }
  event.preventDefault();
}

function nudge([x, y], pixels) {
  const by = pixels / view.scale;
  for (const k of selected) {
    // of several, what is not labelled stays so
    const from = points[k] ?? (selected.size === 1 ? state.predicted[k] : null);
    if (from) points[k] = [from[0] + x * by, from[1] + y * by];
  }
  clearTimeout(pending);
  pending = setTimeout(keepNudges, PAUSE);
  render();
}

function keepNudges() {
  if (pending === null) return;
  clearTimeout(pending);
  pending = null;
  keep([...selected].filter((k) => points[k]));
}

function askToFinish() {
  if (!state || finished) return;
  const left = state.total - state.looked_at;
  $("ask-text").textContent = (left
    ? `${left} of ${state.total} were not looked at yet. `
    : `All ${state.total} were looked at. `) +
    `${state.changed} have changed. Write the corrected labels to ${state.out} and end?`;
  if (!$("ask").open) $("ask").showModal();
}

function finish() {
  $("ask").close();
  queue = queue.then(async () => {
    if (finished) return;
    $("progress").textContent = `Writing ${state.out} …`;
    try {
      const answer = await ask("finish", {});
      finished = true;
      $("end-text").textContent = answer.message;
      for (const part of ["main", "help", "progress", "source", "finish"]) $(part).hidden = true;
      $("title").textContent = "Review of labels";
      hideAlert();
      $("end").hidden = false;
    } catch (error) {
      await failed(error);
      render();
    }
  });
}

// ---------------------------------------------------------------- view

const size = () => $("picture").getBoundingClientRect();

function showImage() {
  const [left, top, right, bottom] = state.region;
  const image = $("image");
  // a pixel's centre has whole coordinates, so its edges are half a pixel away
  const place = { x: left - 0.5, y: top - 0.5, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(place)) image.setAttribute(name, value);
  if (state.problem) image.removeAttribute("href");
  else image.setAttribute("href", `image/${state.row}`);
  $("picture").classList.toggle("pixels", Math.max(right - left, bottom - top) <= SMALL);
  $("problem").hidden = !state.problem;
  $("problem").textContent = state.problem ?? "";
}

// What can be seen at first: the picture, and points that are not far beyond its edges.
function field() {
  let [left, top, right, bottom] = state.region;
  const far = 0.3 * Math.max(right - left, bottom - top);
  const limits = [left - far, top - far, right + far, bottom + far];
  for (const point of [...state.labels, ...state.before, ...state.predicted]) {
    if (!point) continue;
    const pad = 0.03 * far;
    left = Math.min(left, Math.max(limits[0], point[0] - pad));
    top = Math.min(top, Math.max(limits[1], point[1] - pad));
    right = Math.max(right, Math.min(limits[2], point[0] + pad));
    bottom = Math.max(bottom, Math.min(limits[3], point[1] + pad));
  }
  return [left, top, right, bottom];
}

function fit() {
  const [left, top, right, bottom] = field();
  const { width, height } = size();
  fitted = true;
  view = {
    x: (left + right) / 2 - 0.5,
    y: (top + bottom) / 2 - 0.5,
    scale: Math.min(Math.max(60, width - EDGE) / (right - left), Math.max(60, height - EDGE) / (bottom - top)),
  };
}

function zoom(factor, at = null) {
  const box = size();
  const middle = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  const { x, y } = at ?? middle;
  const before = onPhotograph({ clientX: x, clientY: y });
  view.scale = Math.min(400, Math.max(0.01, view.scale * factor));
  const after = onPhotograph({ clientX: x, clientY: y });
  view.x += before[0] - after[0];
  view.y += before[1] - after[1];
  fitted = false;
  renderMarks();
}

function onPhotograph({ clientX, clientY }) {
  const box = size();
  return [
    view.x + (clientX - box.left - box.width / 2) / view.scale,
    view.y + (clientY - box.top - box.height / 2) / view.scale,
  ];
}

// Where a point is drawn: those far beyond the picture lie at the edge of what can be seen at first.
function drawn(point) {
  const [left, top, right, bottom] = field();
  return [Math.min(right, Math.max(left, point[0])), Math.min(bottom, Math.max(top, point[1]))];
}

const same = (a, b) => a === b || (a && b && a[0] === b[0] && a[1] === b[1]);
const isChanged = (k) => !same(points[k], state.before[k]);

function kindOf(k, suspected) {
  if (isChanged(k)) return points[k] ? "changed" : "none";
  if (!points[k]) return "none";
  return suspected.has(k) ? "issue" : "labelled";
}

// ---------------------------------------------------------------- what is shown

function render() {
  if (!state || finished) return;
  $("title").textContent = `Row ${state.row}, ${state.position + 1} of ${state.total}`;
  $("source").textContent = state.source ?? state.data;
  $("progress").textContent =
    `${state.looked_at} of ${state.total} looked at, ${state.changed} changed` +
    (state.this_looked_at ? "; this one was looked at" : "");
  document.title = `${state.looked_at} of ${state.total} – review of ${state.data}`;
  renderIssues();
  renderButtons();
  renderKeypoints();
  renderMarks();
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const namesOf = (keypoints) => keypoints.map((k) => state.names[k]).join(", ");

function renderIssues() {
  fill($("issues"), state.issues.length, (button, at) => {
    const issue = state.issues[at];
    const [title, words] = KINDS[issue.kind] ?? [issue.kind, ""];
    const numbers = [];
    if (issue.distance !== null) numbers.push(`${issue.distance.toFixed(1)} pixels off`);
    if (issue.p_value !== null) numbers.push(`p = ${issue.p_value.toPrecision(2)}`);
    button.replaceChildren(
      element("strong", words ? `${title}: ${words}` : title),
      element("span", about(issue.keypoints)),
      element("span", numbers.join(", "), "numbers"),
    );
    button.setAttribute("aria-pressed", selected.size > 0 && sameSet(selected, issue.keypoints));
    button.title = "Select these keypoints";
    button.onclick = () => select(sameSet(selected, issue.keypoints) ? [] : issue.keypoints);
  });
}

function about(keypoints) {
  return keypoints.length === state.names.length && keypoints.length > 3 ? "all keypoints" : namesOf(keypoints);
}

const sameSet = (set, list) => set.size === new Set(list).size && list.every((k) => set.has(k));

function renderButtons() {
  const what = about(targets());
  $("about").textContent = `${selected.size ? "For what is selected" : "For what is suspected"}: ${what}`;
  $("accept").disabled = !canAccept();
  $("clear").disabled = !canClear();
  const pairs = swaps();
  $("swap").disabled = !pairs.length;
  $("swap-what").textContent = pairs.length === 1 ? "Swap two" : "Swap left and right";
  $("swap").title = pairs.map(namesOf).join("; ");
  $("undo").disabled = !state.can_undo && pending === null;
  $("previous").disabled = state.position === 0;
}

function renderKeypoints() {
  const suspected = new Set(issueKeypoints());
  const longest = Math.max(...state.names.map((name) => name.length));
  $("keypoints").style.setProperty("--column", longest < 8 ? "5rem" : "9rem");
  const order = state.names.map((_, k) => k).sort((a, b) => suspected.has(b) - suspected.has(a) || a - b);
  fill($("keypoints"), order.length, (button, at) => {
    const k = order[at];
    const kind = kindOf(k, suspected);
    const text = !points[k] ? `${state.names[k]} (not labelled)` : state.names[k];
    button.replaceChildren(element("i", "", kind), element("span", text));
    button.setAttribute("aria-pressed", selected.has(k));
    button.onclick = () => toggle(k);
    button.onmouseenter = () => { hovered = k; renderMarks(); };
    button.onmouseleave = () => { hovered = null; renderMarks(); };
  });
}

// Keeps as many buttons in a list as are needed, so that the focus stays where it is.
function fill(list, n, set) {
  while (list.children.length > n) list.lastChild.remove();
  while (list.children.length < n) {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    item.append(button);
    list.append(item);
  }
  [...list.children].forEach((item, at) => set(item.firstChild, at));
}

function mark(name, attributes, className) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.setAttribute("class", className);
  return made;
}

function renderMarks() {
  const { width, height } = size();
  const pixel = 1 / view.scale; // one of the screen, in pixels of the photograph
  $("picture").setAttribute("viewBox", [
    view.x - (width / 2) * pixel, view.y - (height / 2) * pixel, width * pixel, height * pixel,
  ].join(" "));
  const suspected = new Set(issueKeypoints());
  const below = [], middle = [], above = [], texts = [];
  state.names.forEach((name, k) => {
    const linked = suspected.has(k) || selected.has(k) || k === hovered;
    const important = k === hovered || (linked && suspected.size <= CROWD);
    const there = points[k] && drawn(points[k]);
    const expected = state.predicted[k] && drawn(state.predicted[k]);
    if (expected) {
      const r = (important ? 6 : 4) * pixel;
      below.push(mark("circle", {
        cx: expected[0], cy: expected[1], r, "stroke-width": 1.5 * pixel,
        "stroke-dasharray": `${2.5 * pixel} ${2 * pixel}`, "data-k": k,
      }, "point predicted"));
    }
    if (there && expected && linked) {
      below.push(mark("line", {
        x1: there[0], y1: there[1], x2: expected[0], y2: expected[1], "stroke-width": pixel,
      }, "link"));
    }
    if (there) {
      const kind = kindOf(k, suspected);
      const r = (important ? 6 : 4) * pixel;
      const list = linked ? above : middle;
      if (suspected.has(k) && important) {
        list.push(mark("circle", {
          cx: there[0], cy: there[1], r: r + 4 * pixel, "stroke-width": 1.5 * pixel,
        }, "issue-ring"));
      }
      if (selected.has(k)) {
        list.push(mark("circle", {
          cx: there[0], cy: there[1], r: r + 2 * pixel, "stroke-width": 2 * pixel,
        }, "ring"));
      }
      list.push(mark("circle", {
        cx: there[0], cy: there[1], r, "stroke-width": 1.5 * pixel, "data-k": k,
      }, `point ${kind}`));
    }
    const anchor = there ?? expected;
    const named = k === hovered || (selected.has(k) && selected.size <= 4);
    if (anchor && named) texts.push(nameMark(name, anchor, pixel, width));
  });
  $("marks").replaceChildren(...below, ...middle, ...above, ...texts);
}

// On the side where there is more room.
function nameMark(name, [x, y], pixel, width) {
  const onTheLeft = (x - view.x) / pixel > width / 6;
  const text = mark("text", {
    x: x + (onTheLeft ? -13 : 13) * pixel, y: y + 4 * pixel, "font-size": 13 * pixel, "stroke-width": 3 * pixel,
    "text-anchor": onTheLeft ? "end" : "start",
  }, "name");
  text.textContent = name;
  return text;
}

// ---------------------------------------------------------------- selection and pointer

function select(keypoints) {
  keepNudges();
  selected = new Set(keypoints);
  render();
}

function toggle(k) {
  select(selected.has(k) ? [...selected].filter((other) => other !== k) : [...selected, k]);
}

// The keypoint under the pointer; one that is not labelled can be had by its prediction.
function near(event) {
  const limit = NEAR[event.pointerType] ?? NEAR.mouse;
  const [x, y] = onPhotograph(event);
  let best = null;
  let least = limit / view.scale;
  state.names.forEach((_, k) => {
    const point = points[k] ?? state.predicted[k];
    if (!point) return;
    const [px, py] = drawn(point);
    // of two that lie on each other, the one that is selected
    const distance = Math.hypot(px - x, py - y) - (selected.has(k) ? 3 / view.scale : 0);
    if (distance <= least) [best, least] = [k, distance];
  });
  return best;
}

const pointers = new Map(); // where each finger is, or the mouse
let drag = null; // what the first of them does

function down(event) {
  if (!state || event.button > 0) return;
  event.preventDefault();
  $("picture").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) { // two fingers enlarge: what one of them has moved is put back
    points = state.labels.slice();
    drag = { pinch: true };
    return;
  }
  keepNudges();
  const k = near(event);
  drag = { k, from: onPhotograph(event), start: event, moved: false, was: points.slice() };
}

function move(event) {
  if (!state) return;
  if (!pointers.has(event.pointerId)) {
    const over = near(event);
    $("picture").classList.toggle("over", over !== null);
    if (over !== hovered) {
      hovered = over;
      renderMarks();
    }
    return;
  }
  const before = pointers.get(event.pointerId);
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  pointers.set(event.pointerId, event);
  if (drag?.pinch && other) {
    const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
    zoom(apart(event) / Math.max(1, apart(before)), {
      x: (event.clientX + other.clientX) / 2, y: (event.clientY + other.clientY) / 2,
    });
    return;
  }
  if (!drag || drag.pinch) return;
  const distance = Math.hypot(event.clientX - drag.start.clientX, event.clientY - drag.start.clientY);
  if (!drag.moved && distance < 3) return;
  if (!drag.moved && drag.k !== null && !selected.has(drag.k)) selected = new Set([drag.k]);
  drag.moved = true;
  $("picture").classList.add("dragging");
  const [x, y] = onPhotograph(event);
  const by = [x - drag.from[0], y - drag.from[1]];
  if (drag.k === null) {
    view.x -= by[0];
    view.y -= by[1];
    fitted = false;
  } else {
    for (const k of selected) {
      // what is held begins where it is drawn; of the others, what is not labelled stays so
      const from = k === drag.k ? drawn(drag.was[k] ?? state.predicted[k]) : drag.was[k];
      if (from) points[k] = [from[0] + by[0], from[1] + by[1]];
    }
  }
  renderMarks();
}

function up(event) {
  pointers.delete(event.pointerId);
  $("picture").classList.remove("dragging");
  if (!drag || drag.pinch) {
    if (!pointers.size) drag = null;
    return;
  }
  const { k, moved, was } = drag;
  drag = null;
  if (event.type === "pointercancel") points = was;
  else if (moved && k !== null) keep([...selected].filter((j) => points[j] && !same(points[j], was[j])));
  else if (!moved) {
    if (event.shiftKey && k !== null) toggle(k);
    else if (k !== null) select([k]);
    else if (Date.now() - lastEmpty.time > 500) {
      lastEmpty = { time: Date.now(), selected };
      select([]);
    }
  }
  render();
}

let lastEmpty = { time: 0, selected: new Set() };

// A click has taken the selection away; a second one puts the point there that was selected.
function place(event) {
  const chosen = selected.size ? selected : lastEmpty.selected;
  if (!state || chosen.size !== 1 || near(event) !== null) return;
  const [k] = chosen;
  selected = new Set([k]);
  points[k] = onPhotograph(event);
  keep([k]);
}

// ---------------------------------------------------------------- begin

for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", () => action());
document.addEventListener("keydown", pressed);
const picture = $("picture");
picture.addEventListener("pointerdown", down);
picture.addEventListener("pointermove", move);
picture.addEventListener("pointerup", up);
picture.addEventListener("pointercancel", up);
picture.addEventListener("pointerleave", () => {
  if (hovered !== null && !pointers.size) { hovered = null; if (state) renderMarks(); }
});
picture.addEventListener("dblclick", place);
picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (state) zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), { x: event.clientX, y: event.clientY });
}, { passive: false });
$("image").addEventListener("error", () => {
  $("problem").textContent = "The image could not be shown.";
  $("problem").hidden = false;
});
new ResizeObserver(() => {
  if (!state || finished) return;
  if (fitted) fit();
  renderMarks();
}).observe(picture);
load();
