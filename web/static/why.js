// The photo lights up where the word looks that is pointed at or in focus; a click keeps it so.

const heat = document.querySelector("figure .heat");
const words = [...document.querySelectorAll(".why [data-heat]")];
let kept = words.find((word) => word.ariaCurrent);
const pictures = words.map((word) => Object.assign(new Image(), { src: word.dataset.heat })); // there when wanted

for (const [number, word] of words.entries()) {
  const show = () => { heat.src = pictures[number].src; };
  const showKept = () => { heat.src = kept.dataset.heat; };
  word.addEventListener("pointerenter", show);
  word.addEventListener("pointerleave", showKept);
  word.addEventListener("focus", show);
  word.addEventListener("blur", showKept);
  word.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    kept.ariaCurrent = null;
    kept = word;
    kept.ariaCurrent = "true";
    history.replaceState(null, "", word.href);
    show();
  });
}
