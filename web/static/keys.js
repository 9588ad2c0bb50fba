// Keys of every page: / to the search box, ? to the list of keys, arrows among photos. And the focus after a search.

const FOCUS_SEARCH = "pixelseek-focus-search";
const search = document.querySelector("[role=search] input[type=search]");
const keys = document.getElementById("keys");

// Who searched with a keyboard goes on with it. On a phone the keyboard would cover the photos.
document.querySelector("[role=search]").addEventListener("submit", () => {
  if (document.activeElement === search && matchMedia("(hover: hover)").matches) sessionStorage.setItem(FOCUS_SEARCH, "yes");
});
if (sessionStorage.getItem(FOCUS_SEARCH)) {
  sessionStorage.removeItem(FOCUS_SEARCH);
  if (document.activeElement === document.body) search.focus({ preventScroll: true });
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  const open = document.querySelector("dialog[open]");
  if (event.key === "?") { // over a photo too
    if (keys.open) keys.close();
    else keys.showModal();
  } else if (event.key === "/" && !open) {
    search.focus();
    search.select();
  } else if (event.key.startsWith("Arrow") && !open && event.target.matches(".photos a")) {
    const next = neighbour(event.target, event.key);
    if (!next) return;
    next.focus();
  } else {
    return;
  }
  event.preventDefault();
});

// The photo before or after this one, or the nearest one in the row above or below.
function neighbour(photo, key) {
  const photos = [...document.querySelectorAll(".photos a")].filter((link) => link.checkVisibility());
  const place = photos.indexOf(photo);
  if (key === "ArrowLeft") return photos[place - 1];
  if (key === "ArrowRight") return photos[place + 1];
  const box = photo.getBoundingClientRect();
  const middle = (link) => (link.left + link.right) / 2;
  const rows = photos.map((link) => ({ link, box: link.getBoundingClientRect() }));
  const beyond = key === "ArrowDown"
    ? rows.filter((other) => other.box.top >= box.bottom - 1)
    : rows.filter((other) => other.box.bottom <= box.top + 1).reverse();
  const row = beyond.filter((other) => Math.abs(other.box.top - beyond[0].box.top) < 2);
  row.sort((a, b) => Math.abs(middle(a.box) - middle(box)) - Math.abs(middle(b.box) - middle(box)));
  return row[0]?.link;
}
