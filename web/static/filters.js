// Opens the filters on the page of results instead of on a page of their own.

const link = document.querySelector(".chips .unfold");
let panel;

link.role = "button";
link.ariaExpanded = "false";
link.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    panel ??= await load();
  } catch {
    location.assign(link.href);
    return;
  }
  panel.hidden = link.ariaExpanded === "true";
  link.ariaExpanded = String(!panel.hidden);
});
link.addEventListener("keydown", (event) => {
  if (event.key !== " ") return;
  event.preventDefault();
  link.click();
});

async function load() {
  const answer = await fetch(link.href);
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const facets = page.querySelector(".facets");
  facets.hidden = true;
  link.closest(".chips").after(facets);
  return facets;
}
