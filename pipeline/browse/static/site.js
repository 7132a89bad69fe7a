// What all pages have: who marks, the list of keys, the search box.

import { onKeys } from "./keys.js";

const NAME = "longtake-curator";
const GIVEN = "longtake-curator-given"; // by --curator: it counts until somebody says otherwise here
const RELOADED = "longtake-reloaded"; // the name for which the page was loaded again
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

if (body.curator && !body.proved && stored(GIVEN) !== body.curator) {
  keep(NAME, body.curator);
  keep(GIVEN, body.curator);
}
let curator = stored(NAME) || body.curator;

/** Tell the server who looks, so that verdicts of others show only after one's own. A token says it where there are tokens. */
function tellServer() {
  if (body.proved || !curator) return false;
  document.cookie = `${body.nameCookie}=${encodeURIComponent(curator)}; path=/; SameSite=Strict; max-age=31536000`;
  return document.cookie.includes(`${body.nameCookie}=`);
}

if (body.proved) curator = body.curator;
else if (curator !== body.viewer && tellServer() && kept(RELOADED) !== curator) {
  keep(RELOADED, curator); // once: a name that the server does not take would load the page for ever
  location.reload();
} else if (curator === body.viewer) keep(RELOADED, "");

function showName() {
  if (body.proved) return;
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
          tellServer();
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
if (!body.proved) {
  button?.addEventListener("click", () => {
    const before = curator;
    askCurator(true).then((name) => name && name !== before && location.reload()); // what this one has seen differs
  });
}
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
