// Replaces the shortlist by the reranked photos smoothly, and loads further photos while scrolling.

const root = document.documentElement;
const narrow = matchMedia("(max-width: 40rem)");
const maxGrowth = () => (narrow.matches ? 3 : 1.5); // of a row that would not be full
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
root.classList.add("scripted"); // from now on this script swaps the lists, not the style sheet

const parsed = document.readyState === "loading"
  ? new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }))
  : Promise.resolve();
await parsed;
swap();
addEventListener("results", arrange); // the filters have put other results in their place

function arrange() {
  for (const list of document.querySelectorAll(".best .photos")) {
    fillRows(list); // at once: what is painted before would be seen to jump
    new ResizeObserver(() => fillRows(list)).observe(list);
  }
  for (const link of document.querySelectorAll("a.more")) follow(link);
}

function swap() {
  const shortlist = document.querySelector(".shortlist");
  const reranked = document.querySelector(".reranked");
  const finish = () => {
    shortlist?.remove();
    root.classList.remove("scripted");
    arrange();
  };
  if (!shortlist || !reranked) return finish();
  if (!document.startViewTransition || reducedMotion.matches || document.hidden) return finish();
  // A photo in both lists moves from its old position to its new one, if it is in view.
  for (const photo of [...shortlist.querySelectorAll("li")]) {
    const { top, bottom } = photo.getBoundingClientRect();
    const twin = bottom > 0 && top < innerHeight && [...reranked.querySelectorAll("li")].find((other) => other.id === photo.id);
    if (twin) photo.style.viewTransitionName = twin.dataset.glide = photo.id;
  }
  document.startViewTransition(() => {
    finish();
    for (const photo of reranked.querySelectorAll("[data-glide]")) photo.style.viewTransitionName = photo.dataset.glide;
  }).finished.finally(() => {
    for (const photo of reranked.querySelectorAll("[data-glide]")) photo.style.viewTransitionName = "";
  });
}

function follow(link) {
  const near = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    near.disconnect();
    link.textContent = "Loading";
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(answer.statusText);
      if (answer.redirected) { // the server no longer keeps these results
        link.href = answer.url;
        link.textContent = "These results are no longer kept: search again";
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("a.more");
      const list = link.previousElementSibling;
      if (list?.matches(".photos")) list.append(...page.querySelectorAll(".photos > li")); // no half row between pages
      else link.before(...page.querySelectorAll(".photos"));
      if (next) {
        link.replaceWith(next);
        follow(next);
      } else {
        link.remove();
      }
    } catch {
      link.textContent = "That did not work: try again"; // it still links to the next page
    }
  }, { rootMargin: "150%" });
  near.observe(link);
}

// Divides the photos evenly among rows that fill the width, each with its aspect ratio. An open stack of copies is a row of
// its own: the photos before and after it are divided each for themselves.
function fillRows(list) {
  const style = getComputedStyle(list);
  const room = { width: list.clientWidth, gap: parseFloat(style.columnGap), height: parseFloat(style.gridAutoRows) };
  const runs = [[]];
  for (const photo of list.children) {
    if (photo.querySelector(":scope > details[open]")) runs.push([]);
    else runs.at(-1).push(photo);
  }
  for (const photos of runs) divide(photos, room);
}

function divide(photos, { width, gap, height }) {
  const ratios = photos.map((photo) => parseFloat(getComputedStyle(photo).getPropertyValue("--ratio")));
  const total = ratios.reduce((sum, ratio) => sum + ratio, 0);
  const count = Math.max(1, Math.round((total * height) / width));
  let before = 0;
  const rowOf = ratios.map((ratio) => Math.min(count - 1, Math.floor(((before += ratio) - ratio / 2) / total * count)));
  photos.forEach((photo, place) => {
    const row = ratios.filter((_, other) => rowOf[other] === rowOf[place]);
    const sum = row.reduce((all, ratio) => all + ratio, 0);
    const fitting = (width - gap * (row.length - 1)) / sum;
    // A hundredth of a pixel less, so that rounding never breaks a row.
    photo.style.flex = `0 0 ${ratios[place] * Math.min(fitting, maxGrowth() * height) - 0.01}px`;
    photo.style.maxWidth = "none";
  });
}
