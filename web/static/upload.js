// A photo dropped on the page, or pasted into it, is searched by.

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
  if (send(event.dataTransfer)) event.preventDefault();
});
addEventListener("paste", (event) => {
  if (send(event.clipboardData)) event.preventDefault();
});

function send(transfer) {
  const photo = [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (!photo) return false;
  const form = document.createElement("form");
  Object.assign(form, { method: "post", enctype: "multipart/form-data", action: document.querySelector(".by-photo").href });
  form.hidden = true;
  const input = document.createElement("input");
  Object.assign(input, { type: "file", name: "photo" });
  const files = new DataTransfer();
  files.items.add(photo);
  input.files = files.files;
  form.append(input);
  document.body.append(form);
  form.submit();
  return true;
}
