// Shows the progress of indexing, as the server reports it.

const section = document.querySelector(".indexing");

if (section?.dataset.state === "running") {
  const text = section.querySelector(".progress");
  const bar = section.querySelector("progress");
  const number = new Intl.NumberFormat("en");
  const events = new EventSource(section.dataset.events);
  events.addEventListener("message", ({ data }) => {
    const job = JSON.parse(data);
    if (job.state !== "running") {
      events.close();
      location.reload(); // to show the new counts, folders and failures
      return;
    }
    if (!job.total) return;
    text.textContent = `${number.format(job.done)} of ${number.format(job.total)} files read` +
      (job.failed ? `, ${number.format(job.failed)} skipped` : "");
    bar.max = job.total;
    bar.value = job.done;
  });
}
