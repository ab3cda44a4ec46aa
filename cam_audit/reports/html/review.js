// Verdicts and notes of a reviewer, by fingerprint, by image path and by a part's fingerprint; kept in the browser for this
// net and this run.
const SCHEMA_VERSION = 3;
const VERDICTS = { s: "shortcut", f: "fine", u: "unsure" };
const STORE = `cam-audit review ${data.model} ${data.run}`;
const KINDS = ["findings", "images", "parts"];
const byKind = () => Object.fromEntries(KINDS.map((kind) => [kind, new Map()]));
const [marks, notes] = [byKind(), byKind()];
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
  const known = { findings: (key) => Object.hasOwn(data.findings, key), images: (key) => paths.has(key), parts: (key) => parts.has(key) };
  for (const kind of KINDS) {
    for (const [key, note] of Object.entries(document.notes?.[kind] ?? {})) {
      if (known[kind](key) && typeof note === "string" && note) notes[kind].set(key, note);
    }
  }
}

/** The document of review.json: keys sorted, no time, so that the same marks give the same bytes. */
function reviewDocument() {
  const sorted = (map) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const finding = ([fingerprint, verdict]) => [fingerprint, { ...data.findings[fingerprint], verdict }];
  return {
    schema_version: SCHEMA_VERSION,
    tool: "cam-audit",
    model_sha256: data.model,
    findings: Object.fromEntries(sorted(marks.findings).map(finding)),
    images: Object.fromEntries(sorted(marks.images)),
    parts: Object.fromEntries(sorted(marks.parts).map(([key, verdict]) => [key, { ...parts.get(key), verdict }])),
    notes: Object.fromEntries(KINDS.map((kind) => [kind, Object.fromEntries(sorted(notes[kind]))])),
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

const sizes = (maps) => KINDS.reduce((sum, kind) => sum + maps[kind].size, 0);

function showMarks() {
  const [marked, noted] = [sizes(marks), sizes(notes)];
  const words = [marked && `${marked.toLocaleString("en")} marked`, noted && count(noted, "note")].filter(Boolean);
  at("marks").textContent = words.join(", ") || "nothing marked";
  at("save").disabled = at("clear").disabled = !words.length;
  for (const card of document.querySelectorAll("[data-finding]")) press(card, marks.findings.get(card.dataset.finding));
  for (const field of document.querySelectorAll("[data-note]")) showNote(field);
  for (const refresh of onMark) refresh();
}

function showNote(field) {
  const there = target(field);
  if (there && field !== document.activeElement) field.value = notes[there.kind].get(there.key) ?? "";
}

/** Show a verdict on the buttons below an element. */
function press(parent, verdict) {
  for (const button of parent.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  }
}

/** What a key, button or field there is about: the image in the viewer, an image in the page, a part or a finding. */
function target(place) {
  if (at("viewer").contains(place) || (at("viewer").open && place === document.body)) return { kind: "images", key: viewed().path };
  const row = place.closest("[data-row]");
  if (row && images[row.dataset.row]) return { kind: "images", key: images[row.dataset.row].path };
  const part = place.closest("[data-part]");
  if (part) return { kind: "parts", key: data.parts[part.dataset.part].fingerprint };
  const card = place.closest("[data-finding]");
  return card && { kind: "findings", key: card.dataset.finding };
}

/** Give a verdict, or take it away where it is the one that stands. */
function markThere(place, verdict) {
  const there = target(place);
  if (!there) return;
  const map = marks[there.kind];
  if (map.get(there.key) === verdict) map.delete(there.key);
  else map.set(there.key, verdict);
  keepMarks();
}

/** Give all these images a verdict, or none. */
function markAll(chosen, verdict) {
  for (const { path } of chosen) {
    if (verdict) marks.images.set(path, verdict);
    else marks.images.delete(path);
  }
  keepMarks();
}

document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-note]");
  const there = field && target(field);
  if (!there) return;
  if (field.value.trim()) notes[there.kind].set(there.key, field.value);
  else notes[there.kind].delete(there.key);
  keepMarks();
});

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
  if (!confirm(`Take away all marks and notes (${at("marks").textContent})?`)) return;
  for (const kind of KINDS) {
    marks[kind].clear();
    notes[kind].clear();
  }
  keepMarks();
});

at("load").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  if (!file) return;
  try {
    const document = JSON.parse(await file.text());
    if (document.tool !== "cam-audit" || !(document.schema_version <= SCHEMA_VERSION)) throw new Error();
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
