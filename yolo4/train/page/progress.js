// A training that was killed cannot say so.
const latest = Number(document.getElementById("state")?.dataset.latest);
if (Date.now() / 1000 > latest) document.getElementById("overdue").hidden = false;

// The boxes of the validation images, at the threshold of the page.
const live = JSON.parse(document.getElementById("live").textContent);
const mostCaptions = 12;

document.querySelectorAll("#pictures li").forEach((item, index) => {
  const image = live.images[index];
  let boxes = boxesOf(image, live.threshold ?? Infinity, live.names);
  // More captions would hide the image, early in a training.
  if (boxes.filter((box) => box.words).length > mostCaptions) {
    boxes = boxes.map((box) => ({...box, words: ""}));
  }
  drawBoxes(item.querySelector("svg"), image.size, boxes, () => true);
});
