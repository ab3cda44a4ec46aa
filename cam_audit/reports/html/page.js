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
  const image = Object.fromEntries(data.fields.map((name, place) => [name, row[place] ?? null]));
  return {
    ...image,
    index,
    label: data.names[image.label],
    scores: (image.scores ?? []).map(([name, score]) => ({ name: data.names[name], score })),
    camClass: data.names[image.camClass] ?? "",
    predicted: data.names[image.predicted] ?? "",
    flags: image.flags ?? [],
    sheet: data.sheets[image.sheet] ?? null,
    box: data.boxes[image.path] ?? null,
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
