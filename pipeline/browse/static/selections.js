// Saved selections: build an expression by buttons, delete what is not needed.

import { send } from "./bulk.js";
import { say } from "./site.js";

const expression = document.getElementById("in");
for (const button of document.querySelectorAll("[data-word]")) {
  button.addEventListener("click", () => {
    expression.value = `${expression.value} ${button.dataset.word}`.trimStart();
    expression.focus();
  });
}
document.getElementById("saved")?.addEventListener("click", async (event) => {
  const { name } = event.target.closest("[data-name]")?.dataset || {};
  if (!name || !confirm(`Delete the selection ${name}? The samples stay.`)) return;
  try {
    await send(event.currentTarget.dataset.delete, { name });
    location.reload();
  } catch (error) {
    say(`Not deleted: ${error.message}`);
  }
});
