// The grid: all images, filtered and sorted, a page at a time.
const PAGE = 60;
// How grave a flag is. What most images here carry says little about one of them: a flag counts by how rare it is, too.
const GRAVITY = { CA101: 8, CA103: 4, CA107: 4, CA102: 3, CA105: 2, CA106: 2, CA104: 1 };
const carried = new Map();
for (const image of images) for (const code of image.flags) carried.set(code, (carried.get(code) ?? 0) + 1);
const rarity = (code) => Math.log2((images.length + 1) / carried.get(code));
/** Among images of the same flags: how much of the score, or else of the map, lies away from the thing. */
const astray = (image) => image.surroundings ?? (image.inside === null ? image.border : 1 - image.inside) ?? 0;
const suspicion = (image) =>
  image.error ? -1 : image.flags.reduce((sum, code) => sum + (GRAVITY[code] ?? 0) * rarity(code), 0) + astray(image);
const score = (image) => image.scores[0]?.score ?? null;

/** Order by a number, what has none last. */
const by = (value, sign) => (a, b) => {
  const [x, y] = [value(a), value(b)];
  if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
  return sign * (x - y) || a.index - b.index;
};

const ORDERS = {
  suspicion: ["most suspicious first", by(suspicion, -1)],
  name: ["by name", (a, b) => a.index - b.index],
  low: ["lowest score first", by(score, 1)],
  high: ["highest score first", by(score, -1)],
  label: ["lowest score of the folder's class first", by((image) => image.labelScore, 1)],
  border: ["most of the map at the border first", by((image) => image.border, -1)],
  inside: ["least of the map inside the object first", by((image) => image.inside, 1)],
};

let shown = [];
let page = 0;

function options(id, choices) {
  at(id).replaceChildren(...choices.map(([value, words]) => element("option", { value }, words)));
}

function fillFilters() {
  const tally = (values) => values.reduce((counts, value) => counts.set(value, (counts.get(value) ?? 0) + 1), new Map());
  const named = (value, words, number) => [value, `${words} (${number.toLocaleString("en")})`];
  const labels = [...tally(images.map((image) => image.label))].sort(([a], [b]) => (a < b ? -1 : 1));
  options("by-class", [["", "all"], ...labels.map(([label, number]) => named(`=${label}`, visible(label || "no folder"), number))]);
  const flags = [...tally(images.flatMap((image) => image.flags))].sort();
  const flagged = images.filter((image) => image.flags.length).length;
  options("by-flag", [
    ["", "all"],
    named("any", "any flag", flagged),
    ...flags.map(([code, number]) => named(code, `${code} ${data.codes[code]?.[0] ?? ""}`, number)),
  ]);
  options("by-prediction", [["", "all"], ["right", "the folder's class"], ["wrong", "another class"], ["error", "could not be read"]]);
  options("by-mark", [["", "all"], ["none", "not marked"], ...Object.values(VERDICTS).map((verdict) => [verdict, verdict])]);
  const measured = images.some((image) => image.inside !== null);
  const orders = Object.entries(ORDERS).filter(([name]) => name !== "inside" || measured);
  options("sort", orders.map(([name, [words]]) => [name, words]));
}

function matches(image) {
  const [label, flag, prediction] = [at("by-class").value, at("by-flag").value, at("by-prediction").value];
  const [verdict, words] = [at("by-mark").value, at("by-name").value.trim().toLowerCase()];
  if (label && `=${image.label}` !== label) return false;
  if (flag && !(flag === "any" ? image.flags.length : image.flags.includes(flag))) return false;
  if (prediction === "error" && !image.error) return false;
  if (prediction === "wrong" && !image.wrong) return false;
  if (prediction === "right" && (image.wrong || image.labelScore === null)) return false;
  if (verdict && (marks.images.get(image.path) ?? "none") !== verdict) return false;
  return !words || image.path.toLowerCase().includes(words);
}

// The filter stands in the address, so that it can be kept and sent: #images?class=cat&flag=CA101.
const FIELDS = { class: "by-class", flag: "by-flag", prediction: "by-prediction", review: "by-mark", name: "by-name", sort: "sort" };
const PLACE = "#images?";

function toAddress() {
  const chosen = new URLSearchParams();
  for (const [name, id] of Object.entries(FIELDS)) {
    const { value } = at(id);
    if (value && value !== DEFAULTS[name]) chosen.set(name, name === "class" ? value.slice(1) : value);
  }
  const place = String(chosen) ? PLACE + chosen : "#images";
  if (String(chosen) || location.hash.startsWith(PLACE)) history.replaceState(null, "", place);
}

function fromAddress() {
  if (!location.hash.startsWith(PLACE)) return false;
  const chosen = new URLSearchParams(location.hash.slice(PLACE.length));
  for (const [name, id] of Object.entries(FIELDS)) {
    const value = chosen.get(name);
    at(id).value = value === null ? DEFAULTS[name] : name === "class" ? `=${value}` : value;
    // a choice that is not here
    if (at(id).selectedIndex === -1) at(id).value = DEFAULTS[name];
  }
  return true;
}

function filter() {
  toAddress();
  shown = images.filter(matches).sort(ORDERS[at("sort").value][1]);
  page = 0;
  showPage();
}

function showPage() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  at("found").textContent =
    shown.length === images.length ? count(images.length, "image") : `${shown.length.toLocaleString("en")} of ${count(images.length, "image")}`;
  for (const button of document.querySelectorAll("[data-all]")) button.disabled = !shown.length;
  at("page").textContent = `Page ${page + 1} of ${pages.toLocaleString("en")}`;
  at("previous").disabled = page === 0;
  at("next").disabled = page >= pages - 1;
  at("grid").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map((image) => element("li", {}, tile(image))));
}

function tile(image) {
  const top = image.scores[0];
  const views = element("span", { className: "views" }, ...[0, 1].map((number) => panel(image, number, true)).filter(Boolean));
  if (!views.childElementCount) {
    views.classList.add("bare");
    views.append(nothing(visible(image.error || "no overlay")));
  }
  const row = element("span", { className: "row" });
  if (top) row.append(element("span", { className: "taken" }, `${visible(top.name)} `, element("b", {}, percent(top.score))));
  if (image.error) row.append(element("span", { className: "chip grave" }, "not read"));
  if (top && image.labelScore !== null) row.append(rightness(image));
  for (const code of image.flags) {
    const chip = element("span", { className: code === "CA101" ? "chip grave" : "chip", title: data.codes[code]?.[0] ?? "" }, code);
    row.append(chip);
  }
  row.append(element("span", { className: "mark" }));
  // names are cut at their beginning, which many share; the marks keep a name's own direction
  const name = element("span", { className: "name path", title: visible(image.path) }, element("bdi", { dir: "ltr" }, visible(image.path)));
  const made = element("button", { type: "button", className: "tile" }, views, name, row);
  made.dataset.row = image.index;
  showVerdict(made);
  made.addEventListener("click", () => view(shown, shown.indexOf(image)));
  return made;
}

function rightness(image) {
  return image.wrong
    ? element("span", { className: "chip wrong" }, "≠ folder")
    : element("span", { className: "chip right" }, "= folder");
}

/** Turn to another page, whose first tile (0) or last one (-1) then has the focus. */
function turn(step, place = 0) {
  page += step;
  showPage();
  const tile = [...at("grid").querySelectorAll(".tile")].at(place);
  if (!place) at("images").scrollIntoView();
  tile?.focus({ preventScroll: !place });
}

function showVerdict(made) {
  const verdict = marks.images.get(images[made.dataset.row].path) ?? "";
  const chip = made.querySelector(".mark");
  chip.className = `chip mark ${verdict}`;
  chip.textContent = verdict;
  chip.hidden = !verdict;
}

function noOverlays() {
  const scanned = images.filter((image) => !image.error);
  const without = scanned.filter((image) => !image.sheet).length;
  if (!without) return;
  at("missing").hidden = false;
  at("missing").textContent =
    without === scanned.length
      ? "There are no overlays beside this report. A scan with --overlays all draws one of every image."
      : `${without.toLocaleString("en")} of ${count(scanned.length, "image")} have no overlay. A scan with --overlays all draws one of every image.`;
}

for (const id of ["by-class", "by-flag", "by-prediction", "by-mark", "sort"]) at(id).addEventListener("change", filter);
at("by-name").addEventListener("input", filter);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
for (const button of document.querySelectorAll("[data-all]")) {
  button.addEventListener("click", () => {
    const verdict = button.dataset.all;
    const question = verdict ? `Mark ${count(shown.length, "image")} as ${verdict}?` : `Take the marks of ${count(shown.length, "image")} away?`;
    if (confirm(question)) markAll(shown, verdict);
  });
}
at("grid").addEventListener("keydown", (event) => {
  const tiles = [...at("grid").querySelectorAll(".tile")];
  const here = tiles.indexOf(event.target.closest(".tile"));
  if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const columns = tiles.filter((made) => made.offsetTop === tiles[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -here, End: tiles.length - 1 - here }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  if (tiles[here + step]) tiles[here + step].focus();
  else if (step > 0 && !at("next").disabled) turn(1);
  else if (step < 0 && !at("previous").disabled) turn(-1, -1);
});
at("viewer").addEventListener("close", () => {
  // the image that was looked at last is where one goes on, also where it stands on another page
  const image = viewed();
  if (list !== shown || !shown.includes(image)) return;
  page = Math.floor(shown.indexOf(image) / PAGE);
  showPage();
  at("grid").querySelector(`[data-row="${image.index}"]`)?.focus();
});

onMark.push(() => at("grid").querySelectorAll(".tile").forEach(showVerdict));

/** A finding's card leads to the images of its class. */
function linkFindings() {
  for (const card of document.querySelectorAll("[data-finding]")) {
    const label = data.findings[card.dataset.finding]?.class;
    const number = images.filter((image) => image.label === label).length;
    if (!label || !number) continue;
    const place = PLACE + new URLSearchParams({ class: label });
    const link = element("a", { href: place }, `All ${count(number, "image")} of ${visible(label)}`);
    card.querySelector(".counsel")?.append(element("p", { className: "to-images" }, link));
  }
}

fillFilters();
const DEFAULTS = Object.fromEntries(Object.entries(FIELDS).map(([name, id]) => [name, at(id).value]));
noOverlays();
linkFindings();
const asked = fromAddress();
filter();
showMarks();
if (asked) at("images").scrollIntoView();
window.addEventListener("hashchange", () => {
  if (!fromAddress()) return;
  filter();
  at("images").scrollIntoView();
});
