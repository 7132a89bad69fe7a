// Draws the charts of the page from the JSON in #charts. Everything drawn here is on the page as a table as well.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"]; // Okabe and Ito
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const drawn = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const count = (n) => n.toLocaleString("en-US");
  const short = (n) => Math.abs(n) >= 1e6 ? `${+(n / 1e6).toPrecision(3)}M` : Math.abs(n) >= 1e4 ? `${+(n / 1e3).toPrecision(3)}k` : count(+n.toPrecision(4));
  const escaped = (text) => { const node = document.createElement("i"); node.textContent = text; return node.innerHTML; };

  function common() {
    const ink = colour("--ink"), faint = colour("--faint"), rule = colour("--rule");
    const axis = { axisLine: { lineStyle: { color: faint } }, axisLabel: { color: faint, hideOverlap: true }, splitLine: { lineStyle: { color: rule } }, nameTextStyle: { color: faint } };
    return { ink, faint, rule, axis, base: { animation: false, color: palette, backgroundColor: "transparent", textStyle: { color: ink, fontFamily: "inherit" },
      tooltip: { backgroundColor: colour("--panel"), borderColor: rule, textStyle: { color: ink }, confine: true } } };
  }

  function ceiling(n) { const power = 10 ** Math.floor(Math.log10(n)), step = [1, 2, 2.5, 5, 10].find((s) => s * power >= n); return Math.max(step * power, 2); }

  function legend(names, ink) { return names.length > 1 ? { top: 0, textStyle: { color: ink }, data: names } : { show: false }; }

  function markLine(marks, axisName) {
    return { silent: true, symbol: "none", data: marks.map((mark, n) => ({ xAxis: mark.value, name: mark.label,
      lineStyle: { color: colour(mark.kind === "threshold" ? "--fail" : "--drop"), type: mark.kind === "threshold" ? "solid" : "dashed", width: 2 },
      label: { formatter: mark.label.replace(/^[a-z]+\./, ""), color: colour("--ink"), fontSize: 11, position: "end", rotate: 0, distance: [0, 2 + 13 * (n % 3)],
        align: axisName(mark.value) } })) };
  }

  function histogram(spec) {
    const c = common(), middle = (spec.low + spec.high) / 2;
    const series = spec.series.map((one) => ({ name: one.name, type: "custom", clip: true, encode: { x: [0, 1], y: 2 },
      data: one.values.map((n, at) => [spec.edges[at], spec.edges[at + 1], n]) }));
    const below = new Array(spec.edges.length - 1).fill(0);
    series.forEach((one, which) => {
      const start = below.slice();
      spec.series[which].values.forEach((n, at) => { below[at] += n; });
      one.renderItem = (params, api) => {
        const at = params.dataIndex, from = api.coord([api.value(0), start[at]]), to = api.coord([api.value(1), start[at] + api.value(2)]);
        const box = echarts.graphic.clipRectByRect({ x: from[0], y: to[1], width: Math.max(to[0] - from[0] - 1, 1), height: from[1] - to[1] },
          { x: params.coordSys.x, y: params.coordSys.y, width: params.coordSys.width, height: params.coordSys.height });
        return box && { type: "rect", shape: box, style: { fill: palette[which % palette.length] } };
      };
      one.tooltip = { formatter: (p) => `${escaped(p.seriesName)}<br>${short(p.value[0])} to ${short(p.value[1])} ${escaped(spec.unit)}: <b>${count(p.value[2])}</b>` };
    });
    series.push({ type: "line", data: [], markLine: markLine(spec.marks, (x) => (x > middle ? "right" : "left")) });
    return { ...c.base, legend: legend(spec.series.map((s) => s.name), c.ink), tooltip: { ...c.base.tooltip, trigger: "item" },
      grid: { left: 8, right: 20, top: spec.marks.length ? 20 + 13 * Math.min(spec.marks.length, 3) + (spec.series.length > 1 ? 18 : 0) : spec.series.length > 1 ? 32 : 14, bottom: 8, containLabel: true },
      xAxis: { ...c.axis, type: "value", min: spec.low, max: spec.high, splitLine: { show: false }, axisLabel: { ...c.axis.axisLabel, formatter: short } },
      yAxis: { ...c.axis, type: "value", minInterval: 1, max: ceiling(Math.max(...below, 1)), axisLabel: { ...c.axis.axisLabel, formatter: short } }, series };
  }

  function categories(spec, wide) {
    const c = common(), share = spec.y === "share";
    return { ...c.base, legend: legend(spec.series.map((s) => s.name), c.ink), tooltip: { ...c.base.tooltip, trigger: "axis", axisPointer: { type: "shadow" },
      formatter: (all) => escaped(all[0].name) + all.map((p) => `<br>${escaped(p.seriesName)}: <b>${share ? (p.value * 100).toFixed(1) + " %" : count(p.value)}</b>`).join("") },
      grid: { left: 8, right: 24, top: spec.series.length > 1 ? 32 : 8, bottom: 8, containLabel: true },
      xAxis: { ...c.axis, type: "value", axisLabel: { ...c.axis.axisLabel, formatter: (n) => share ? `${Math.round(n * 100)} %` : short(n) } },
      yAxis: { ...c.axis, type: "category", inverse: true, data: spec.labels, splitLine: { show: false }, axisLabel: { color: c.ink, width: wide ? 160 : 100, overflow: "truncate" } },
      series: spec.series.map((one) => ({ name: one.name, type: "bar", stack: share ? undefined : "all", barMaxWidth: 22, data: one.values })) };
  }

  function lines(spec) {
    const c = common();
    return { ...c.base, legend: legend(spec.series.map((s) => s.name), c.ink), tooltip: { ...c.base.tooltip, trigger: "axis", valueFormatter: (n) => n.toPrecision(3) },
      grid: { left: 8, right: 20, top: 32, bottom: 8, containLabel: true },
      xAxis: { ...c.axis, type: "value", min: spec.low, max: spec.high, splitLine: { show: false }, axisLabel: { ...c.axis.axisLabel, formatter: short } },
      yAxis: { ...c.axis, type: "value", axisLabel: { show: false } },
      series: spec.series.map((one, n) => ({ name: one.name, type: "line", step: "end", symbol: "none", lineStyle: { width: 2, type: n ? "dashed" : "solid" }, areaStyle: { opacity: 0.12 }, data: one.points })) };
  }

  function flow(spec) {
    const c = common(), keep = colour("--keep"), drop = colour("--drop"), byId = new Map(spec.nodes.map((n) => [n.id, n]));
    return { ...c.base, tooltip: { ...c.base.tooltip, trigger: "item", formatter: (p) => p.dataType === "edge"
      ? `${escaped(byId.get(p.data.source).label)} → ${escaped(byId.get(p.data.target).label)}: <b>${count(p.data.value)}</b>`
      : `${escaped(byId.get(p.name).label)}: <b>${count(byId.get(p.name).count)}</b>` },
      series: [{ type: "sankey", left: 8, right: 150, top: 10, bottom: 10, nodeWidth: 14, nodeGap: 12, nodeAlign: "left", draggable: false, emphasis: { focus: "adjacency" },
        label: { color: c.ink, fontSize: 12, formatter: (p) => `${byId.get(p.name).label}  ${count(byId.get(p.name).count)}` },
        lineStyle: { color: "target", opacity: 0.3, curveness: 0.5 },
        data: spec.nodes.map((n) => ({ name: n.id, itemStyle: { color: n.drop ? drop : keep }, cursor: n.href ? "pointer" : "default" })), links: spec.links }] };
  }

  const kinds = { histogram, categories, lines, flow };

  function draw(node) {
    const spec = data[node.dataset.chart];
    if (!spec || !node.clientWidth) return;
    if (spec.kind === "categories") node.style.height = `${Math.max(120, 46 + spec.labels.length * 26)}px`;
    if (spec.kind === "flow") node.style.height = `${Math.max(170, 60 + spec.nodes.filter((n) => n.drop).length * 26)}px`;
    let chart = drawn.get(node);
    if (!chart) {
      node.textContent = "";
      chart = echarts.init(node, null, { renderer: "svg" });
      drawn.set(node, chart);
      if (spec.kind === "flow") chart.on("click", (p) => { const n = spec.nodes.find((one) => one.id === p.name); if (n && n.href) location.hash = n.href; });
    }
    chart.resize();
    chart.setOption(kinds[spec.kind](spec, node.clientWidth > 520), true);
  }

  const nodes = [...document.querySelectorAll("[data-chart]")];
  const all = () => nodes.forEach(draw);
  nodes.forEach((node) => { node.textContent = "\u00a0"; });  // no longer :empty, which hides it where there is no script

  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => { if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target); }), { rootMargin: "600px" });
  nodes.forEach((node) => seen.observe(node));
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => drawn.forEach((_, node) => draw(node)), 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((_, node) => draw(node)));
  addEventListener("beforeprint", all);
  matchMedia("print").addEventListener("change", all);
  addEventListener("afterprint", all);

  // What is linked to must not be folded away.
  function unfold() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target && target.parentElement; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView({ behavior: still ? "auto" : "smooth" });
  }
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();

  document.querySelectorAll(".copy").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("code").textContent;
      try { await navigator.clipboard.writeText(text); } catch {
        const range = document.createRange();
        range.selectNodeContents(button.parentElement.querySelector("code"));
        getSelection().removeAllRanges(); getSelection().addRange(range);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  });
  const folded = document.querySelector("nav details");
  if (matchMedia("(max-width: 60rem)").matches) folded.open = false;
})();
