// One photo: as a page, and as an overlay over the results with an address of its own. Zoom, swipe, full screen, keys.

const KEYS = { ArrowLeft: "a.prev", ArrowRight: "a.next", Escape: "a.back" };
const TOOL_KEYS = { "+": "larger", "=": "larger", "-": "smaller", "0": "fit", i: "details" };
const STEP = 1.6; // of one press of + or -
const MAX_ENLARGED = 4; // how far a small photo may be enlarged by hand
const ICON = 64; // pixels; what is smaller is never enlarged
const SWIPE = 48; // pixels
const root = document.documentElement;

// --- the overlay ---

let dialog; // the overlay, once a photo was opened in it
let opened = 0; // counts what was asked for, so that a late answer replaces nothing newer
let pageTitle;
let isLeaving = false; // while the browser goes back from the overlay to the results
const live = document.createElement("p"); // says which photo is shown
live.className = "unseen";
live.role = "status";

const address = () => location.pathname + location.search;
const loaded = address();
const isOpen = () => dialog?.isConnected && dialog.open;

addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link) return;
  if (link.matches(".picture")) return event.preventDefault(); // zoom is below
  if (dialog?.contains(link)) return follow(link, event);
  if (link.closest(".photos") && isPhoto(link) && !document.querySelector("main .photo")) {
    event.preventDefault();
    history.pushState({ overlay: 1 }, "", link.href);
    show(link.href, { image: link.querySelector("img"), title: link.querySelector("img")?.alt });
  }
});

addEventListener("popstate", (event) => {
  if (isLeaving) isLeaving = false;
  else if (document.querySelector("main .photo")) {
    if (address() !== loaded) location.reload(); // this page was loaded within the history of the overlay
  }
  else if (event.state?.overlay) show(location.href);
  else if (isOpen()) dialog.close();
});

function isPhoto(link) {
  return /^\/photos\/\d+$/.test(new URL(link.href).pathname);
}

function follow(link, event) {
  if (link.matches(".back")) {
    event.preventDefault();
    dialog.close();
  } else if (isPhoto(link)) {
    event.preventDefault();
    const turns = link.matches(".turn, .why a"); // one step back leads to the results, not through every photo
    const state = { overlay: (history.state?.overlay ?? 1) + (turns ? 0 : 1) };
    history[turns ? "replaceState" : "pushState"](state, "", link.href);
    show(link.href, preview(link));
  }
}

function preview(link) {
  const { image, width, height } = link.dataset;
  return image ? { source: image, width, height } : { image: link.querySelector("img[width]") };
}

async function show(photo, first = {}) {
  const number = ++opened;
  if (!isOpen()) open();
  if (first.image || first.source) showFirst(first);
  dialog.setAttribute("aria-busy", "true");
  let content, title;
  try {
    const answer = await fetch(photo);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    content = page.querySelector("article.photo") ?? problem(page);
    title = page.title;
  } catch {
    if (number === opened) location.reload(); // the browser says what is wrong
    return;
  }
  const picture = content.querySelector(".picture img");
  if (picture) await Promise.race([picture.decode?.().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 400))]);
  if (number !== opened || !isOpen()) return;
  const scrolled = dialog.scrollTop, hadFocus = focusName();
  dialog.replaceChildren(live, document.adoptNode(content));
  live.textContent = [content.querySelector("h1"), content.querySelector("figcaption")].map((part) => part?.textContent).filter(Boolean).join(", ");
  dialog.removeAttribute("aria-busy");
  dialog.scrollTop = scrolled;
  document.title = title;
  enliven(content);
  (hadFocus && dialog.querySelector(hadFocus) || dialog).focus({ preventScroll: true });
  turnQueued();
}

function problem(page) {
  const box = document.createElement("div");
  box.className = "problem photo-problem";
  box.append(...page.querySelector("main").childNodes);
  const back = document.createElement("a");
  back.className = "back button";
  back.href = "#";
  back.textContent = "Back to the results";
  box.append(back);
  return box;
}

function open() {
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.className = "overlay";
    dialog.tabIndex = -1;
    dialog.setAttribute("aria-label", "Photo");
    dialog.addEventListener("close", closed);
    document.body.append(dialog);
  }
  if (!dialog.isConnected) document.body.append(dialog);
  pageTitle = document.title;
  dialog.replaceChildren();
  dialog.showModal();
  dialog.focus();
}

function closed() {
  opened += 1;
  queued = null;
  document.title = pageTitle;
  const link = document.querySelector(`#photo-${shownId()} a`);
  if (history.state?.overlay) {
    isLeaving = true;
    history.go(-history.state.overlay);
  }
  link?.focus();
  link?.scrollIntoView({ block: "nearest" });
}

function shownId() {
  return /\/photos\/(\d+)/.exec(dialog.querySelector(".picture img")?.src ?? "")?.[1] ?? 0;
}

// The picture at once, from the grid or from the photo beside; what is known of it follows.
function showFirst({ image, title, source, width, height }) {
  const stage = dialog.querySelector(".stage") ?? emptyStage();
  stage.dataset.width = image?.getAttribute("width") ?? width;
  stage.dataset.height = image?.getAttribute("height") ?? height;
  delete stage.dataset.original;
  const picture = stage.querySelector(".picture") ?? stage.appendChild(document.createElement("a"));
  picture.className = "picture";
  picture.draggable = false;
  const shown = new Image();
  shown.src = image?.currentSrc || image?.src || source;
  shown.alt = title ?? "";
  shown.draggable = false;
  picture.replaceChildren(shown);
  stage.querySelector(".absent")?.remove();
  stage.querySelector("figcaption")?.remove();
  enlivenStage(stage);
}

function emptyStage() {
  const article = document.createElement("article");
  article.className = "photo";
  article.innerHTML = '<figure class="stage"></figure><div class="side"></div>';
  dialog.replaceChildren(live, article);
  return article.firstElementChild;
}

// --- what a photo has, as a page and in the overlay ---

function enliven(content) {
  const stage = content.querySelector(".stage");
  for (const hidden of content.querySelectorAll("[data-tool][hidden]")) hidden.hidden = !isUseful(hidden.dataset.tool);
  if (stage) enlivenStage(stage);
  for (const link of content.querySelectorAll(".turn")) new Image().src = link.dataset.image;
  showDetails(!sessionStorage.getItem("without-details"));
}

function isUseful(tool) {
  if (tool === "full") return document.fullscreenEnabled;
  if (tool === "show") return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  return true;
}

function showDetails(shown) {
  root.classList.toggle("without-details", !shown);
  for (const button of document.querySelectorAll("[data-tool=details]")) button.setAttribute("aria-pressed", String(shown));
}

function current() {
  return isOpen() ? dialog : document.querySelector("main");
}

addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-tool]");
  if (button) use(button.dataset.tool, button);
});

function use(tool, button) {
  const zoom = zooms.get(current().querySelector(".stage"));
  if (tool === "larger") zoom?.by(STEP);
  else if (tool === "smaller") zoom?.by(1 / STEP);
  else if (tool === "fit") zoom?.reset();
  else if (tool === "full") {
    if (document.fullscreenElement) document.exitFullscreen();
    else current().querySelector(".photo").requestFullscreen().catch(() => say("This browser shows nothing in full screen."));
  } else if (tool === "details") {
    const hide = !root.classList.contains("without-details");
    if (hide) sessionStorage.setItem("without-details", "yes");
    else sessionStorage.removeItem("without-details");
    showDetails(!hide);
  } else if (tool === "copy") copy(button.dataset.path);
  else if (tool === "show") showInFolder(button.dataset.address);
}

function say(text) {
  const place = current().querySelector(".said");
  if (place) place.textContent = text;
}

async function copy(path) {
  try {
    await navigator.clipboard.writeText(path);
    say("The path is copied.");
  } catch { // over plain HTTP from another machine a browser has no clipboard for scripts
    const field = document.createElement("textarea");
    field.value = path;
    current().querySelector(".side").append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    say(copied ? "The path is copied." : `Copy it from here: ${path}`);
  }
}

async function showInFolder(action) {
  try {
    const answer = await fetch(action, { method: "POST" });
    if (answer.ok) return say("The folder is open in the file manager.");
    const { detail } = await answer.json();
    say(detail[0].toUpperCase() + detail.slice(1));
  } catch {
    say("The server does not answer. Is Pixelseek still running?");
  }
}

// Forms about captions and tags: only the part of the page that has changed is replaced.
addEventListener("submit", async (event) => {
  const form = event.target.closest("form.write");
  if (!form || event.defaultPrevented) return;
  event.preventDefault();
  const part = form.closest(".written"), hadFocus = part.contains(document.activeElement), focused = focusName();
  const fields = new FormData(form, event.submitter);
  fields.set("part", "yes");
  for (const button of part.querySelectorAll("button")) button.disabled = true;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const written = page.querySelector(".written");
    if (!written) throw new Error(page.querySelector("main p")?.textContent ?? answer.statusText);
    if (written.querySelector(".refused")) keepTyped(part, written);
    part.replaceWith(document.adoptNode(written));
    const next = focused ?? (event.submitter?.matches(".tags > div button") ? "#tag" : "#undo");
    if (hadFocus) (written.querySelector(next) ?? written.querySelector("#favourite")).focus({ preventScroll: true });
  } catch (error) {
    for (const button of part.querySelectorAll("button")) button.disabled = false;
    say(error instanceof TypeError ? "The server does not answer: nothing was saved." : error.message);
  }
});

// What was typed into the other fields is not lost.
function keepTyped(before, after) {
  for (const name of ["#caption", "#tag"]) after.querySelector(name).value = before.querySelector(name).value;
}

function focusName() {
  const focused = document.activeElement;
  if (focused?.id && focused.closest(".photo")) return `#${CSS.escape(focused.id)}`;
  return focused?.matches(".turn.prev") ? ".turn.prev" : focused?.matches(".turn.next") ? ".turn.next" : null;
}

// --- keys ---

let queued = null; // a turn that was asked for while the photo before was still on its way

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  const typing = event.target.closest?.("input, textarea, select");
  if (typing) {
    if (event.key === "Escape" && typing.closest(".write")) {
      event.preventDefault(); // leaves the field as it was, not the photo
      typing.value = typing.defaultValue;
      typing.blur();
      if (isOpen()) dialog.focus();
    } else if (event.key === "Enter" && !event.shiftKey && typing.matches("#caption") && !event.isComposing) {
      event.preventDefault();
      typing.form.requestSubmit();
    }
    return;
  }
  const photo = current().querySelector(".photo");
  if (!photo || document.querySelector("dialog[open]:not(.overlay)")) return;
  if (!isOpen() && event.key.startsWith("Arrow") && event.target.matches?.(".photos a")) return; // moves among these
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (TOOL_KEYS[key]) {
    event.preventDefault();
    use(TOOL_KEYS[key]);
  } else if (event.shiftKey) {
    return;
  } else if (key === "f") {
    event.preventDefault();
    photo.querySelector("#favourite")?.click();
  } else if (key === "Escape" && document.fullscreenElement) {
    return;
  } else if (KEYS[key]) {
    turn(KEYS[key], event);
  }
});

function turn(selector, event) {
  if (selector === "a.back" && isOpen()) return; // the dialog closes by itself
  if (isOpen() && dialog.hasAttribute("aria-busy")) {
    event?.preventDefault();
    queued = selector;
    return;
  }
  const link = current().querySelector(`.photo ${selector}`);
  if (!link) return;
  event?.preventDefault();
  link.click();
}

function turnQueued() {
  const selector = queued;
  queued = null;
  if (selector) turn(selector);
}

// --- zoom and swipe ---

const zooms = new WeakMap();
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) zooms.get(target)?.fit();
});

function enlivenStage(stage) {
  if (!stage.querySelector(".picture")) return;
  if (zooms.has(stage)) return zooms.get(stage).reset();
  zooms.set(stage, new Zoom(stage));
  resized.observe(stage);
}

class Zoom {
  constructor(stage) {
    this.stage = stage;
    this.scale = 1; // 1: the whole photo is seen
    this.x = this.y = 0; // pixels from the middle
    this.pointers = new Map();
    this.toggled = -Infinity;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.toggle(event));
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      stage.addEventListener(type, (event) => this[type](event));
    }
    this.fit();
  }

  get picture() {
    return this.stage.querySelector(".picture");
  }

  // The size at which the whole photo is seen, and not larger than it is.
  fit() {
    const width = Number(this.stage.dataset.width), height = Number(this.stage.dataset.height);
    const factor = Math.min(1, this.stage.clientWidth / width, this.stage.clientHeight / height);
    this.width = width * factor;
    this.height = height * factor;
    this.most = Math.max(1 / factor, Math.max(width, height) > ICON ? MAX_ENLARGED : 1);
    for (const image of this.picture?.querySelectorAll("img") ?? []) {
      image.style.width = `${this.width}px`;
      image.style.height = `${this.height}px`;
    }
    this.apply();
  }

  reset() {
    this.scale = 1;
    this.x = this.y = 0;
    this.fit();
  }

  // Scale by a factor; the point (x, y) of the window stays where it is.
  by(factor, x, y) {
    const box = this.stage.getBoundingClientRect();
    const fromMiddleX = x === undefined ? 0 : x - box.left - box.width / 2;
    const fromMiddleY = y === undefined ? 0 : y - box.top - box.height / 2;
    const scale = Math.min(this.most, Math.max(1, this.scale * factor));
    const grown = scale / this.scale;
    this.x = fromMiddleX - (fromMiddleX - this.x) * grown;
    this.y = fromMiddleY - (fromMiddleY - this.y) * grown;
    this.scale = scale;
    this.apply();
  }

  apply() {
    const roomX = Math.max(0, (this.width * this.scale - this.stage.clientWidth) / 2);
    const roomY = Math.max(0, (this.height * this.scale - this.stage.clientHeight) / 2);
    this.x = Math.min(roomX, Math.max(-roomX, this.x));
    this.y = Math.min(roomY, Math.max(-roomY, this.y));
    const picture = this.picture;
    if (!picture) return;
    const isZoomed = this.scale > 1.001;
    picture.style.transform = isZoomed ? `translate(${this.x}px, ${this.y}px) scale(${this.scale})` : "";
    this.stage.classList.toggle("zoomed", isZoomed);
    if (isZoomed) this.sharpen();
  }

  // Where the picture on the page has fewer pixels than are seen now, the original takes its place.
  sharpen() {
    const image = this.picture.querySelector("img:not(.heat)"), original = this.stage.dataset.original;
    if (!image || !original || this.width * this.scale * devicePixelRatio <= image.naturalWidth) return;
    delete this.stage.dataset.original;
    const sharp = new Image();
    sharp.src = original;
    sharp.decode().then(() => {
      if (image.isConnected) image.src = original;
    }, () => {});
  }

  wheel(event) {
    const scrolls = matchMedia("(max-width: 56rem)").matches; // there the wheel moves the page
    if (scrolls && !event.ctrlKey && this.scale === 1) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    this.by(Math.exp(-event.deltaY * lines / (event.ctrlKey ? 120 : 400)), event.clientX, event.clientY);
  }

  toggle(event) {
    if (event.target.closest("a:not(.picture), button") || event.timeStamp - this.toggled < 400) return;
    this.toggled = event.timeStamp; // some browsers send a double click after two taps
    if (this.scale > 1.001) this.reset();
    else this.by(2.5, event.clientX, event.clientY);
  }

  pointerdown(event) {
    if (event.target.closest("a:not(.picture), button") || (event.pointerType === "mouse" && event.button)) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.stage.setPointerCapture(event.pointerId);
    if (this.pointers.size === 1) this.start = { x: event.clientX, y: event.clientY, pinched: false };
    else if (this.start) this.start.pinched = true;
  }

  pointermove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      if (distance(before) > 0) this.by(distance(now) / distance(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (this.scale > 1) {
      this.x += now.x - before.x;
      this.y += now.y - before.y;
      this.apply();
    }
    this.pointers.set(event.pointerId, now);
  }

  pointerup(event) {
    const known = this.pointers.delete(event.pointerId);
    if (!known || this.pointers.size || !this.start) return;
    const x = event.clientX - this.start.x, y = event.clientY - this.start.y;
    const swiped = event.pointerType !== "mouse" && !this.start.pinched && this.scale === 1
      && Math.abs(x) > SWIPE && Math.abs(x) > 1.5 * Math.abs(y);
    this.start = null;
    if (swiped) turn(x < 0 ? "a.next" : "a.prev");
    else if (event.pointerType === "touch" && Math.hypot(x, y) < 12) this.tap(event);
  }

  // Two taps on the same place are a double click, which browsers leave out where a script moves the photo.
  tap(event) {
    const last = this.tapped;
    this.tapped = { at: event.timeStamp, x: event.clientX, y: event.clientY };
    if (last && event.timeStamp - last.at < 350 && Math.hypot(last.x - event.clientX, last.y - event.clientY) < 30) {
      this.tapped = null;
      this.toggle(event);
    }
  }

  pointercancel(event) {
    this.pointers.delete(event.pointerId);
    this.start = null;
  }
}

if (document.readyState === "loading") {
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}
const page = document.querySelector("main .photo");
if (page) enliven(page);

// Forward to a photo over the results may come before this script: then nobody has heard of it.
const { name: navigatedTo } = performance.getEntriesByType("navigation")[0] ?? { name: location.href };
if (history.state?.overlay && isPhoto(location) && !isPhoto({ href: navigatedTo })) {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", () => show(location.href), { once: true });
  else show(location.href);
}
