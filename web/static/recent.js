// Keeps the latest searches in this browser, and offers them in the search box: by its button, or Arrow Down in it.

const KEY = "pixelseek.recent";
const MAX = 30;
const form = document.querySelector("form.search");
const input = form.querySelector("input[name=q]");
const box = document.createElement("div");
box.className = "recent-searches";
box.popover = "auto";
box.role = "dialog";
box.ariaLabel = "History";
const button = document.createElement("button");
button.type = "button";
button.className = "history";
button.ariaLabel = button.title = "History";
button.ariaHasPopup = "dialog";
button.ariaExpanded = "false";
button.innerHTML = '<svg aria-hidden="true" viewBox="0 0 24 24"><circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/></svg>';
input.after(button);
form.after(box);
button.popoverTargetElement = box;
box.addEventListener("beforetoggle", (event) => {
  if (event.newState !== "open") return;
  const { left, right, bottom } = form.getBoundingClientRect();
  box.style.top = `${bottom + 4}px`;
  box.style.left = `${Math.max(16, left)}px`;
  box.style.maxWidth = `${right - left}px`;
});
box.addEventListener("toggle", (event) => {
  button.ariaExpanded = String(event.newState === "open");
  if (event.newState === "open") box.querySelector("a")?.focus();
});
box.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const all = [...box.querySelectorAll("a, button")];
  const next = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  all[Math.max(0, Math.min(next, all.length - 1))].focus();
});
input.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || event.altKey || button.hidden || input.selectionEnd !== input.value.length) return;
  event.preventDefault();
  box.showPopover();
});

remember();
addEventListener("results", remember); // the filters have made another search
addEventListener("pageshow", show);
addEventListener("storage", show);

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((query) => typeof query === "string" && query) : [];
  } catch {
    return []; // nothing may be kept, or something else is there
  }
}

function write(queries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(queries));
  } catch { /* nothing may be kept */ }
}

function remember() {
  const query = new URLSearchParams(location.search).get("q")?.trim();
  if (query && document.querySelector(".toolbar") && location.pathname === new URL(form.action).pathname) {
    write([query, ...read().filter((other) => other !== query)].slice(0, MAX));
  }
  show();
}

function show() {
  const queries = read();
  button.hidden = !queries.length;
  if (!queries.length) box.hidePopover();
  const list = document.createElement("ul");
  for (const query of queries) {
    const link = document.createElement("a");
    link.href = `${form.action}?${new URLSearchParams({ q: query })}`;
    link.textContent = query;
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  const clear = document.createElement("button");
  clear.type = "button";
  clear.className = "quiet";
  clear.textContent = "Clear";
  clear.addEventListener("click", () => {
    write([]);
    show();
    input.focus();
  });
  box.replaceChildren(list, clear);
}
