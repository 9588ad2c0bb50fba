// Asks whether photos show a word: by mouse, touch and keys. An answer is sent at once, and can be undone.

const KEYS = { y: "yes", n: "no", s: "skip" };
const part = (name) => document.getElementById(name);
const cards = () => [...part("asking").querySelectorAll(".cards > li")];
const undos = []; // how to undo what was done on this page, the latest last
let sent = Promise.resolve(); // one answer after another, so that the page ends with the latest
let pending = 0;

// A page that answers a form has the address of the form: from now on it can be loaded again and kept as a bookmark.
const { address } = part("standing").dataset;
if (new URL(address, location).pathname !== location.pathname) history.replaceState(history.state, "", address);

addEventListener("submit", (event) => {
  const form = event.target, pressed = event.submitter;
  if (form.id === "told" && undos.length) return handle(event, () => undos.pop()());
  if (form.id === "asking" && pressed?.name === "more") return handle(event, () => more(cards()));
  const card = pressed?.closest(".cards > li");
  if (card) return handle(event, () => answer(card, pressed.name));
  if (form.matches("#known, .choosing")) handle(event, () => post(form, pressed));
});

// The second click of a double click is not an answer about the photo that has taken the place of the first one.
addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest?.(".verdicts button")) event.preventDefault();
}, { capture: true });

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.target.closest("input, textarea, select, dialog") || document.querySelector("dialog[open]")) return;
  const name = KEYS[event.key.toLowerCase()];
  if (name) {
    const card = event.target.closest(".cards > li") ?? cards()[0];
    if (!card) return;
    event.preventDefault();
    if (card.contains(document.activeElement) || isInView(card)) answer(card, name, true);
    else card.querySelector("a").focus(); // nobody answers for a photo that is not seen
  } else if (event.key.toLowerCase() === "u" && !part("undo").hidden) {
    event.preventDefault();
    part("undo").click();
  } else if (event.key.startsWith("Arrow") && event.target.closest(".verdicts")) {
    event.preventDefault(); // keys.js moves among the photos
    event.target.closest("li").querySelector("a").focus();
  } else if (event.key.startsWith("Arrow") && document.activeElement === document.body && cards().length) {
    event.preventDefault();
    cards()[0].querySelector("a").focus();
  }
});

function isInView(card) {
  const { top, bottom } = card.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}

function handle(event, call) {
  event.preventDefault();
  call();
}

// --- one answer ---

function answer(card, name, byKey = false) {
  const all = cards(), place = all.indexOf(card), next = all[place + 1] ?? all[place - 1];
  const { photo, name: title } = card.dataset;
  const hadFocus = byKey || card.contains(document.activeElement);
  card.remove();
  if (hadFocus) next?.querySelector(byKey ? "a" : `[name=${name}]`)?.focus();
  const bring = () => {
    const grid = part("asking").querySelector(".cards");
    if (!grid) return;
    grid.insertBefore(card, grid.children[place] ?? null);
    card.querySelector("a").focus();
  };
  if (name === "skip") {
    skipped([photo], true);
    undos.push(() => {
      skipped([photo], false);
      bring();
      tell(`${title} is back.`);
    });
    tell(`${title}: skipped.`);
    if (!next) more([]);
    return;
  }
  const undo = () => {
    bring();
    tell(`${title}: taken back.`);
    send({ back: photo, undone: "yes" }).catch(() => {});
  };
  undos.push(undo);
  tell(`${title}: ${name}.`);
  send({ [name]: photo }).catch(() => { // nothing was saved
    undos.splice(undos.indexOf(undo), 1);
    part("undo").hidden = !undos.length;
    bring();
  });
}

// Other photos in place of those that are left.
function more(rest) {
  const photos = rest.map((card) => card.dataset.photo);
  skipped(photos, true);
  for (const card of rest) card.remove();
  if (photos.length) tell("Other photos.");
  send({}).catch(() => {
    skipped(photos, false);
    part("asking").querySelector(".cards").append(...rest);
  });
}

function skipped(photos, isAdded) {
  for (const field of document.querySelectorAll("[name=skipped]")) {
    const others = field.value.split(",").filter((photo) => photo && !photos.includes(photo));
    field.value = [...others, ...(isAdded ? photos : [])].join(",");
  }
}

// --- the server's part: what is known, how good it is, and the next cards ---

function send(fields) {
  const form = part("asking");
  return ask(form.getAttribute("action"), { csrf_token: form.elements.csrf_token.value, ...now(), ...fields });
}

async function post(form, pressed) {
  const hadFocus = form.contains(document.activeElement);
  const body = new FormData(form, pressed);
  for (const [name, value] of Object.entries(now())) body.set(name, value);
  await ask(form.getAttribute("action"), body, true).catch(() => {});
  if (hadFocus && !part("undo").hidden) part("undo").focus({ preventScroll: true });
}

// Which photos are being asked about, and which are not to be.
function now() {
  return { asked: cards().map((card) => card.dataset.photo).join(","), skipped: part("asking").elements.skipped.value };
}

function ask(action, fields, isWhole = false) {
  pending += 1;
  const answered = sent.then(async () => {
    const response = await fetch(action, { method: "POST", body: new URLSearchParams(fields) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const refused = page.querySelector(".refused") ?? (response.ok ? null : page.querySelector("main p"));
    if (refused) throw new Error(refused.textContent.trim());
    pending -= 1;
    show(page, isWhole);
  }).catch((error) => {
    pending = Math.max(0, pending - 1);
    tell(error instanceof TypeError ? "The server does not answer: nothing was saved. Is Pixelseek still running?" : error.message);
    throw error;
  });
  sent = answered.catch(() => {});
  return answered;
}

function show(page, isWhole) {
  const focused = document.activeElement, hadFocus = part("asking").contains(focused) || focused === document.body;
  if (!pending) for (const name of ["standing", "known"]) renew(name, page);
  if (isWhole || !(pending || isUsed(part("choosing")))) renew("choosing", page);
  if (isWhole || (!cards().length && !pending)) {
    renew("asking", page);
    if (hadFocus) cards()[0]?.querySelector("a").focus({ preventScroll: true });
  }
  if (!isWhole) return;
  const told = page.getElementById("told");
  const fields = [...told.querySelectorAll("[type=hidden]")].map(({ name, value }) => [name, value]);
  if (fields.some(([name]) => name === "undone")) {
    undos.push(() => ask(told.getAttribute("action"), fields, true).catch(() => {}));
  }
  tell(told.querySelector("p").textContent);
}

function renew(name, page) {
  const fresh = document.adoptNode(page.getElementById(name));
  const opened = [...part(name).querySelectorAll("details")].map((details) => details.open);
  fresh.querySelectorAll("details").forEach((details, place) => { details.open = Boolean(opened[place]); });
  part(name).replaceWith(fresh);
}

// Whether a person has chosen photos there, or is typing.
function isUsed(place) {
  return place.contains(document.activeElement) || place.querySelector(":checked") !== null;
}

function tell(text) {
  const told = part("told");
  told.querySelector("p").textContent = text;
  part("undo").hidden = !undos.length;
}
