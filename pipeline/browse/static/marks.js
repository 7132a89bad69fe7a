// Decisions: written down by the server at once, under the name of the curator.

import { askCurator, keep, kept, say } from "./site.js";
import { onKeys } from "./keys.js";

const DONE = { reject: "Rejected", flag: "Flagged", ok: "OK", none: "Your decision is withdrawn" };
const BADGE = { reject: "rejected", flag: "flagged", ok: "ok" };
const GO_ON = "longtake-go-on";

/** Wire the panel for decisions; `next` goes to the next sample, where there is one. */
export function marking(next = () => false) {
  const panel = document.getElementById("marking");
  if (document.body.dataset.readOnly) return;
  const goOn = document.getElementById("go-on");
  if (goOn) {
    goOn.checked = kept(GO_ON) === "1";
    goOn.addEventListener("change", () => keep(GO_ON, goOn.checked ? "1" : ""));
  }
  let busy = false;

  async function mark(decision) {
    if (busy) return;
    const curator = await askCurator();
    if (!curator) return;
    const onVideo = !panel.dataset.key || panel.querySelector("input[name=subject][value=video]").checked;
    busy = true;
    try {
      const answer = await fetch(document.body.dataset.marks, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Longtake": document.body.dataset.csrf },
        body: JSON.stringify({
          subject: onVideo ? "video" : "sample",
          subject_id: onVideo ? panel.dataset.video : panel.dataset.key,
          decision,
          label: decision === "none" ? "" : document.getElementById("label").value,
          note: decision === "none" ? "" : document.getElementById("note").value,
          curator,
        }),
      });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.error);
      document.getElementById("marks").innerHTML = told.html; // of our own template, which escapes
      const badge = document.createElement("span");
      badge.className = `badge ${told.state}`;
      badge.textContent = BADGE[told.state] || "";
      document.getElementById("state").replaceChildren(...(told.state ? [badge] : []));
      document.getElementById("note").value = "";
      say(`${DONE[decision]}${onVideo && decision !== "none" ? ": the whole video" : ""}`);
      if (goOn?.checked && decision !== "none") next();
    } catch (error) {
      say(`Not written down: ${error.message}`);
    } finally {
      busy = false;
    }
  }

  for (const button of panel.querySelectorAll("[data-decision]")) {
    button.addEventListener("click", () => mark(button.dataset.decision));
  }
  onKeys({ r: () => mark("reject"), f: () => mark("flag"), o: () => mark("ok"), u: () => mark("none") });
}
