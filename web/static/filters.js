// Opens each pill as a popover over the results, which stays open while one chooses, and updates the results behind it.

if (!document.querySelector(".toolbar + *") && document.readyState === "loading") {
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}
const toolbar = document.querySelector(".toolbar");
const main = document.getElementById("main");
const pills = [...toolbar.querySelectorAll(".pill")];
const panels = new Map(); // by the name of their pill
let facets = null; // a promise of the page of all filters, for the search that is shown
let choices = Promise.resolve(); // one after another: each adds to the search that the one before has made
let waiting = 0;
let underWay = Promise.resolve(); // a press or a move of a slider: new numbers take nothing from under it
const navigation = performance.getEntriesByType("navigation")[0];
let shown = new URL(navigation?.name ?? location.href).search; // the search whose results are on the page
const SLIDER_MS = 300; // several presses of an arrow key are one choice

if (HTMLElement.prototype.showPopover) for (const pill of pills) enhance(pill);

function enhance(pill) {
  const panel = document.createElement("div");
  panel.id = `panel-${pill.dataset.panel}`;
  panel.className = "panel";
  panel.dataset.panel = pill.dataset.panel;
  panel.popover = "auto";
  panel.role = "dialog";
  panel.ariaLabel = pill.textContent.trim();
  toolbar.append(panel);
  panels.set(pill.dataset.panel, panel);
  pill.role = "button";
  pill.ariaHasPopup = "dialog";
  pill.ariaExpanded = "false";
  pill.setAttribute("aria-controls", panel.id);
  let wasOpen = false; // a press outside a popover closes it before the click arrives
  pill.addEventListener("pointerdown", () => { wasOpen = panel.matches(":popover-open"); });
  pill.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (wasOpen || panel.matches(":popover-open")) panel.hidePopover();
    else open(pill, panel);
    wasOpen = false;
  });
  pill.addEventListener("keydown", (event) => {
    if (event.key !== " " && !(event.key === "ArrowDown" && !event.altKey)) return;
    event.preventDefault();
    pill.click();
  });
  panel.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const end = begin();
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => setTimeout(end), { once: true }); // after the click
  });
  panel.addEventListener("toggle", (event) => { pill.ariaExpanded = String(event.newState === "open"); });
  panel.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (event.target.closest(".done")) return panel.hidePopover();
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const key = keyOf(link);
    if (link.matches(".option")) link.ariaCurrent = link.ariaCurrent === "true" ? null : "true"; // at once
    choose(() => (find(panel, key) ?? link).href);
  });
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    const { action } = event.target;
    const values = new URLSearchParams(new FormData(event.target));
    choose(() => {
      values.set("q", panel.querySelector("form [name=q]").value);
      return `${action}?${values}`;
    });
  });
}

async function open(pill, panel) {
  if (!panel.firstChild) panel.append(hint("Counting the photos"));
  panel.showPopover();
  place(pill, panel);
  facets ??= load();
  try {
    const filters = await facets;
    await settled();
    fill(panel, filters);
  } catch {
    location.assign(pill.href);
    return;
  }
  place(pill, panel);
  panel.querySelector("a, input:not([type=hidden]), button")?.focus({ preventScroll: true });
}

function hint(text) {
  const line = document.createElement("p");
  line.className = "hint";
  line.textContent = text;
  return line;
}

// Below its pill and inside the window. On a phone the style sheet places it.
function place(pill, panel) {
  const { left, bottom } = pill.getBoundingClientRect();
  panel.style.left = panel.style.top = "";
  if (matchMedia("(max-width: 40rem)").matches) return;
  panel.style.left = `${Math.max(16, Math.min(left, innerWidth - panel.offsetWidth - 16))}px`;
  panel.style.top = `${Math.max(16, Math.min(bottom + 6, innerHeight - panel.offsetHeight - 16))}px`;
}
addEventListener("resize", () => {
  for (const pill of pills) if (panels.get(pill.dataset.panel)?.matches(":popover-open")) place(pill, panels.get(pill.dataset.panel));
});

// What is begun ends when the function that is returned is called.
function begin() {
  let end;
  underWay = Promise.all([underWay, new Promise((resolve) => { end = resolve; })]);
  return end;
}

async function settled() {
  for (let seen; seen !== underWay;) await (seen = underWay);
}

async function load(address = pills[0].href) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function fill(panel, page) {
  const facet = page.getElementById(panel.dataset.panel).cloneNode(true);
  for (const element of [facet, ...facet.querySelectorAll("[id]")]) element.removeAttribute("id");
  facet.removeAttribute("aria-labelledby");
  const done = document.createElement("button");
  done.type = "button";
  done.className = "quiet done";
  done.textContent = "Done";
  const footer = document.createElement("footer");
  footer.append(done);
  const scrolled = panel.scrollTop;
  panel.replaceChildren(facet, footer);
  panel.scrollTop = scrolled;
  const histogram = facet.querySelector(".histogram");
  if (histogram) makeRange(histogram, facet.querySelector(".period"));
}

// --- a choice: new results and new numbers, while the popover stays open ---

function choose(address) {
  waiting += 1;
  main.ariaBusy = "true";
  choices = choices.then(() => update(address())).finally(() => {
    waiting -= 1;
    if (!waiting) main.ariaBusy = null;
  });
}

async function update(address) {
  try {
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(".toolbar");
    if (!answer.ok || !fresh) throw new Error(answer.statusText); // an error, or the start page: it is shown as it is
    facets = load(fresh.querySelector(".pill").href);
    history.pushState(null, "", answer.url);
    shown = location.search;
    show(page, fresh);
    const filters = await facets;
    await settled();
    const panel = [...panels.values()].find((each) => each.matches(":popover-open"));
    if (!panel) return;
    const focused = panel.contains(document.activeElement) && keyOf(document.activeElement);
    fill(panel, filters);
    if (focused !== false) (find(panel, focused) ?? panel.querySelector(".done")).focus({ preventScroll: true });
  } catch {
    location.assign(address);
  }
}

// Back to a search before the last choice. A photo over the results has an address too, but no other results.
function follow() {
  if (location.pathname === new URL(document.querySelector("form.search").action).pathname && location.search !== shown) location.reload();
}
addEventListener("popstate", follow);
follow(); // one may have gone back or forward before this script came

function show(page, fresh) {
  document.title = page.title;
  document.querySelector("input[name=q]").value = page.querySelector("input[name=q]").value;
  for (const name of [".applied", ".order"]) toolbar.querySelector(name).replaceWith(fresh.querySelector(name));
  for (const pill of pills) pill.href = fresh.querySelector(`[data-panel=${pill.dataset.panel}]`).href;
  page.querySelector(".shortlist:has(~ .reranked)")?.remove();
  const kept = (element) => element.matches(".toolbar, #selection");
  for (const element of [...main.children]) if (!kept(element)) element.remove();
  const isNew = (element) => !kept(element) || !(element.matches(".toolbar") || document.getElementById("selection"));
  toolbar.after(...[...page.getElementById("main").children].filter(isNew));
  dispatchEvent(new Event("results"));
}

// What an option is about, to find it again among the new ones: its text without the number.
function keyOf(element) {
  if (element?.name) return element.name;
  return element?.closest?.("[data-value]")?.dataset.value ?? element?.querySelector?.(":scope > span")?.textContent ?? null;
}

function find(panel, key) {
  return key && [...panel.querySelectorAll("a, input:not([type=hidden])")].find((element) => keyOf(element) === key);
}

// --- a range of the histogram: two sliders for the keyboard, and dragging over the bars ---

function makeRange(histogram, form) {
  const bars = [...histogram.children];
  if (bars.length < 2) return;
  const within = bars.map((bar) => bar.classList.contains("within"));
  let first = Math.max(0, within.indexOf(true));
  let last = within.includes(true) ? within.lastIndexOf(true) : bars.length - 1;
  let timer;
  let end = null;
  const bounds = document.createElement("div");
  bounds.className = "bounds";
  const [from, until] = ["from", "until"].map((name) => {
    const label = document.createElement("label");
    const slider = document.createElement("input");
    const text = document.createElement("span");
    text.textContent = name === "from" ? "From" : "Until";
    Object.assign(slider, { type: "range", name: `slider-${name}`, min: 0, max: bars.length - 1, step: 1 });
    label.append(text, slider);
    bounds.append(label);
    slider.addEventListener("input", () => {
      const at = Number(slider.value);
      set(...(name === "from" ? [at, Math.max(at, last)] : [Math.min(first, at), at]));
    });
    slider.addEventListener("change", () => {
      clearTimeout(timer);
      end ??= begin();
      timer = setTimeout(() => {
        form.requestSubmit();
        end();
        end = null;
      }, SLIDER_MS);
    });
    return slider;
  });
  histogram.after(bounds);
  describe();

  function set(newFirst, newLast) {
    [first, last] = [newFirst, newLast];
    bars.forEach((bar, row) => bar.classList.toggle("within", row >= first && row <= last));
    form.elements.from.value = first === 0 ? "" : bars[first].dataset.value;
    form.elements.until.value = last === bars.length - 1 ? "" : bars[last].dataset.value;
    if (first === last) form.elements.from.value = form.elements.until.value = bars[first].dataset.value;
    describe();
  }

  function describe() {
    from.value = first;
    until.value = last;
    from.ariaValueText = bars[first].dataset.value;
    until.ariaValueText = bars[last].dataset.value;
  }

  const barAt = (x) => {
    const row = bars.findIndex((bar) => x < bar.getBoundingClientRect().right);
    return row < 0 ? bars.length - 1 : row;
  };
  let start = null;
  let dragged = false;
  histogram.addEventListener("dragstart", (event) => event.preventDefault());
  histogram.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    start = { row: barAt(event.clientX), x: event.clientX };
    dragged = false;
  });
  histogram.addEventListener("pointermove", (event) => {
    if (!start || Math.abs(event.clientX - start.x) < 8) return;
    if (!dragged) histogram.setPointerCapture(event.pointerId);
    dragged = true;
    const here = barAt(event.clientX);
    set(Math.min(start.row, here), Math.max(start.row, here));
  });
  histogram.addEventListener("pointerup", () => {
    if (dragged) form.requestSubmit();
    start = null;
  });
  histogram.addEventListener("pointercancel", () => { start = null; });
  histogram.addEventListener("click", (event) => {
    if (!dragged) return;
    event.preventDefault();
    event.stopPropagation();
    dragged = false;
  }, { capture: true });
}
