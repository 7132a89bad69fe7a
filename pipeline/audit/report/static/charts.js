// Draws the charts of the page from the JSON in #charts. Everything drawn here is on the page as a table as well.
"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const nodes = [...document.querySelectorAll("[data-chart]")].filter((node) => specs[node.dataset.chart]);
  const drawn = new Map(); // node -> its chart
  const PAPER = { whole: 680, half: 330 }; // px: what fits on A4 and Letter
  const ROW = 14; // px: a line of labels
  let printing = false;

  const count = (n) => n.toLocaleString("en-US");
  const percent = (share) => share > 0 && share < 0.001 ? "<0.1 %" : `${+(share * 100).toPrecision(3)} %`;
  function short(n) {
    if (Math.abs(n) >= 1e6) return `${+(n / 1e6).toPrecision(3)}M`;
    if (Math.abs(n) >= 1e4) return `${+(n / 1e3).toPrecision(3)}k`;
    return count(+n.toPrecision(4));
  }

  // The colours of the style sheet, which knows of dark and of paper.
  function theme() {
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ["ink", "quiet", "rule", "panel", "fail", "keep", "drop", "s6"];
    return { ...Object.fromEntries(names.map((name) => [name, colour(name)])), series: [1, 2, 3, 4, 5, 6].map((n) => colour(`s${n}`)) };
  }

  // A tooltip of nodes, not of HTML: names in it are a stranger's.
  function tip(title, rows) {
    const whole = document.createElement("div"), head = document.createElement("div");
    head.textContent = title;
    whole.append(head);
    for (const [name, value] of rows) {
      const row = document.createElement("div"), bold = document.createElement("b");
      bold.textContent = value;
      row.append(name ? `${name}: ` : "", bold);
      whole.append(row);
    }
    whole.style.cssText = "max-width:20rem;white-space:normal;overflow-wrap:anywhere";
    return whole;
  }

  const axis = (c) => ({
    axisLine: { show: true, lineStyle: { color: c.quiet } }, axisTick: { lineStyle: { color: c.quiet } },
    axisLabel: { color: c.quiet, hideOverlap: true, fontSize: 11 }, splitLine: { lineStyle: { color: c.rule } },
  });
  const whole = (c) => ({
    animation: false, color: c.series, backgroundColor: "transparent", textStyle: { color: c.ink, fontFamily: "system-ui, sans-serif" },
    tooltip: { trigger: "item", confine: true, backgroundColor: c.panel, borderColor: c.rule, textStyle: { color: c.ink, fontSize: 12 } },
  });
  const legend = (c, series, width) => series.length < 2 ? { show: false }
    : { top: 0, left: 0, selectedMode: false, icon: "rect", itemWidth: 14, itemHeight: 9, textStyle: { color: c.ink, width: Math.min(170, width / series.length - 36), overflow: "truncate" }, data: series.map((s) => ({ name: s.name })) };

  // Upright lines with their labels above the chart, each on a row of its own.
  function markLine(c, spec, top, width) {
    return {
      silent: true, symbol: "none", animation: false,
      data: spec.marks.map((mark, n) => {
        const isThreshold = mark.kind === "threshold", place = (mark.value - spec.low) / (spec.high - spec.low || 1);
        return {
          xAxis: mark.value, lineStyle: { color: isThreshold ? c.fail : c.s6, type: isThreshold ? "solid" : "dashed", width: 2 },
          label: {
            formatter: () => mark.label.replace(/^[a-z]+\./, ""), color: c.ink, fontSize: 11, rotate: 0, position: "end",
            distance: [0, 8 + ROW * (spec.marks.length - 1 - n)], align: place > 0.5 ? "right" : "left", width: width * 0.55, overflow: "truncate",
          },
        };
      }),
    };
  }

  // Rows above a chart: names of the series, then the labels of the marks.
  const above = (spec) => (spec.series.length > 1 ? 26 : 8) + (spec.marks.length ? 6 : 0) + ROW * spec.marks.length;
  function valueAxes(c, spec, y) {
    return {
      grid: { left: 4, right: 18, top: above(spec), bottom: spec.unit ? 20 : 4, containLabel: true },
      xAxis: {
        ...axis(c), type: "value", min: spec.low, max: spec.high, splitLine: { show: false }, name: spec.unit, nameLocation: "middle",
        nameGap: 24, nameTextStyle: { color: c.quiet, fontSize: 11 }, axisLabel: { ...axis(c).axisLabel, formatter: short, showMinLabel: spec.ends.includes(spec.low), showMaxLabel: spec.ends.includes(spec.high) },
      },
      yAxis: { ...axis(c), type: "value", min: 0, ...y },
    };
  }

  function histogram(spec, width) {
    const c = theme(), several = spec.series.length > 1, bins = spec.edges.length - 1;
    const height = (one, n) => several ? n / Math.max(one.total, 1) : n;
    const highest = Math.max(...spec.series.flatMap((one) => one.values.map((n) => height(one, n))), several ? 0.01 : 1);
    const bars = {
      name: spec.series[0].name, type: "custom", encode: { x: [0, 1], y: 2 }, itemStyle: { color: c.series[0] }, silent: true,
      data: spec.series[0].values.map((n, at) => [spec.edges[at], spec.edges[at + 1], height(spec.series[0], n)]),
      renderItem: (_, api) => {
        const from = api.coord([api.value(0), api.value(2)]), to = api.coord([api.value(1), 0]);
        const gap = to[0] - from[0] > 4 ? 1 : 0;
        return { type: "rect", shape: { x: from[0], y: from[1], width: Math.max(to[0] - from[0] - gap, 1), height: to[1] - from[1] }, style: { fill: c.series[0], opacity: several ? 0.55 : 1 } };
      },
    };
    const outlines = spec.series.slice(1).map((one, n) => ({
      name: one.name, type: "line", step: "end", symbol: "none", silent: true, lineStyle: { width: 2, color: c.series[(n + 1) % 6], type: ["solid", "dashed", "dotted"][n % 3] },
      itemStyle: { color: c.series[(n + 1) % 6] },
      data: [[spec.edges[0], 0], ...spec.edges.map((edge, at) => [edge, at < bins ? height(one, one.values[at]) : 0])],
    }));
    const pointed = { // columns that nobody sees, to point at
      type: "custom", encode: { x: [0, 1], y: 2 }, data: spec.labels.map((_, at) => [spec.edges[at], spec.edges[at + 1], highest]),
      renderItem: (params, api) => {
        const from = api.coord([api.value(0), 0])[0], to = api.coord([api.value(1), 0])[0], area = params.coordSys;
        return { type: "rect", shape: { x: from, y: area.y, width: to - from, height: area.height }, style: { fill: "transparent" }, emphasis: { style: { fill: c.quiet, opacity: 0.15 } } };
      },
      tooltip: { formatter: (p) => tip(`${spec.labels[p.dataIndex]} ${spec.unit}`, spec.series.map((one) => [
        one.name, several ? `${count(one.values[p.dataIndex])} (${percent(height(one, one.values[p.dataIndex]))})` : count(one.values[p.dataIndex])])) },
    };
    const marks = { type: "line", data: [], silent: true, markLine: markLine(c, spec, above(spec), width) };
    return {
      ...whole(c), legend: legend(c, spec.series, width), series: [bars, ...outlines, marks, pointed],
      ...valueAxes(c, spec, { minInterval: several ? undefined : 1, axisLabel: { ...axis(c).axisLabel, formatter: several ? percent : short } }),
    };
  }

  function lines(spec, width) {
    const c = theme();
    const series = spec.series.map((one, n) => ({
      name: one.name, type: "line", step: spec.shares ? false : "end", symbol: "none", silent: true, data: one.points, itemStyle: { color: c.series[n] },
      lineStyle: { width: 2, color: c.series[n], type: n % 2 ? "dashed" : "solid" }, areaStyle: spec.shares ? undefined : { opacity: 0.1, color: c.series[n] },
    }));
    const marks = { type: "line", data: [], silent: true, markLine: markLine(c, spec, above(spec), width) };
    return {
      ...whole(c), tooltip: { show: false }, legend: legend(c, spec.series, width), series: [...series, marks],
      ...valueAxes(c, spec, spec.shares ? { max: 1, axisLabel: { ...axis(c).axisLabel, formatter: percent } } : { axisLabel: { show: false }, axisTick: { show: false } }),
    };
  }

  function categories(spec, width) {
    const c = theme(), several = spec.series.length > 1;
    const room = Math.min(width * 0.36, 8 + 6.6 * Math.max(...spec.labels.map((text) => text.length)));
    const shown = (one, n) => several ? percent(n / Math.max(one.total, 1)) : count(n);
    return {
      ...whole(c), legend: legend(c, spec.series, width),
      tooltip: { ...whole(c).tooltip, trigger: "axis", axisPointer: { type: "shadow" }, formatter: (all) => tip(spec.labels[all[0].dataIndex],
        spec.series.map((one) => { const n = one.values[all[0].dataIndex]; return [one.name, several ? `${count(n)} (${shown(one, n)})` : count(n)]; })) },
      grid: { left: room + 8, right: 52, top: several ? 26 : 4, bottom: 22 },
      xAxis: { ...axis(c), type: "value", min: 0, minInterval: several ? undefined : 1, axisLabel: { ...axis(c).axisLabel, formatter: several ? percent : short } },
      yAxis: { ...axis(c), type: "category", inverse: true, data: spec.labels.map((_, n) => n), axisTick: { show: false }, splitLine: { show: false },
        axisLabel: { color: c.ink, fontSize: 12, width: room, overflow: "truncate", formatter: (n) => spec.labels[n], interval: 0 } },
      series: spec.series.map((one, n) => ({
        name: one.name, type: "bar", barMaxWidth: 20, barGap: "10%", itemStyle: { color: c.series[n % 6] },
        label: { show: true, position: "right", color: c.quiet, fontSize: 11, formatter: (p) => shown(one, one.values[p.dataIndex]) },
        data: one.values.map((value) => several ? value / Math.max(one.total, 1) : value),
      })),
    };
  }

  // How many links follow each other at most.
  function depth(spec) {
    const at = new Map();
    for (let n = 0, changed = true; changed && n <= spec.nodes.length; n++) {
      changed = false;
      for (const { source, target } of spec.links) {
        const found = (at.get(source) || 0) + 1;
        if (found > (at.get(target) || 0)) { at.set(target, found); changed = true; }
      }
    }
    return Math.max(0, ...at.values());
  }

  function flow(spec, width) {
    const c = theme(), byId = new Map(spec.nodes.map((node) => [node.id, node])), label = (id) => byId.get(id).label;
    const text = (node) => `${count(node.count)}  ${node.label}`; // a label may be cut, a number not
    const last = Math.min(170, width * 0.25), pitch = (width - last) / Math.max(depth(spec), 1); // room of a label: to the next column
    return {
      ...whole(c),
      tooltip: { ...whole(c).tooltip, formatter: (p) => p.dataType === "edge"
        ? tip(`${label(p.data.source)} \u2192 ${label(p.data.target)}`, [["", count(p.data.value)]])
        : tip(label(p.name), [["", count(byId.get(p.name).count)], ...(byId.get(p.name).href ? [["", "Click for examples"]] : [])]) },
      series: [{
        type: "sankey", left: 2, right: last, top: 8, bottom: 12, nodeWidth: 12, nodeGap: 16, nodeAlign: "left", draggable: false,
        layoutIterations: 0, emphasis: { focus: "adjacency" }, lineStyle: { color: "target", opacity: 0.32, curveness: 0.5 },
        label: { color: c.ink, fontSize: pitch < 150 ? 10 : 12, position: "right", formatter: (p) => text(byId.get(p.name)), width: Math.min(pitch - 24, last - 8), overflow: "truncate" },
        data: [...spec.nodes].sort((a, b) => a.drop - b.drop).map((node) => ({ // what stays is above what goes
          name: node.id, cursor: node.href ? "pointer" : "default",
          itemStyle: { color: node.drop ? c.drop : c.keep, borderColor: node.drop ? c.drop : c.keep, borderWidth: 1 },
        })),
        links: spec.links,
      }],
    };
  }

  const kinds = { histogram, categories, lines, flow };

  function height(spec) {
    if (spec.kind === "categories") return 34 + (spec.series.length > 1 ? 22 : 0) + spec.labels.length * Math.max(24, 16 * spec.series.length);
    if (spec.kind === "flow") return Math.min(560, 110 + 26 * spec.nodes.filter((node) => node.drop).length);
    return 190 + above(spec);
  }

  function draw(node) {
    const spec = specs[node.dataset.chart];
    const width = printing ? (node.closest(".cards") ? PAPER.half : PAPER.whole) : node.clientWidth;
    if (!width) return;
    try {
      if (!drawn.has(node)) {
        node.textContent = "";
        const chart = echarts.init(node, null, { renderer: "svg", width, height: height(spec) });
        drawn.set(node, chart);
        if (spec.kind === "flow") chart.on("click", (p) => {
          const found = spec.nodes.find((one) => p.dataType === "node" && one.id === p.name);
          if (found && found.href) location.hash = found.href;
        });
      }
      node.style.height = `${height(spec)}px`;
      const chart = drawn.get(node);
      chart.resize({ width, height: height(spec) });
      chart.setOption(kinds[spec.kind](spec, width), true);
      const svg = node.querySelector("svg");
      if (svg) svg.setAttribute("viewBox", `0 0 ${width} ${height(spec)}`); // paper may be narrower than thought
    } catch (error) {
      console.warn(error);
      node.textContent = "This chart cannot be drawn; the table has its numbers.";
    }
  }

  nodes.forEach((node) => { node.textContent = "\u00a0"; node.style.height = `${height(specs[node.dataset.chart])}px`; });
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting && !drawn.has(target)) draw(target);
  }, { rootMargin: "800px" });
  const widths = new Map();
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const changed = widths.get(target) !== target.clientWidth;
      widths.set(target, target.clientWidth);
      if (changed && drawn.has(target) && !printing) draw(target);
    }
  });
  nodes.forEach((node) => { near.observe(node); sizes.observe(node); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (!printing) [...drawn.keys()].forEach(draw); });

  addEventListener("beforeprint", () => {
    printing = true;
    document.documentElement.classList.add("paper");
    nodes.forEach(draw);
  });
  addEventListener("afterprint", () => {
    printing = false;
    document.documentElement.classList.remove("paper");
    nodes.forEach(draw);
  });
})();
