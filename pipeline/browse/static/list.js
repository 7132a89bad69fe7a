// The list: filters in the address, keys to move in it.

import { bulk } from "./bulk.js";
import { cutAtWords } from "./clamp.js";
import { onKeys, repeating } from "./keys.js";

const form = document.getElementById("filter");
const cards = [...document.querySelectorAll(".cards > .card")];
const filters = document.getElementById("filters");
const toggle = document.getElementById("show-filters");

for (const field of form.elements) {
  if (field.matches("select, input[type=checkbox]")) field.addEventListener("change", () => form.requestSubmit());
}
form.querySelector("textarea")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
addEventListener("pageshow", (event) => event.persisted && form.reset()); // what was chosen later is not of this address
toggle.addEventListener("click", () => {
  const open = filters.classList.toggle("open");
  toggle.setAttribute("aria-expanded", String(open));
});

cutAtWords(document.querySelectorAll(".card .text"));
const openBulk = bulk();
let at = -1;

function choose(number) {
  if (!cards.length) return;
  cards[at]?.classList.remove("chosen");
  at = Math.max(0, Math.min(number, cards.length - 1));
  cards[at].classList.add("chosen");
  const link = cards[at].querySelector("h2 a");
  link.focus({ preventScroll: true });
  cards[at].scrollIntoView({ block: "nearest" });
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) location.href = link.href;
}

onKeys({
  j: repeating(() => choose(at + 1)),
  k: repeating(() => choose(at - 1)),
  n: () => follow(".pager a[rel=next]"),
  p: () => follow(".pager a[rel=prev]"),
  b: () => openBulk(),
  Enter: () => at >= 0 && (location.href = cards[at].querySelector("h2 a").href),
});
document.querySelector(".cards").addEventListener("focusin", (event) => {
  const card = event.target.closest(".card");
  const number = cards.indexOf(card);
  if (number >= 0 && number !== at) {
    cards[at]?.classList.remove("chosen");
    at = number;
    card.classList.add("chosen");
  }
});
const came = location.hash ? cards.findIndex((card) => card.dataset.key === decodeURIComponent(location.hash.slice(1))) : -1;
if (came >= 0) choose(came);

// What was searched for is marked in the texts, without a change to the page.
// Accents do not matter, as in the search.
const bare = (text) => Array.from({ length: text.length }, (_, n) => text[n].normalize("NFD")[0]).join("").toLowerCase();
const typed = bare(document.getElementById("search").defaultValue);
const words = typed.match(/[\p{L}\p{N}]+\*?/gu) || [];
if (words.length && window.Highlight && CSS.highlights) {
  const found = new Highlight();
  for (const text of document.querySelectorAll(".card .text")) {
    const node = text.firstChild;
    const plain = node ? bare(node.data) : "";
    if (!node || plain.length !== node.data.length) continue;
    for (const asked of words) {
      const word = asked.replace("*", "");
      for (let from = plain.indexOf(word); from >= 0; from = plain.indexOf(word, from + word.length)) {
        if (from > 0 && /[\p{L}\p{N}]/u.test(plain[from - 1])) continue;
        if (word === asked && /[\p{L}\p{N}]/u.test(plain[from + word.length] || "")) continue;
        const range = new Range();
        range.setStart(node, from);
        range.setEnd(node, from + word.length);
        found.add(range);
      }
    }
  }
  CSS.highlights.set("found", found);
}
