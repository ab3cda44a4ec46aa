// Verdicts of a reviewer, by fingerprint, by image path and by a part's fingerprint; kept in the browser for this net and this run.
const VERDICTS = { s: "shortcut", f: "fine", u: "unsure" };
const STORE = `cam-audit review ${data.model} ${data.run}`;
const marks = { findings: new Map(), images: new Map(), parts: new Map() };
const parts = new Map(data.parts.map(({ fingerprint, class: label, number }) => [fingerprint, { class: label, number }]));
const isVerdict = (word) => Object.values(VERDICTS).includes(word);
const onMark = [];

function readMarks(document) {
  for (const [fingerprint, { verdict }] of Object.entries(document.findings ?? {})) {
    if (Object.hasOwn(data.findings, fingerprint) && isVerdict(verdict)) marks.findings.set(fingerprint, verdict);
  }
  const paths = new Set(images.map((image) => image.path));
  for (const [path, verdict] of Object.entries(document.images ?? {})) {
    if (paths.has(path) && isVerdict(verdict)) marks.images.set(path, verdict);
  }
  for (const [fingerprint, { verdict }] of Object.entries(document.parts ?? {})) {
    if (parts.has(fingerprint) && isVerdict(verdict)) marks.parts.set(fingerprint, verdict);
  }
}

/** The document of review.json: keys sorted, no time, so that the same marks give the same bytes. */
function reviewDocument() {
  const sorted = (map) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const finding = ([fingerprint, verdict]) => [fingerprint, { ...data.findings[fingerprint], verdict }];
  return {
    schema_version: 2,
    tool: "cam-audit",
    model_sha256: data.model,
    findings: Object.fromEntries(sorted(marks.findings).map(finding)),
    images: Object.fromEntries(sorted(marks.images)),
    parts: Object.fromEntries(sorted(marks.parts).map(([key, verdict]) => [key, { ...parts.get(key), verdict }])),
  };
}

function keepMarks() {
  try {
    localStorage.setItem(STORE, JSON.stringify(reviewDocument()));
  } catch {
    tell("This browser keeps nothing for this page: save review.json before you close it.");
  }
  showMarks();
}

const markCount = () => marks.findings.size + marks.images.size + marks.parts.size;

function showMarks() {
  const number = markCount();
  at("marks").textContent = number ? `${number.toLocaleString("en")} marked` : "nothing marked";
  at("save").disabled = at("clear").disabled = !number;
  for (const card of document.querySelectorAll("[data-finding]")) press(card, marks.findings.get(card.dataset.finding));
  for (const refresh of onMark) refresh();
}

/** Show a verdict on the buttons below an element. */
function press(parent, verdict) {
  for (const button of parent.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
}

/** Give a verdict, or take it away where it is the one that stands. */
function mark(map, key, verdict) {
  if (map.get(key) === verdict) map.delete(key);
  else map.set(key, verdict);
  keepMarks();
}

/** What a key or button pressed there is about: the image in the viewer, an image in the page, a part or a finding. */
function markThere(place, verdict) {
  if (at("viewer").open) return mark(marks.images, viewed().path, verdict);
  const row = place.closest("[data-row]");
  if (row && images[row.dataset.row]) return mark(marks.images, images[row.dataset.row].path, verdict);
  const part = place.closest("[data-part]");
  if (part) return mark(marks.parts, data.parts[part.dataset.part].fingerprint, verdict);
  const card = place.closest("[data-finding]");
  if (card) mark(marks.findings, card.dataset.finding, verdict);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verdict]");
  if (button) markThere(button, button.dataset.verdict);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  const verdict = VERDICTS[event.key.toLowerCase()];
  if (!verdict || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  markThere(event.target, verdict);
});

at("save").addEventListener("click", () => {
  const blob = new Blob([`${JSON.stringify(reviewDocument(), null, 2)}\n`], { type: "application/json" });
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: "review.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
});

at("clear").addEventListener("click", () => {
  if (!confirm(`Take away all ${markCount()} marks?`)) return;
  marks.findings.clear();
  marks.images.clear();
  marks.parts.clear();
  keepMarks();
});

at("load").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  if (!file) return;
  try {
    const document = JSON.parse(await file.text());
    if (document.tool !== "cam-audit" || !(document.schema_version <= 2)) throw new Error();
    readMarks(document);
    keepMarks();
    tell(document.model_sha256 === data.model ? "" : `${visible(file.name)} was made about another net; look at each mark again.`);
  } catch {
    tell(`${visible(file.name)} is no review.json of cam-audit.`);
  }
  at("file").value = "";
});

try {
  readMarks(JSON.parse(localStorage.getItem(STORE) ?? "{}"));
} catch {
  // a browser that keeps nothing says so at the first mark
}
