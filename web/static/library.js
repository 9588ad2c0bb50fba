// Tells how far indexing has come, as the server reports it.

const section = document.querySelector(".indexing");

if (section?.dataset.state === "running") {
  const said = section.querySelector(".said");
  const bar = section.querySelector("progress");
  const number = new Intl.NumberFormat("en");
  const events = new EventSource(section.dataset.events);
  events.addEventListener("message", ({ data }) => {
    const job = JSON.parse(data);
    if (job.state !== "running") {
      events.close();
      location.reload(); // counts, folders and failures have changed too
      return;
    }
    if (!job.total) return;
    said.textContent = `${number.format(job.done)} of ${number.format(job.total)} files read` +
      (job.failed ? `, ${number.format(job.failed)} skipped` : "");
    bar.max = job.total;
    bar.value = job.done;
  });
}
