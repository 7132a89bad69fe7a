// Histograms: a range of bars is chosen by dragging over them, and asks for the page of that range.

const form = document.getElementById("ranges");

/** The number of the bar under a pointer. */
function barAt(svg, event, bars) {
  const box = svg.getBoundingClientRect();
  return Math.max(0, Math.min(Math.floor(((event.clientX - box.left) / box.width) * bars), bars - 1));
}

const shortest = (number) => String(Number(number.toPrecision(9)));

for (const one of form.querySelectorAll(".histogram")) {
  const svg = one.querySelector("svg");
  const edges = JSON.parse(one.dataset.edges);
  const hits = [...svg.querySelectorAll(".hit")];
  const [least, most] = one.querySelectorAll("input");
  let from = -1;

  function brush(to) {
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    for (const [number, hit] of hits.entries()) hit.classList.toggle("brushed", number >= first && number <= last);
    // The outer bars hold what lies beyond them too. Of whole numbers, the upper edge belongs to the next bar.
    least.value = first === 0 ? "" : shortest(edges[first]);
    most.value = last === hits.length - 1 ? "" : shortest(edges[last + 1] - (one.dataset.whole ? 1 : 0));
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    svg.setPointerCapture(event.pointerId);
    from = barAt(svg, event, hits.length);
    brush(from);
  });
  svg.addEventListener("pointermove", (event) => from >= 0 && brush(barAt(svg, event, hits.length)));
  svg.addEventListener("pointerup", () => {
    if (from >= 0) form.requestSubmit();
    from = -1;
  });
  svg.addEventListener("pointercancel", () => (from = -1));
}
form.addEventListener("submit", () => {
  for (const field of form.querySelectorAll(".range input")) field.disabled = !field.value; // an address holds only what was chosen
});
addEventListener("pageshow", () => {
  for (const field of form.querySelectorAll(".range input")) field.disabled = false;
});
