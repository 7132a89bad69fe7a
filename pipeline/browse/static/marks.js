// Decisions: each change is written down by the server, in the order in which it was made, under the name of the curator.

import { put } from "./outbox.js";
import { askCurator, keep, kept, knownCurator, say } from "./site.js";
import { onKeys } from "./keys.js";

const DONE = { reject: "Rejected", flag: "Flagged", ok: "OK" };
const BADGE = { reject: "rejected", flag: "flagged", ok: "ok" };
const GO_ON = "longtake-go-on";

let waiting = 0; // changes that are neither written down nor kept for later
let queue = Promise.resolve();

/** Resolves when all that was decided on this page is written down, or kept until the server answers again. */
export const settled = () => queue;

/** Wire the panel for decisions; `next` goes to the next sample, where there is one. */
export function marking(next = () => false) {
  const panel = document.getElementById("marking");
  if (document.body.dataset.readOnly) return;
  const label = document.getElementById("label");
  const note = document.getElementById("note");
  const scopes = [...panel.querySelectorAll("input[name=subject]")];
  const goOn = document.getElementById("go-on");
  if (goOn) {
    goOn.checked = kept(GO_ON) === "1";
    goOn.addEventListener("change", () => keep(GO_ON, goOn.checked ? "1" : ""));
  }
  let own = JSON.parse(panel.dataset.own); // subject: curator: [decision, label, note]

  const subject = () => (!panel.dataset.key || scopes.some((one) => one.value === "video" && one.checked) ? "video" : "sample");
  const mine = () => own[subject()][knownCurator()];
  let asked = {}; // subject: the decision that waits to be written down

  /** Show label and note of the own decision: what is changed then is changed from there. */
  function fill() {
    const [, ownLabel, ownNote] = mine() || ["", "", ""];
    label.value = ownLabel;
    note.value = ownNote;
  }

  /** Put a change into the queue. It is taken down as it is now, whatever is chosen before its turn comes. */
  function change(decision) {
    const about = subject();
    const isUndo = decision === "undo";
    const wanted = {
      subject: about,
      subject_id: about === "video" ? panel.dataset.video : panel.dataset.key,
      decision,
      label: isUndo ? "" : label.value,
      note: isUndo ? "" : note.value,
      basis: panel.dataset.basis,
    };
    asked[about] = isUndo ? undefined : decision;
    const named = askCurator(); // at once, and once for all that waits
    waiting += 1;
    queue = queue
      .then(() => write(wanted, named))
      .finally(() => {
        waiting -= 1;
        if (!waiting) asked = {};
      });
  }

  async function write(wanted, named) {
    const curator = await named;
    if (!curator) return say("Not written down: nobody was named");
    const became = await put({ ...wanted, curator });
    if (became !== "kept") return;
    if (wanted.decision !== "undo") {
      own[wanted.subject] = { ...own[wanted.subject], [curator]: [wanted.decision, wanted.label, wanted.note] };
      showState(wanted.decision);
    }
    say(`${DONE[wanted.decision] || "Undo"}: kept in this browser until the server answers again`);
  }

  function showState(state) {
    const badge = document.createElement("span");
    badge.className = `badge ${state}`;
    badge.textContent = BADGE[state] || "";
    document.getElementById("state").replaceChildren(...(state ? [badge] : []));
  }

  addEventListener("longtake-written", ({ detail: { values, told } }) => {
    const here = values.subject === "video" ? panel.dataset.video : panel.dataset.key;
    if (values.subject_id !== here || values.basis !== panel.dataset.basis || values.curator !== knownCurator()) return;
    own = told.own;
    document.getElementById("marks").innerHTML = told.html; // of our own template, which escapes
    showState(told.state);
    if (waiting <= 1 && document.activeElement !== note && values.subject === subject()) fill();
    tell(values, own[values.subject][values.curator]);
  });

  function tell(wanted, now) {
    const whole = wanted.subject === "video" && panel.dataset.key ? ": the whole video" : "";
    if (wanted.decision !== "undo") say(DONE[wanted.decision] + whole);
    else say(now ? `Undone, back to: ${BADGE[now[0]]}${whole}` : `Your decision is withdrawn${whole}`);
  }

  function decide(decision) {
    change(decision);
    if (goOn?.checked && decision !== "undo") settled().then(() => !waiting && mine()?.[0] === decision && next());
  }

  for (const button of panel.querySelectorAll("[data-decision]")) {
    button.addEventListener("click", () => decide(button.dataset.decision));
  }
  for (const field of [label, note]) {
    field.addEventListener("change", () => {
      const decision = subject() in asked ? asked[subject()] : mine()?.[0];
      if (decision) change(decision); // a reason that is given after the verdict
    });
  }
  for (const scope of scopes) scope.addEventListener("change", fill);
  addEventListener("longtake-curator", fill);
  onKeys({ r: () => decide("reject"), f: () => decide("flag"), o: () => decide("ok"), u: () => decide("undo") });
  fill();
}
