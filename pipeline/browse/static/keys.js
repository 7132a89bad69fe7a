// Keyboard shortcuts. A page says which keys it takes; none is taken while something is typed or a dialog is open.

const pages = [];

/** Call `actions[key](event)` for keys that are pressed; "Shift+x" and the like are left to the browser. */
export function onKeys(actions) {
  pages.push(actions);
}

function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
  if (event.key === "Escape" && isTyping(event.target)) {
    event.target.blur();
    return;
  }
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const onControl = event.target instanceof Element && event.target.closest("button, a, summary, input");
  for (const actions of pages) {
    const action = actions[event.key];
    if (!action) continue;
    if (onControl && (event.key === "Enter" || (event.key === " " && event.target.id !== "scrub"))) continue;
    if (event.repeat && !action.repeats) return event.preventDefault();
    event.preventDefault();
    action(event);
    return;
  }
});

/** Mark a function as one that a key held down calls again and again. */
export function repeating(action) {
  action.repeats = true;
  return action;
}
