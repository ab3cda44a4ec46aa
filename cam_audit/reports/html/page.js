const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);

// Names come from strangers: they enter the page as text alone, and a mark stands for each letter that can't be seen.
const visible = (name) => name.replace(/\p{C}/gu, "\uFFFD");

/** An element with properties, role and aria-* as attributes, and children; strings among them are text. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

const percent = (share, digits = 0) =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)}%`;
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

const images = data.images.map((row, index) => {
  const [path, label, error, scores = [], labelScore = null, wrong = false, camClass, width, height, ...rest] = row;
  const [peakX, peakY, border, area, inside, insideArea, flags = [], sheet = null, overlay = ""] = rest;
  return {
    index, path, error, labelScore, wrong, width, height, peakX, peakY, border, area, inside, insideArea, flags, overlay,
    label: data.names[label],
    scores: scores.map(([name, score]) => ({ name: data.names[name], score })),
    camClass: error ? "" : data.names[camClass],
    sheet: sheet === null ? null : data.sheets[sheet],
    box: data.boxes[path] ?? null,
  };
});

// The pictures that the findings carry with them, for when the overlays are not beside this file.
const embedded = new Map();
for (const example of document.querySelectorAll(".examples .pair")) {
  const sources = [...example.querySelectorAll("img")].map((picture) => picture.src);
  if (!embedded.has(Number(example.dataset.row))) embedded.set(Number(example.dataset.row), sources);
}

function tell(message) {
  at("alert").textContent = message;
  at("alert").hidden = !message;
}

document.documentElement.classList.add("scripted");
