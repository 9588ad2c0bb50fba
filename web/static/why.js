// Shows where the word under the pointer or in focus looks; a click keeps it shown.

const heat = document.querySelector("figure .heat");
const words = [...document.querySelectorAll(".why [data-heat]")];
let selected = words.find((word) => word.ariaCurrent);
const pictures = words.map((word) => Object.assign(new Image(), { src: word.dataset.heat })); // loaded before they are needed

for (const [number, word] of words.entries()) {
  const show = () => { heat.src = pictures[number].src; };
  const showSelected = () => { heat.src = selected.dataset.heat; };
  word.addEventListener("pointerenter", show);
  word.addEventListener("pointerleave", showSelected);
  word.addEventListener("focus", show);
  word.addEventListener("blur", showSelected);
  word.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    selected.ariaCurrent = null;
    selected = word;
    selected.ariaCurrent = "true";
    history.replaceState(null, "", word.href);
    show();
  });
}
