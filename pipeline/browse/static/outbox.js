// Verdicts on their way to the server. Each stays in this browser until the server has it, whatever happens to network, page or server.
// Each has an id, so that one that arrives twice is written down once.

import { say } from "./site.js";

const body = document.body.dataset;
const NAME = `longtake-outbox ${body.corpus}`;
const PAUSES = [1, 2, 4, 8, 15]; // seconds between two tries
const PATIENCE = 15_000; // ms that the server has to answer

let kept = null; // where storage is switched off: for this page only
let sending = null;
let failures = 0; // of tries, one after another
let late = false; // from a failure until all that waits is sent
let timer = 0;

function load() {
  if (kept) return kept;
  try {
    const found = JSON.parse(localStorage.getItem(NAME) || "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return (kept = []);
  }
}

function store(entries) {
  try {
    if (!kept) localStorage.setItem(NAME, JSON.stringify(entries));
  } catch {
    kept = entries; // full or switched off
  }
  if (kept) kept = entries;
  show();
}

/** Those that this page may send: a signed-in curator sends only own ones. */
const mine = () => load().filter((one) => !body.proved || one.values.curator === body.curator);

function show() {
  const badge = document.getElementById("unsent");
  const number = mine().length;
  late = number > 0 && (failures > 0 || late);
  badge.hidden = !late;
  badge.textContent = late ? `${number} not sent yet` : "";
  badge.title = "They are kept in this browser and sent when the server answers again.";
}

addEventListener("beforeunload", (event) => kept?.length && event.preventDefault());

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

/** Keep a verdict and send it. Resolves to what became of it: "written", "kept" (the server does not answer) or "refused". */
export async function put(values) {
  const entry = { id: newId(), made: Date.now(), values };
  store([...load(), entry]);
  do await flush();
  while (!failures && load().some((one) => one.id === entry.id)); // it came in while another flush was at its end
  if (load().some((one) => one.id === entry.id)) return "kept";
  return refused.has(entry.id) ? "refused" : "written";
}

const refused = new Set();

/** Send all that waits, in its order. */
export function flush() {
  sending ??= send().finally(() => (sending = null));
  return sending;
}

async function send() {
  clearTimeout(timer);
  for (let entry; (entry = mine()[0]); ) {
    let told;
    try {
      told = await ask(entry);
    } catch (error) {
      failures += 1;
      timer = setTimeout(flush, 1000 * PAUSES[Math.min(failures, PAUSES.length) - 1]);
      show();
      return;
    }
    if (failures) say("The server answers again");
    failures = 0;
    if (told.error) refused.add(entry.id);
    store(load().filter((one) => one.id !== entry.id));
    if (told.error) say(`Not written down: ${told.error}`);
    else dispatchEvent(new CustomEvent("longtake-written", { detail: { values: entry.values, told } }));
  }
  show();
}

/** Send one. Returns the answer, or why the server refuses it; throws where it should be sent again. */
async function ask(entry, again = false) {
  const age = (Date.now() - entry.made) / 1000;
  const answer = await fetch(body.marks, {
    method: "POST",
    keepalive: true,
    signal: AbortSignal.timeout(PATIENCE),
    headers: { "Content-Type": "application/json", "X-Longtake": body.csrf },
    body: JSON.stringify({ ...entry.values, change: entry.id, age_s: age > 2 ? age : 0 }),
  });
  const told = await answer.json();
  if (answer.ok) return told;
  if (answer.status === 403 && !again && (await refreshed())) return ask(entry, true);
  if (answer.status >= 500 || [401, 408, 409, 429].includes(answer.status)) throw new Error(told.error);
  return { error: told.error || `answer ${answer.status}` };
}

/** Whether the server has started again since this page came: then take what it asks pages for now. */
async function refreshed() {
  const page = await fetch(location.href, { cache: "no-store" });
  const csrf = new DOMParser().parseFromString(await page.text(), "text/html").body.dataset.csrf;
  if (!csrf || csrf === body.csrf) return false;
  body.csrf = csrf;
  return true;
}

if (!body.readOnly) {
  addEventListener("online", flush);
  show();
  flush();
}
