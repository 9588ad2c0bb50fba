// Shows the sentences to try once the server has found them.

const list = document.querySelector(".examples[data-wanted]");
const MAX_REQUESTS = 6; // each waits for some seconds

for (let request = 0; list && request < MAX_REQUESTS; request += 1) {
  const answer = await fetch(list.dataset.source).then((response) => response.ok ? response.json() : null, () => null);
  if (!answer) break;
  if (!answer.ready) continue;
  for (const sentence of answer.examples) {
    const link = document.createElement("a");
    link.href = `${list.dataset.search}?${new URLSearchParams({ q: sentence })}`;
    link.textContent = sentence;
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  delete list.dataset.wanted;
  break;
}
