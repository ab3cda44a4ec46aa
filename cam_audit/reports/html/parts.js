// The parts of what the net looks at: their pictures one by one, keys that go from part to part, and marks.
const partCards = [...document.querySelectorAll("[data-part]")];
const imageOf = new Map(images.map((image) => [image.path, image]));
const partOf = (card) => data.parts[card.dataset.part];
// The page knows a picture's place in the sheet to a pixel or two; the gap between two pictures is four wide.
const INNER = 3;

/** Put the pictures of a part's sheet, each cut out of it, in the place of the sheet; they wrap, and open large. */
function cutUp(card) {
  const sheet = card.querySelector(".part-sheet");
  const { width, tiles } = partOf(card);
  if (!sheet || !tiles.length) return;
  const shown = tiles.map(([path]) => imageOf.get(path)).filter(Boolean);
  const cut = tiles.map(([path, left, wide]) => {
    const picture = element("img", { alt: "", loading: "lazy", decoding: "async", src: sheet.src });
    picture.style.transform = `translateX(${(-100 * (left + INNER)) / width}%)`;
    const image = imageOf.get(path);
    const tile = image
      ? element("button", { type: "button", className: "part-tile", "aria-label": `Open ${visible(path)}`, title: visible(path) }, picture)
      : element("span", { className: "part-tile", title: visible(path) }, picture);
    if (image) tile.addEventListener("click", () => view(shown, shown.indexOf(image)));
    const item = element("li", {}, tile);
    item.style.setProperty("--aspect", Math.max(1, wide - 2 * INNER) / 150);
    return item;
  });
  const list = element("ul", { className: "tiles", "aria-label": sheet.alt }, ...cut);
  const first = cut[0].querySelector("img");
  // images may have gone before the sheet was drawn
  first.addEventListener("load", () => Math.abs(first.naturalWidth - width) > 2 * INNER && list.replaceWith(sheet));
  first.addEventListener("error", () =>
    list.replaceWith(element("p", { className: "hint" }, "The pictures of this part are not beside this file: they lie in parts/ of the scan's output folder.")),
  );
  sheet.replaceWith(list);
}

for (const details of document.querySelectorAll(".class-parts")) {
  const cards = details.querySelectorAll("[data-part]");
  if (details.open) cards.forEach(cutUp);
  else details.addEventListener("toggle", () => cards.forEach(cutUp), { once: true });
}

/** What keys go through: findings, the parts of classes that are open, and classes that are not. */
const stops = () =>
  [...document.querySelectorAll("[data-finding], [data-part], .class-parts:not([open]) > summary")].filter(
    (stop) => stop.matches("summary") || !stop.closest("details:not([open])"),
  );

function goOn(step) {
  const all = stops();
  const here = document.activeElement;
  let place = all.findIndex((stop) => stop.contains(here));
  if (place < 0) {
    // from where one reads, or from what lies between two of them
    const before = (stop) =>
      here === document.body ? stop.getBoundingClientRect().top < 0 : here.compareDocumentPosition(stop) & Node.DOCUMENT_POSITION_PRECEDING;
    place = all.filter(before).length - (step > 0 ? 1 : 0);
  }
  all[place + step]?.focus();
}

document.addEventListener("keydown", (event) => {
  const step = { j: 1, k: -1 }[event.key];
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || at("viewer").open) return;
  if (step) goOn(step);
  else if (event.key === "Enter" && event.target.matches("[data-part]")) event.target.querySelector("button.part-tile")?.click();
});

onMark.push(() => {
  for (const card of partCards) press(card, marks.parts.get(partOf(card).fingerprint));
  for (const details of document.querySelectorAll(".class-parts")) {
    const number = [...details.querySelectorAll("[data-part]")].filter((card) => marks.parts.has(partOf(card).fingerprint)).length;
    details.querySelector(".class-marks").textContent = number ? `, ${number} marked` : "";
  }
});
