// One image, large, with everything that was measured; arrow keys go on through the list it was opened from.
let list = [];
let position = 0;
const viewed = () => list[position];

/** A path below the output folder as an address; names may hold `#`, `?` and `%`. */
function address(path) {
  const folder = data.folder && data.folder !== "." ? `${data.folder}/` : "";
  return (folder + path).split("/").map(encodeURIComponent).join("/");
}

/** One panel of an image's overlay, cut out of the sheet, or the embedded picture; null where there is neither. */
function panel(image, number, lazy) {
  const crop = element("span", { className: "crop" });
  const frame = element("span", { className: "frame" }, crop);
  const whole = embedded.get(image.index)?.[number];
  if (image.sheet) {
    const [sheetWidth, sheetHeight, top, width, height, lefts] = image.sheet;
    if (number >= lefts.length) return null;
    const picture = element("img", { alt: "", loading: lazy ? "lazy" : "eager", decoding: "async" });
    // half a pixel less at each side, so that no paper shines through where pixels do not meet
    const [wide, tall] = [width - 1, height - 1];
    picture.style.width = `${(100 * sheetWidth) / wide}%`;
    picture.style.height = `${(100 * sheetHeight) / tall}%`;
    picture.style.left = `${(-100 * (lefts[number] + 0.5)) / wide}%`;
    picture.style.top = `${(-100 * (top + 0.5)) / tall}%`;
    fit(crop, width / height);
    picture.addEventListener("error", () => {
      at("missing").hidden = false;
      at("missing").textContent =
        "The overlays are not beside this file: they lie in overlays/ of the scan's output folder, where this report " +
        "was written. The findings above carry their pictures with them.";
      if (whole) picture.replaceWith(embeddedPicture(crop, whole));
      else frame.replaceChildren(nothing("overlay not beside this file"));
    });
    picture.src = address(image.overlay);
    crop.append(picture);
  } else if (whole) {
    crop.append(embeddedPicture(crop, whole));
  } else {
    return null;
  }
  if (image.box && number < 2) crop.append(boxed(image.box));
  return frame;
}

function embeddedPicture(crop, source) {
  const picture = element("img", { className: "whole", alt: "", src: source });
  picture.decode().then(() => fit(crop, picture.naturalWidth / picture.naturalHeight), () => {});
  return picture;
}

/** As large as its frame allows, in that aspect. */
function fit(crop, aspect) {
  crop.style.aspectRatio = String(aspect);
  crop.style.width = `calc(var(--zoom, 1) * min(100cqw, ${aspect} * var(--tall)))`;
}

function boxed([left, top, right, bottom]) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 1 1");
  picture.setAttribute("preserveAspectRatio", "none");
  for (const kind of ["under", "over"]) {
    const shape = document.createElementNS(space, "rect");
    const sides = { class: kind, x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(sides)) shape.setAttribute(name, value);
    picture.append(shape);
  }
  return picture;
}

const nothing = (words) => element("span", { className: "none" }, words);

/** The classes whose maps the panels after the image show, as the scan draws them. */
function captions(image) {
  const predicted = image.scores[0]?.name ?? "";
  const maps = [`${image.camClass === predicted ? "predicted" : "map"}: ${image.camClass}`];
  if (image.wrong && image.camClass !== predicted) maps.push(`predicted: ${predicted}`);
  if (image.wrong) maps.push(`folder: ${image.label}`);
  return ["image", ...maps];
}

function view(images, start) {
  list = images;
  position = start;
  showImage();
  if (!at("viewer").open) at("viewer").showModal();
  at("viewer-name").focus();
}

function go(step) {
  const next = position + step;
  if (next < 0 || next >= list.length) return;
  position = next;
  showImage();
}

function showImage() {
  const image = viewed();
  at("viewer-name").textContent = visible(image.path);
  at("viewer-name").title = visible(image.path);
  at("viewer-place").textContent = `${(position + 1).toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
  at("viewer-previous").disabled = position === 0;
  at("viewer-next").disabled = position === list.length - 1;
  const figures = captions(image)
    .map((caption, number) => [panel(image, number, false), caption, number])
    .filter(([picture]) => picture)
    .map(([picture, caption, number]) => element("figure", {}, number ? overImage(picture, image) : picture, captionOf(caption, number)));
  const why = image.error || "No overlay was drawn for this image.";
  at("viewer-pictures").replaceChildren(...(figures.length ? figures : [nothing(visible(why))]));
  at("viewer-facts").replaceChildren(...facts(image));
  press(at("viewer-facts"), marks.images.get(image.path));
  showNote(at("viewer-facts").querySelector("[data-note]"));
  followEachOther([...at("viewer-pictures").querySelectorAll(".frame")]);
  for (const near of [list[position + 1], list[position - 1]]) {
    if (near?.sheet) new Image().src = address(near.overlay);
  }
}

/** A map with the image below it, which shows when the map is made less opaque. */
function overImage(picture, image) {
  const below = panel(image, 0, false)?.querySelector(".crop");
  const map = picture.querySelector(".crop");
  if (!below || !map) return picture;
  map.classList.add("over");
  // the frame of the cue stays, however faint the map
  below.querySelector("svg")?.remove();
  below.append(map, ...map.querySelectorAll("svg"));
  return element("span", { className: "frame" }, below);
}

function captionOf(words, number) {
  const caption = element("figcaption", {}, visible(words));
  if (!number || !data.bar) return caption;
  const bar = element("img", { src: data.bar, alt: "" });
  caption.append(element("span", { className: "scale" }, "little", bar, "most, in this image"));
  return caption;
}

/** Where one of the enlarged pictures is moved, the others go along. */
function followEachOther(frames) {
  for (const frame of frames) {
    frame.addEventListener("scroll", () => {
      for (const other of frames) {
        if (Math.abs(other.scrollLeft - frame.scrollLeft) > 1) other.scrollLeft = frame.scrollLeft;
        if (Math.abs(other.scrollTop - frame.scrollTop) > 1) other.scrollTop = frame.scrollTop;
      }
    });
  }
}

const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
let zoom = 0;

function setZoom(step) {
  zoom = Math.min(ZOOMS.length - 1, Math.max(0, step));
  at("viewer-pictures").style.setProperty("--zoom", ZOOMS[zoom]);
  at("zoom").textContent = `${ZOOMS[zoom] * 100}%`;
  at("zoom-out").disabled = zoom === 0;
  at("zoom-in").disabled = zoom === ZOOMS.length - 1;
}

at("zoom-out").addEventListener("click", () => setZoom(zoom - 1));
at("zoom-in").addEventListener("click", () => setZoom(zoom + 1));
at("opacity").addEventListener("input", () => at("viewer-pictures").style.setProperty("--opacity", at("opacity").value / 100));

/** The findings about an image's class, each a link to its card. */
function findingsOf(image) {
  return [...document.querySelectorAll("[data-finding]")]
    .filter((card) => data.findings[card.dataset.finding]?.class === image.label)
    .map((card) => {
      const { code } = data.findings[card.dataset.finding];
      const link = element("a", { href: `#${card.id}` }, `${code} ${data.codes[code]?.[0] ?? ""}`);
      link.addEventListener("click", () => {
        // where closing would put the focus
        at("viewer").addEventListener("close", () => card.focus(), { once: true });
        at("viewer").close();
      });
      return element("li", {}, link);
    });
}

function facts(image) {
  const buttons = Object.entries(VERDICTS).map(([key, verdict]) => {
    const button = element("button", { type: "button", "aria-pressed": "false" }, element("kbd", {}, key), ` ${verdict}`);
    button.dataset.verdict = verdict;
    return button;
  });
  const group = element("div", { className: "verdicts", role: "group", "aria-label": "Your verdict on this image" }, ...buttons);
  const note = element("textarea", { className: "note-field", rows: 1, placeholder: "Note", "aria-label": "Your note on this image" });
  note.dataset.note = "";
  if (image.error) return [group, note, heading("Not scanned"), element("p", {}, visible(image.error))];
  const scores = image.scores.map(({ name, score }) => {
    const bar = element("i");
    bar.style.width = percent(score, 1);
    return element("li", {}, bar, element("span", {}, visible(name)), element("span", {}, percent(score, 1)));
  });
  const numbers = [
    ["Folder", visible(image.label || "none")],
    ["Split", visible(image.split || "–")],
    ["Prediction", image.labelScore === null ? "folder is no class" : image.wrong ? "≠ folder" : "= folder"],
    ["Predicted", visible(image.predicted || "–")],
    ["Score of the folder", percent(image.labelScore, 1)],
    ["Map shown", visible(image.camClass)],
    ["Peak, from left and top", `${percent(image.peakX)}, ${percent(image.peakY)}`],
    ["At the border (evenly: 44%)", percent(image.border)],
    ["Area coloured", percent(image.area)],
    ["Inside the object", percent(image.inside)],
    ["Area of the object", percent(image.insideArea)],
    ["Score from the surroundings", percent(image.surroundings)],
    ["Score that no cell accounts for", percent(image.even)],
    ["Size in pixels", `${image.width} × ${image.height}`],
  ].filter(([, value]) => value !== "–");
  const table = element("dl", {}, ...numbers.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  const flags = image.flags.map((code) => {
    const [title, meaning] = data.codes[code] ?? ["", ""];
    return element("p", { className: "flag" }, element("b", {}, `${code} ${title}`), element("span", {}, meaning));
  });
  const about = findingsOf(image);
  return [
    group,
    note,
    heading("Scores"),
    element("ol", { className: "scores" }, ...scores),
    ...(flags.length ? [heading("Flags"), ...flags] : []),
    ...(about.length ? [heading("Findings about its class"), element("ul", { className: "about" }, ...about)] : []),
    heading("Measured"),
    table,
  ];
}

const heading = (words) => element("h3", {}, words);

at("viewer-previous").addEventListener("click", () => go(-1));
at("viewer-next").addEventListener("click", () => go(1));
at("viewer-close").addEventListener("click", () => at("viewer").close());
at("viewer").addEventListener("click", (event) => {
  if (event.target === at("viewer")) at("viewer").close();
});
at("viewer").addEventListener("keydown", (event) => {
  if (event.target.closest("textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const larger = { "+": zoom + 1, "-": zoom - 1, 0: 0 }[event.key];
  // on the slider, arrow keys move the slider
  if (step && event.target === at("opacity")) return;
  if (step) go(step);
  else if (larger !== undefined) setZoom(larger);
  else return;
  event.preventDefault();
});
setZoom(0);
onMark.push(() => at("viewer").open && press(at("viewer-facts"), marks.images.get(viewed().path)));

for (const example of document.querySelectorAll(".examples .pair")) {
  const ofCard = [...example.closest(".examples").querySelectorAll(".pair")].filter((each) => images[each.dataset.row]);
  if (!images[example.dataset.row]) continue;
  example.addEventListener("click", () => view(ofCard.map((each) => images[each.dataset.row]), ofCard.indexOf(example)));
}
