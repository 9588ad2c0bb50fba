// Searches by a photo that is dropped on the page or pasted into it, with the words that stand in the form.

addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  if (take(event.dataTransfer)) event.preventDefault();
});
addEventListener("paste", (event) => {
  if (take(event.clipboardData)) event.preventDefault();
});
addEventListener("submit", (event) => {
  if (event.target.enctype === "multipart/form-data") document.body.classList.add("looking-at-photo");
});
addEventListener("pageshow", () => document.body.classList.remove("looking-at-photo"));

function take(transfer) {
  const photo = [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (photo) send(photo, document.querySelector("form.upload [name=words]")?.value ?? "");
  return Boolean(photo);
}

function send(photo, words) {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", enctype: "multipart/form-data", action: document.querySelector(".by-photo").href, hidden: true });
  const token = document.querySelector("meta[name=csrf-token]").content;
  for (const [name, value] of [["words", words], ["csrf_token", token]]) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  const files = new DataTransfer();
  files.items.add(photo);
  const file = Object.assign(document.createElement("input"), { type: "file", name: "photo" });
  file.files = files.files;
  form.append(file);
  document.body.append(form);
  form.requestSubmit();
}
