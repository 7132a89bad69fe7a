// All samples of a list at once: decide on them, take that back, save the list under a name.

import { askCurator, knownCurator, say } from "./site.js";

const DONE = { reject: "Rejected", flag: "Flagged", ok: "OK" };

/** Send an object to the server and return its answer; throws what the server says is wrong. */
export async function send(address, values) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Longtake": document.body.dataset.csrf },
    body: JSON.stringify(values),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

const samples = (number) => `${number.toLocaleString("en")} ${number === 1 ? "sample" : "samples"}`;

/** Wire the panel. Returns what opens it. */
export function bulk() {
  const panel = document.getElementById("bulk");
  if (!panel) return () => say("The list is empty");
  const open = () => {
    panel.open = true;
    panel.querySelector("select, a").focus();
  };
  if (document.body.dataset.readOnly) return open;
  const { query, total, shown, decide, undo, list, save, assign } = panel.dataset;
  const dialog = document.getElementById("bulk-dialog");
  const made = document.getElementById("bulks");

  async function show() {
    const curator = knownCurator();
    const answer = curator && (await fetch(`${list}?${new URLSearchParams({ by: curator })}`));
    made.innerHTML = answer?.ok ? await answer.text() : ""; // of our own template, which escapes
  }

  /** Do something under a name, tell of it, and load the page again: its decisions changed. */
  async function act(work) {
    const curator = await askCurator();
    if (!curator) return say("Not done: nobody was named");
    try {
      sessionStorage.setItem("longtake-said", await work(curator));
      location.reload();
    } catch (error) {
      say(`Not done: ${error.message}`);
    }
  }

  function sure(decision) {
    const what = `${{ reject: "Reject", flag: "Flag", ok: "Accept" }[decision]} ${samples(Number(total))}`;
    document.getElementById("bulk-title").textContent = `${what}?`;
    document.getElementById("bulk-yes").textContent = what;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "ok"), { once: true }));
  }

  document.getElementById("bulk-decide").addEventListener("submit", async (event) => {
    event.preventDefault();
    const decision = event.submitter?.value || "flag";
    const label = document.getElementById("bulk-label").value;
    const note = document.getElementById("bulk-note").value;
    if (!(await sure(decision))) return;
    await act(async (curator) => {
      const told = await send(decide, { query, expected: shown, decision, label, note, curator });
      return `${DONE[decision]}: ${samples(told.done)}`;
    });
  });
  made.addEventListener("click", (event) => {
    const one = event.target.closest("[data-undo]");
    if (one) act(async (curator) => `Undone on ${samples((await send(undo, { ...JSON.parse(one.dataset.undo), curator })).done)}`);
  });
  document.getElementById("bulk-save").addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = document.getElementById("bulk-name").value.trim();
    const keep = document.getElementById("bulk-keep").value;
    await act(async (curator) => `Saved: ${(await send(save, { name, query, expected: shown, keep, curator })).name}`);
  });
  document.getElementById("bulk-assign")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [name, to, double] = ["name", "to", "double"].map((one) => document.getElementById(`assign-${one}`).value.trim());
    await act(async () => {
      const told = await send(assign, { query, expected: shown, name, to, double });
      return `Queue ${told.name}: ${told.verdicts.toLocaleString("en")} verdicts to give`;
    });
  });
  panel.addEventListener("toggle", () => panel.open && show());
  addEventListener("longtake-curator", show);
  return open;
}
