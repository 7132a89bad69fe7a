// What all pages have: who marks, the list of keys, the search box.

import { onKeys } from "./keys.js";

const NAME = "longtake-curator";
const GIVEN = "longtake-curator-given"; // by --curator: it counts until somebody says otherwise here
const body = document.body.dataset;
const button = document.getElementById("curator");
const dialog = document.getElementById("who-dialog");

document.documentElement.classList.add("js");

function stored(name) {
  try {
    return localStorage.getItem(name) || "";
  } catch {
    return ""; // storage is switched off
  }
}

/** Keep a setting of this browser. */
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // then for this page only
  }
}

/** A setting of this browser, "" where there is none. */
export const kept = stored;

if (body.curator && stored(GIVEN) !== body.curator) {
  keep(NAME, body.curator);
  keep(GIVEN, body.curator);
}
let curator = stored(NAME) || body.curator;

function showName() {
  if (button) button.textContent = curator ? `Marking as ${curator}` : "Who marks?";
}

/** The name of the curator, "" where it is not known yet. */
export const knownCurator = () => curator;

let asking = null; // the answer that is waited for

/** The name of the curator; asks for it where `again`, or where it is not known. "" where it was not given. */
export function askCurator(again = false) {
  if (curator && !again) return Promise.resolve(curator);
  if (asking) return asking;
  const input = dialog.querySelector("input");
  input.value = curator;
  dialog.returnValue = "";
  dialog.showModal();
  asking = new Promise((done) => {
    dialog.addEventListener(
      "close",
      () => {
        const name = input.value.trim();
        if (dialog.returnValue === "ok" && name) {
          curator = name;
          keep(NAME, name);
          showName();
          dispatchEvent(new Event("longtake-curator"));
          done(name);
        } else done("");
        asking = null;
      },
      { once: true },
    );
  });
  return asking;
}

let hiding = 0;

/** Tell something, also to screen readers, for some seconds. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => (said.textContent = ""), 6000);
}

try {
  const left = sessionStorage.getItem("longtake-said"); // by an action that loaded the page again
  sessionStorage.removeItem("longtake-said");
  if (left) say(left);
} catch {
  // storage is switched off
}
showName();
button?.addEventListener("click", () => askCurator(true));
dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
const help = document.getElementById("help-dialog");
document.getElementById("help").addEventListener("click", () => help.showModal());

onKeys({
  "/": () => {
    const search = document.getElementById("search");
    if (search) search.select(), search.focus();
    else location.href = document.querySelector(".brand").href;
  },
  "?": () => help.showModal(),
});
