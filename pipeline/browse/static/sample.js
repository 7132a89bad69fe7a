// A sample: its player, the decisions on it, and what resembles it.

import { cutAtWords } from "./clamp.js";
import { onKeys, repeating } from "./keys.js";
import { marking, settled } from "./marks.js";
import { Player } from "./player.js";
import { say } from "./site.js";
import { source } from "./source.js";

const root = document.getElementById("player");
const sentences = document.getElementById("sentences");
const player = new Player(root, JSON.parse(root.dataset.clip), sentences);

const sound = source(player);
sentences.addEventListener("click", (event) => {
  const still = event.target.closest(".still");
  const item = event.target.closest("li");
  if (still) player.toFrame(Number(still.dataset.frame));
  else if (event.target.closest(".say")) {
    player.toSentence(Number(item.dataset.sentence));
    sound?.seek(player.time);
  }
});

function go(id) {
  const link = document.getElementById(id);
  if (link) settled().then(() => (location.href = link.href));
  else say(id === "after" ? "This is the last one" : "This is the first one");
}

cutAtWords(document.querySelectorAll(".moment p"));
marking(() => go("after"));
onKeys({
  " ": () => player.toggle(),
  ArrowLeft: repeating(() => player.step(-1)),
  ArrowRight: repeating(() => player.step(1)),
  ArrowUp: repeating(() => player.stepSentence(-1)),
  ArrowDown: repeating(() => player.stepSentence(1)),
  v: () => (sound ? sound.toggle() : say("The source is not at hand: longtake browse --config")),
  "[": () => player.faster(-1),
  "]": () => player.faster(1),
  n: () => go("after"),
  p: () => go("before"),
});

const found = document.getElementById("similar-found");
for (const link of document.querySelectorAll(".similar-by")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    found.textContent = "Looking …";
    const answer = await fetch(link.dataset.part);
    if (answer.ok) found.innerHTML = await answer.text(); // of our own template, which escapes
    else found.textContent = "That did not work. Load the page again.";
  });
}
