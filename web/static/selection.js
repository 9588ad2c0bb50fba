// Chooses many photos: a click, a long press or X chooses one, Shift a whole range. What is done with them stays on the page.

const LONG_PRESS_MS = 450;
const MAX_MOVE_PX = 10;
const bar = document.getElementById("selection");
const counted = bar.querySelector(".counted");
const said = bar.querySelector(".said");
const undo = bar.querySelector(".undo");
let last = null; // the photo chosen last, from which a range goes
let pressed = null; // a long press has just chosen a photo: the click that follows does not open it

const boxes = () => [...document.querySelectorAll(".pick input")];
const seen = () => boxes().filter((box) => box.checkVisibility()); // none inside a closed stack of copies
const chosen = () => boxes().filter((box) => box.checked);
const boxOf = (element) => element.closest?.(".photos li")?.querySelector(".pick input");

bar.querySelector("[data-does=paths]").textContent = "Copy paths";
count();
addEventListener("pageshow", count); // a browser that comes back restores the check boxes
addEventListener("results", clear); // the filters have put other results in their place

function count() {
  const photos = chosen().length;
  counted.textContent = photos ? `${photos.toLocaleString()} selected` : "";
}

function tell(text, reverse = null) {
  said.textContent = text;
  undo.hidden = !reverse;
  undo.onclick = reverse;
}

function choose(box, { range = false, checked = !box.checked } = {}) {
  const all = seen();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  for (const each of range && from >= 0 ? all.slice(from, to + 1) : [box]) each.checked = checked;
  last = box;
  tell("");
  count();
}

// In the capturing phase: before the script that opens a photo hears of the click.
addEventListener("click", (event) => {
  const box = boxOf(event.target);
  if (!box) return;
  if (event.target === box) {
    choose(box, { range: event.shiftKey, checked: box.checked });
  } else if (event.target.closest("a")) {
    const opens = !chosen().length && !event.shiftKey && pressed !== box;
    if (opens || event.ctrlKey || event.metaKey || event.button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (pressed !== box) choose(box, { range: event.shiftKey, checked: event.shiftKey || !box.checked });
    pressed = null;
  }
}, { capture: true });

let press = null;
addEventListener("pointerdown", (event) => {
  const box = event.pointerType === "touch" && event.target.closest?.(".photos a") && boxOf(event.target);
  pressed = null;
  if (!box) return;
  press = { x: event.clientX, y: event.clientY, timer: setTimeout(() => {
    choose(box);
    pressed = box;
    navigator.vibrate?.(15);
  }, LONG_PRESS_MS) };
});
addEventListener("pointermove", (event) => {
  if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > MAX_MOVE_PX) clearTimeout(press.timer);
});
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => clearTimeout(press?.timer));
addEventListener("contextmenu", (event) => {
  if (pressed && boxOf(event.target) === pressed) event.preventDefault();
});

addEventListener("keydown", (event) => {
  if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog") || document.querySelector("dialog[open]")) return;
  const box = boxOf(event.target);
  const all = (event.ctrlKey || event.metaKey) && event.key === "a";
  if (event.key.toLowerCase() === "x" && box && !event.ctrlKey && !event.metaKey && !event.altKey) {
    choose(box, { range: event.shiftKey, checked: event.shiftKey || !box.checked });
  } else if (all && chosen().length) {
    for (const each of seen()) each.checked = true;
    count();
  } else if (event.key === "Escape" && chosen().length) {
    bar.reset();
  } else {
    return;
  }
  event.preventDefault();
});

bar.addEventListener("reset", () => setTimeout(clear)); // once the boxes are clear

function clear() {
  last = null;
  tell("");
  count();
}

bar.addEventListener("submit", async (event) => {
  const does = event.submitter?.dataset.does ?? "tag";
  if (does === "zip") return; // the browser shows its own progress
  if (does === "teach") return; // on a page of its own
  if (does === "paths" && !navigator.clipboard) return; // over plain HTTP there is none: the list opens as a page
  event.preventDefault();
  const ids = chosen().map((box) => Number(box.value));
  try {
    if (does === "paths") await copyPaths(ids);
    else if (does === "favourite") await write(ids, { favourite: true }, { favourite: false }, "favourites");
    else {
      const tag = bar.elements.tag.value.trim();
      if (!tag) return bar.elements.tag.focus();
      await write(ids, { tag: [tag] }, { untag: [tag] }, `tagged ${tag}`);
      bar.elements.tag.value = "";
    }
  } catch (error) {
    tell(error.message);
  }
});

async function write(ids, edit, reversed, what) {
  const { changed } = await patch(ids, edit);
  const photos = `${ids.length.toLocaleString()} ${ids.length === 1 ? "photo is" : "photos are"} ${what} now`;
  tell(photos, changed.length ? async () => {
    await patch(changed, reversed);
    tell("Undone");
  } : null);
}

async function patch(ids, edit) {
  const answer = await fetch(bar.dataset.annotations, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ photo_ids: ids, ...edit }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail);
  return body;
}

async function copyPaths(ids) {
  const answer = await fetch(bar.dataset.paths, { method: "POST", body: new URLSearchParams(new FormData(bar)) });
  if (!answer.ok) throw new Error("The paths could not be listed");
  await navigator.clipboard.writeText(await answer.text());
  tell(`${ids.length.toLocaleString()} ${ids.length === 1 ? "path is" : "paths are"} in the clipboard`);
}
