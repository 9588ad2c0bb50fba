// Follows the comparison of all photos, and shows the copies once it is done.

const status = document.querySelector(".comparing");
const PAUSE_MS = 1000;

while (status) {
  const answer = await fetch(status.dataset.source).then((response) => response.ok ? response.json() : null, () => null);
  if (!answer || answer.ready) break;
  status.textContent = `Comparing the photos with one another: ${answer.compared.toLocaleString("en")} of ${answer.photos.toLocaleString("en")}`;
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
location.reload();
