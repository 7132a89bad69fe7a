// What makes the page handier and is not needed to read it: links that unfold, copying, all SQL at once, where one is.
"use strict";
(() => {
  const narrow = matchMedia("(max-width: 60rem)");

  // What a link leads to must not be folded away.
  function unfold(hash) {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(hash.slice(1))); } catch { /* no address of ours */ }
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  }
  addEventListener("hashchange", () => unfold(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) unfold(link.hash); // no hashchange
    if (link && narrow.matches && sections.contains(link)) sections.open = false;
  });

  const sections = document.querySelector("nav details");
  if (narrow.matches) sections.open = false;
  narrow.addEventListener("change", () => { sections.open = !narrow.matches; });

  // The section that is read: the last that begins in the upper part of the window, or the last of all at the end of the page.
  const links = [...sections.querySelectorAll("a")], parts = links.map((link) => document.getElementById(link.hash.slice(1)));
  let waiting = false;
  function here() {
    waiting = false;
    const isEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const begun = parts.filter((part) => part.getBoundingClientRect().top < innerHeight * 0.3).length;
    const at = isEnd && scrollY > 0 ? parts.length - 1 : Math.max(begun - 1, 0);
    links.forEach((link, n) => { if (n === at) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current"); });
  }
  function later() { if (!waiting) requestAnimationFrame(here); waiting = true; }
  addEventListener("scroll", later, { passive: true });
  addEventListener("resize", later);
  here();

  document.querySelectorAll(".copy").forEach((button) => {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = code.dataset.exact || code.textContent;
      let copied = true;
      try { await navigator.clipboard.writeText(text); } catch { copied = copiedFrom(text); }
      button.textContent = copied ? "Copied" : "Not copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  });

  // For pages opened from a file, where some browsers have no clipboard.
  function copiedFrom(text) {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }

  const all = document.getElementById("all-sql"), queries = document.querySelectorAll(".sql");
  all.hidden = queries.length === 0;
  all.addEventListener("click", () => {
    const shown = all.getAttribute("aria-pressed") !== "true";
    queries.forEach((query) => { query.open = shown; });
    all.setAttribute("aria-pressed", String(shown));
    all.textContent = shown ? "Hide all SQL" : "Show all SQL";
  });

  // Paper cannot be unfolded: what explains (not SQL, not the numbers of charts) is opened for it, and closed again after.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details[data-print]:not([open])")];
    opened.forEach((node) => { node.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach((node) => { node.open = false; }); opened = []; });

  // Tables can be scrolled by keyboard; those that need not be are no stop on the way.
  const tables = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((node) => tables.observe(node));
  if (location.hash) unfold(location.hash);
})();
