// Shows the progress of indexing, as the server reports it, and the photos that come in.

const MAX_ARRIVALS = 12;
const section = document.querySelector(".indexing");

if (section?.dataset.state === "running") {
  const text = section.querySelector(".progress");
  const bar = section.querySelector("progress");
  const arrivals = section.querySelector(".arrivals");
  const open = section.querySelector(".open");
  const events = new EventSource(section.dataset.events);
  events.addEventListener("message", ({ data }) => {
    const job = JSON.parse(data);
    if (job.state !== "running") {
      events.close();
      location.reload(); // to show the new counts, folders and failures
      return;
    }
    if (text.textContent !== job.text) text.textContent = job.text;
    if (job.total) {
      bar.max = job.total;
      bar.value = job.done;
    }
    show(job.newest);
  });

  function show(ids) {
    const shown = new Set([...arrivals.children].map((item) => Number(item.dataset.id)));
    for (const id of [...ids].reverse()) {
      if (!shown.has(id)) arrivals.prepend(arrival(id));
    }
    while (arrivals.children.length > MAX_ARRIVALS) arrivals.lastElementChild.remove();
    arrivals.hidden = open.hidden = !arrivals.children.length;
  }
}

function arrival(id) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const image = document.createElement("img");
  item.dataset.id = id;
  link.href = section.dataset.photo.replace("/0", `/${id}`);
  image.src = section.dataset.thumbnail.replace("/0/", `/${id}/`);
  image.alt = `Photo ${id}`;
  image.decoding = "async";
  link.append(image);
  item.append(link);
  return item;
}
