// Searches by a photo that is dropped on the page or pasted into it. It stays in the form, so that words can be added.

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
  const photo = event.target.elements.photo?.files?.[0];
  if (!photo) return;
  event.preventDefault();
  send(photo, event.target.elements.words.value);
});
addEventListener("popstate", () => location.reload());

function take(transfer) {
  const photo = [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (photo) send(photo, document.querySelector("form.upload [name=words]")?.value ?? "");
  return Boolean(photo);
}

async function send(photo, words) {
  const address = document.querySelector(".by-photo").href;
  const form = new FormData();
  form.set("photo", photo);
  form.set("words", words);
  form.set("csrf_token", document.querySelector("meta[name=csrf-token]").content);
  document.body.classList.add("looking-at-photo");
  try {
    const answer = await fetch(address, { method: "POST", body: form });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    document.body.replaceWith(page.body);
  } catch {
    location.assign(address);
    return;
  }
  if (location.href !== address) history.pushState(null, "", address);
  scrollTo(0, 0);
  const input = document.querySelector("form.upload [name=photo]");
  if (!input) return;
  const files = new DataTransfer();
  files.items.add(photo);
  input.files = files.files;
}
