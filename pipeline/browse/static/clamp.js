// Texts that are cut after some lines end at a word, not inside one.

const whole = new WeakMap(); // element: its whole text

function fits(element) {
  return element.scrollHeight <= element.clientHeight + 1;
}

function cut(element) {
  if (!whole.has(element)) whole.set(element, element.textContent);
  const text = whole.get(element);
  if (element.textContent !== text) element.textContent = text;
  if (fits(element)) return;
  const words = text.split(" ");
  let [low, high] = [1, words.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    element.textContent = `${words.slice(0, middle).join(" ")} …`;
    if (fits(element)) low = middle;
    else high = middle - 1;
  }
  element.textContent = `${words.slice(0, low).join(" ").replace(/\s*…$/u, "")} …`;
}

/** Cut these elements now, and again when the window changes. */
export function cutAtWords(elements) {
  const all = [...elements].filter((one) => one.childElementCount === 0);
  const now = () => all.forEach(cut);
  now();
  let width = innerWidth;
  addEventListener("resize", () => innerWidth !== width && ((width = innerWidth), now()));
}
