// Draws the boxes of an image over it. Each box at a threshold: how it is drawn, its caption, its
// kind and its classes.
const reaches = (score, threshold) => score !== null && score >= threshold;

const boxesOf = (image, threshold, names) => {
  const boxes = [];
  for (const [x1, y1, x2, y2, label, difficult, found, explained] of image.objects) {
    if (reaches(found, threshold)) continue;
    const missed = !difficult && !reaches(explained, threshold);
    boxes.push({
      box: [x1, y1, x2, y2], look: difficult ? "difficult" : "missed", labels: [label],
      kind: missed ? "missed" : null, words: difficult ? "" : names[label],
    });
  }
  for (const [x1, y1, x2, y2, label, score, kind, object] of image.detections) {
    if (score < threshold || kind === "ignored") continue;
    const right = kind === "right";
    boxes.push({
      box: [x1, y1, x2, y2], look: right ? "right" : "wrong", kind: right ? null : kind,
      labels: kind === "class" || kind === "both" ? [label, object] : [label],
      words: right ? "" : `${names[label]} ${score.toFixed(2)}`,
    });
  }
  return boxes;
};

const svg = (parent, tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
};

const drawBoxes = (drawing, size, boxes, chosen) => {
  drawing.replaceChildren();
  const letter = Math.max(size[0], size[1]) / 26;
  for (const each of boxes) {
    const [x1, y1, x2, y2] = each.box;
    const look = each.look + (chosen(each) ? "" : " faded");
    svg(drawing, "rect", {x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: look});
    if (!each.words || !chosen(each)) continue;
    const y = y1 > letter * 1.2 ? y1 - letter * 0.2 : Math.min(y2 + letter, size[1] - 2);
    const atRight = x1 > 0.7 * size[0];
    const place = {x: atRight ? Math.min(x2, size[0]) : x1, y, "text-anchor": atRight ? "end" : "start"};
    svg(drawing, "text", {...place, style: `font-size: ${letter}px`}).textContent = each.words;
  }
};
