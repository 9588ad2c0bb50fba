// The arrow keys open the photos before and after this one; Escape goes back to the results.

const keys = { ArrowLeft: "a.prev", ArrowRight: "a.next", Escape: "a.back" };

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if (typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = keys[event.key] && document.querySelector(keys[event.key]);
  if (!link) return;
  event.preventDefault();
  link.click();
});
