// The slider: tables, confusion matrix and pictures follow the score threshold.
const live = JSON.parse(document.getElementById("live").textContent);
const slider = document.getElementById("threshold");
const classCount = live.names.length;
const mostShown = 40;

const matrixAt = (index) => {
  const size = classCount + 1;
  const counts = Array.from({length: size}, () => new Array(size).fill(0));
  for (const [truth, predicted, step, change] of live.steps) {
    if (step >= index) counts[truth][predicted] += change;
  }
  live.objects.forEach((objects, label) => {
    counts[label][classCount] = objects - counts[label].reduce((sum, count) => sum + count, 0);
  });
  return counts;
};

const share = (part, whole) => (whole ? part / whole : null);
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1) + "%");

const write = (cell, value, shown) => {
  cell.textContent = shown;
  cell.dataset.value = value ?? "";
};

const writeRow = (row, right, detections, objects) => {
  const values = {
    precision: share(right, detections),
    recall: share(right, objects),
    f1: objects ? (2 * right) / (detections + objects) : null,
  };
  write(row.querySelector('[data-of="detections"]'), detections, detections.toLocaleString("en"));
  for (const [name, value] of Object.entries(values)) {
    write(row.querySelector(`[data-of="${name}"]`), value, percent(value));
  }
};

const showClasses = (counts) => {
  let right = 0, detected = 0, objects = 0;
  for (const row of document.querySelectorAll("#class-rows tr")) {
    const label = Number(row.dataset.label);
    const detections = counts.reduce((sum, of) => sum + of[label], 0);
    writeRow(row, counts[label][label], detections, live.objects[label]);
    right += counts[label][label];
    detected += detections;
    objects += live.objects[label];
  }
  writeRow(document.querySelector('tr[data-label="all"]'), right, detected, objects);
};

// The classes with the most objects, in their order, and the background.
const shown = live.objects.map((_, label) => label)
  .sort((a, b) => live.objects[b] - live.objects[a]).slice(0, mostShown).sort((a, b) => a - b);
shown.push(classCount);
const matrixCells = [];

const add = (parent, tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
};

const addName = (row, scope, name) => {
  const cell = add(row, "th");
  cell.scope = scope;
  add(cell, "span", name, "name");
};

const makeMatrix = () => {
  const table = document.getElementById("matrix");
  const head = add(add(table, "thead"), "tr");
  add(head, "th", "");
  for (const label of shown) addName(head, "col", live.names[label] ?? "not found");
  const body = add(table, "tbody");
  for (const truth of shown) {
    const row = add(body, "tr");
    addName(row, "row", live.names[truth] ?? "background");
    for (const predicted of shown) {
      const cell = add(row, "td", "", truth === predicted && truth < classCount ? "self" : "");
      matrixCells.push([cell, truth, predicted]);
    }
  }
  if (classCount > mostShown) {
    const note = document.getElementById("confusion-note");
    note.textContent += ` The ${mostShown} classes with the most objects are shown.`;
  }
};

const showMatrix = (counts) => {
  for (const [cell, truth, predicted] of matrixCells) {
    const count = counts[truth][predicted];
    const nothing = truth === classCount && predicted === classCount;
    const whole = truth < classCount ? live.objects[truth] : counts.reduce((sum, of) => sum + of[predicted], 0);
    const strength = nothing || !whole ? 0 : Math.round(60 * count / whole);
    const hue = truth === predicted ? "--better" : "--worse";
    cell.textContent = nothing ? "" : count.toLocaleString("en");
    cell.classList.toggle("zero", count === 0);
    cell.style.background = strength ? `color-mix(in srgb, var(${hue}) ${strength}%, transparent)` : "";
  }
};

const showSizes = (index) => {
  for (const row of document.querySelectorAll("#size-rows tr")) {
    const found = live.found[Number(row.dataset.size)][index];
    const recall = share(found, Number(row.dataset.objects));
    write(row.querySelector('[data-of="found"]'), found, found.toLocaleString("en"));
    write(row.querySelector('[data-of="recall"]'), recall, percent(recall));
  }
};

const countKinds = (errors) => {
  const counts = {};
  for (const {kind} of errors) counts[kind] = (counts[kind] ?? 0) + 1;
  return Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(", ");
};

const showGallery = (threshold) => {
  const ofClass = document.getElementById("of-class");
  if (!ofClass) return;
  const label = ofClass.value === "" ? null : Number(ofClass.value);
  const kind = document.getElementById("of-kind").value;
  const isOfClass = (box) => label === null || box.labels.includes(label);
  const isChosen = (box) => isOfClass(box) && (!kind || box.kind === kind);
  let visible = 0;
  const items = document.querySelectorAll("#pictures li");
  for (const item of items) {
    const image = live.gallery[Number(item.dataset.index)];
    const boxes = boxesOf(image, threshold, live.names);
    const errors = boxes.filter((box) => box.kind && isChosen(box));
    item.hidden = errors.length === 0;
    if (item.hidden) continue;
    visible += 1;
    drawBoxes(item.querySelector("svg"), image.size, boxes, kind ? isChosen : isOfClass);
    item.querySelector(".errors").textContent = countKinds(errors);
  }
  document.getElementById("shown").textContent = `${visible} of ${items.length} images`;
};

const show = () => {
  const index = Number(slider.value), threshold = live.thresholds[index];
  document.getElementById("threshold-value").textContent = String(Number(threshold.toPrecision(3)));
  slider.setAttribute("aria-valuetext", threshold.toPrecision(3));
  const counts = matrixAt(index);
  showClasses(counts);
  showMatrix(counts);
  showSizes(index);
  showGallery(threshold);
};

let waiting = false;
slider.addEventListener("input", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; show(); });
});
document.getElementById("back").addEventListener("click", () => { slider.value = live.start; show(); });
for (const select of document.querySelectorAll(".filters select")) {
  select.addEventListener("change", () => showGallery(live.thresholds[Number(slider.value)]));
}
makeMatrix();
// A browser may have kept the slider's place from an earlier visit.
slider.value = live.start;
show();
