// Brings the book's pages to life with files beside them: draws figures from inline JSON with the
// vendored plotly (lazily), lets a reader choose which runs they show, hosts explorers (anywidget
// modules) with a small in-page model, chooses and sorts claims of the score.
// `python -m varma2023.publish` puts theme.json in place of the marker below.
(() => {
  const THEME = /*THEME*/ null;
  const base = new URL("./", document.currentScript.src);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const json = (div) => JSON.parse(div.querySelector(":scope > script").textContent);
  const dark = () => document.documentElement.dataset.theme === "dark";

  // ---- colours: named ones have a dark form, any other is lightened until it shows on dark paper
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const luminance = (c) => c.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const named = Object.fromEntries(Object.entries(THEME.colours)
    .map(([name, hex]) => [String(rgb(hex)), rgb(THEME.dark_colours[name])]));
  const onDark = (c) => {
    if (named[String(c)]) return named[String(c)];
    const paper = luminance(rgb(THEME.dark.paper)) + 0.05;
    for (let mix = 0; mix < 1; mix += 0.1) {
      const lighter = c.map((v) => Math.round(v + (255 - v) * mix));
      if ((luminance(lighter) + 0.05) / paper >= 3) return lighter;
    }
    return c;
  };
  const recolour = (text) => {
    if (/^#[0-9a-f]{6}$/i.test(text)) return `rgb(${onDark(rgb(text)).join(",")})`;
    const m = /^rgba?\((\d+), *(\d+), *(\d+)(?:, *([\d.]+))?\)$/.exec(text);
    const alpha = m?.[4] >= 0.3 ? Math.min(1, 2 * m[4]) : m?.[4] ?? 1; // pale lines need more on dark paper
    return m ? `rgba(${onDark(m.slice(1, 4).map(Number)).join(",")},${alpha})` : text;
  };
  const walk = (node) => {
    if (typeof node === "string") return recolour(node);
    if (Array.isArray(node)) return node.map(walk);
    if (!node || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, k === "colorscale" ? v : walk(v)]));
  };

  const template = () => {
    const layout = structuredClone(THEME.layout), tone = dark() ? THEME.dark : THEME.light;
    Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    layout.font.color = tone.text;
    layout.hoverlabel.bgcolor = tone.hover;
    layout.legend.bgcolor = "rgba(0,0,0,0)";
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: tone.axis, activecolor: tone.text };
    if (dark()) layout.colorway = layout.colorway.map(recolour);
    for (const axis of [layout.xaxis, layout.yaxis])
      Object.assign(axis, { gridcolor: tone.grid, linecolor: tone.axis, tickcolor: tone.axis });
    return { layout };
  };

  // ---- which runs a figure shows: for each key of its traces' `meta` with several values, a box a value
  const KEYS = { seed: "seed", weight_decay: "weight decay", dataset_size: "dataset size", eps: "ε",
    lr: "learning rate", mirrors: "mirror images", p: "modulus" };
  const meta = (trace) => (trace.meta && typeof trace.meta === "object" ? trace.meta : {});
  const metaKeys = (data) => {
    const all = new Set(data.flatMap((trace) => Object.keys(meta(trace))));
    return [...new Set([...Object.keys(KEYS).filter((key) => all.has(key)), ...all])];
  };
  const metaValues = (data, key) => [...new Set(data.map((trace) => meta(trace)[key]))]
    .filter((value) => value != null)
    .sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(b)));
  const isHidden = (trace, off) => Object.entries(off).some(([key, values]) => values.has(meta(trace)[key]));
  const selected = (data, off = {}) => {
    const out = data.map((trace) => (isHidden(trace, off) ? { ...trace, visible: false } : trace));
    data.forEach((trace, i) => { // a hidden trace's legend entry passes to one of its group that shows
      if (out[i] === trace || trace.showlegend === false || !trace.legendgroup) return;
      const entry = out.findIndex((t) => t.legendgroup === trace.legendgroup && t.visible !== false);
      if (entry >= 0 && out[entry].showlegend === false)
        out[entry] = { ...out[entry], name: trace.name, showlegend: true };
    });
    return out;
  };
  const element = (parent, tag, text = "") => {
    const child = parent.appendChild(document.createElement(tag));
    child.textContent = text;
    return child;
  };
  const choosing = (div) => {
    const { data } = json(div);
    const keys = metaKeys(data).filter((key) => metaValues(data, key).length > 1);
    if (!keys.length) return;
    const off = Object.fromEntries(keys.map((key) => [key, new Set()]));
    div.off = off; // the values whose traces are hidden, by key
    const name = (key) => KEYS[key] ?? key.replaceAll("_", " ");
    const details = document.createElement("details");
    details.className = "gk-runs";
    element(details, "summary", `Choose runs by ${keys.map(name).join(", ")}`);
    const chosen = data.filter((trace) => keys.some((key) => meta(trace)[key] != null));
    const update = () => {
      const left = chosen.filter((trace) => !isHidden(trace, off)).length;
      const same = left < chosen.length && chosen.length < data.length;
      count.textContent = `${left} of ${chosen.length} curves shown${same ? "; lines over all runs stay" : ""}`;
      if (div.dataset.drawn) redraw(div);
    };
    for (const key of keys) group(details, name(key), metaValues(data, key), off[key], update);
    const count = element(details, "output");
    div.closest(".gk-figure").querySelector(".gk-links").before(details);
    update();
  };
  const number = (value) => (Math.abs(value) < 1e-3 && value ? value.toExponential()
    : (+value.toPrecision(6)).toLocaleString("en-GB", { maximumSignificantDigits: 6 }));
  const group = (details, name, values, off, update) => {
    const field = element(details, "fieldset");
    element(field, "legend", name);
    const boxes = values.map((value) => {
      const label = element(field, "label"), box = element(label, "input");
      Object.assign(box, { type: "checkbox", checked: true });
      label.append(` ${typeof value === "number" ? number(value) : value}`);
      box.addEventListener("change", () => { off[box.checked ? "delete" : "add"](value); say(); update(); });
      return box;
    });
    const every = element(field, "button");
    const say = () => {
      every.textContent = off.size < values.length ? "none" : "all";
      every.setAttribute("aria-label", `${every.textContent}: ${name}`);
    };
    every.type = "button";
    every.addEventListener("click", () => {
      const on = off.size === values.length;
      boxes.forEach((box) => { box.checked = on; });
      values.forEach((value) => off[on ? "delete" : "add"](value));
      say();
      update();
    });
    say();
  };

  const themed = (div) => {
    let { data, layout } = fitted(div);
    data = selected(data, div.off);
    if (dark()) [data, layout] = [walk(data), walk(layout)];
    return { data, layout: { ...layout, template: template(), uirevision: "kept" } };
  };

  // ---- fonts come first, since text is measured once; without them the next best is measured
  let fonts;
  const fontsTried = () => (fonts ||= Promise.race([
    Promise.allSettled([400, 700].map((w) => document.fonts.load(`${w} 1em ${THEME.layout.font.family}`))),
    new Promise((late) => setTimeout(late, 3500)), // by then font-display has given them up
  ]));

  // ---- figures
  let loading;
  const plotly = () => (loading ||= window.Plotly ? Promise.resolve(window.Plotly) : new Promise((ok, bad) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", base);
    script.onload = () => ok(window.Plotly);
    script.onerror = () => bad(new Error("plotly.min.js did not load"));
    document.head.append(script);
  }));
  const config = { displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  // The picture is the lowest SVG: the whole holds the tools, which are buttons, and no picture has those.
  const describe = (host, text) => all(".main-svg", host).forEach((svg, i) => {
    if (i) return svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", text);
  });
  // A figure is as wide as its box, also where no window was resized: a scrollbar came, a sidebar went.
  // It is then drawn anew: plotly's own way takes thrice as long, and leaves the legend where it was.
  const draw = async (div) => {
    const Plotly = await plotly();
    const host = element(div, "div"), text = div.getAttribute("aria-label");
    host.className = "gk-plot";
    const drawn = async () => {
      const { data, layout } = themed(div);
      await Plotly.newPlot(host, data, layout, config);
      host.on("plotly_afterplot", () => describe(host, text));
      describe(host, text);
    };
    await drawn();
    div.removeAttribute("role");
    div.removeAttribute("aria-label");
    let soon;
    new ResizeObserver(() => {
      clearTimeout(soon);
      if (host.clientWidth && Math.abs(host.clientWidth - host._fullLayout.width) >= 1) soon = setTimeout(drawn, 100);
    }).observe(host);
    div.dataset.drawn = "1";
  };
  const redraw = (div) => {
    const { data, layout } = themed(div);
    return window.Plotly.react(div.querySelector(".gk-plot"), data, layout, config);
  };
  // On a narrow page a figure has the second layout that it brings: panels under each other.
  const fitted = (div) => {
    const { data, layout, narrow } = json(div), small = narrow && div.clientWidth < 600;
    const both = ([key, v]) => [key, v && typeof v === "object" && !Array.isArray(v) ? { ...layout[key], ...v } : v];
    const chosen = small ? { ...layout, ...Object.fromEntries(Object.entries(narrow).map(both)) } : layout;
    div.style.height = `${chosen.height ?? THEME.layout.height}px`;
    return { data, layout: chosen };
  };

  // ---- explorers: the module sees the same model as in JupyterLab
  const island = async (div) => {
    const { esm, css, state } = json(div);
    if (css) document.head.appendChild(document.createElement("style")).textContent = css;
    const listeners = {};
    const model = {
      get: (key) => state[key],
      set: (key, value) => { state[key] = value; (listeners[`change:${key}`] || []).forEach((f) => f()); },
      on: (event, f) => { (listeners[event] ||= []).push(f); },
      save_changes: () => {},
    };
    const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
    const module = (await import(url)).default;
    URL.revokeObjectURL(url);
    const el = div.appendChild(document.createElement("div"));
    await module.render({ model, el });
    div.dataset.drawn = "1";
  };

  const printed = /[?&]print\b/.test(location.search); // all at once: for printing, tests
  // ---- the score: its claims chosen by verdict and badge, its table sorted by a column
  const choosable = (box) => {
    const items = all("[data-verdict]", box), verdicts = box.dataset.verdicts.split("|"), off = {};
    const values = (item, facet) => item.dataset[facet].split("|");
    const order = (a, b) => verdicts.indexOf(a) - verdicts.indexOf(b) || a.localeCompare(b, "en", { numeric: true });
    const bar = document.createElement("div");
    bar.className = "gk-runs";
    box.prepend(bar);
    const update = () => {
      items.forEach((item) => {
        item.hidden = Object.keys(off).some((facet) => values(item, facet).every((value) => off[facet].has(value)));
      });
      const open = printed || Object.values(off).some((values) => values.size);
      all(".gk-card details", box).forEach((folded) => { folded.open = open; });
      all(".gk-card", box).forEach((card) => { card.hidden = !card.querySelector("[data-verdict]:not([hidden])"); });
      count.textContent = `${items.filter((item) => !item.hidden).length} of ${items.length} claims shown`;
    };
    for (const facet of ["verdict", "method", "modulus"].filter((name) => name in items[0].dataset)) {
      const found = [...new Set(items.flatMap((item) => values(item, facet)))].sort(order);
      group(bar, facet, found, off[facet] = new Set(), update);
    }
    const count = element(bar, "output");
    update();
  };
  const sortable = (table) => {
    const heads = all("thead th", table), body = table.tBodies[0];
    const key = (row, i) => row.cells[i].dataset.key ?? row.cells[i].textContent.trim();
    heads.forEach((head, i) => {
      const name = head.textContent;
      head.textContent = "";
      const button = element(head, "button", name);
      button.type = "button";
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].sort((a, b) => (up ? 1 : -1)
          * key(a, i).localeCompare(key(b, i), "en", { numeric: true }));
        body.append(...rows);
      });
    });
  };

  const fail = (div, error) => { div.dataset.failed = "1"; console.error(error); };
  const start = (div) => {
    if (div.dataset.begun) return;
    div.dataset.begun = "1";
    const figure = div.classList.contains("gk-plotly");
    Promise.all([fontsTried(), figure && plotly()]).then(() => (figure ? draw : island)(div))
      .catch((e) => fail(div, e));
  };

  // ---- search results quote pages as text: of a formula what one sees, without its source and the buttons
  if (typeof Search !== "undefined") {
    const text = Search.htmlToText;
    Search.htmlToText = (html, ...rest) => {
      const page = new DOMParser().parseFromString(html, "text/html");
      page.querySelectorAll(".katex-mathml, .bd-header-article").forEach((e) => e.remove());
      return text(page.documentElement.outerHTML, ...rest).trim();
    };
  }

  // ---- what is wider than its box can be scrolled by keyboard, and shows that it goes on
  const watch = (box) => {
    const look = () => {
      const wide = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("gk-wide", wide);
      box.classList.toggle("gk-more", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
      wide ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
    };
    box.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(look).observe(box);
    document.fonts.addEventListener("loadingdone", look);
  };

  document.addEventListener("DOMContentLoaded", () => {
    all(".gk-scroll, .gk-display, .bd-article table, .bd-article .highlight pre, .bd-article div[tabindex='0']").forEach(watch);
    const lazy = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((e) => {
      lazy.unobserve(e.target);
      start(e.target);
    }), { rootMargin: "600px" });
    all(".gk-plotly").forEach(choosing);
    const divs = all(".gk-plotly, .gk-island");
    divs.forEach((div) => (printed ? start(div) : lazy.observe(div)));
    all(".gk-filtered").forEach(choosable);
    all("table.gk-score").forEach(sortable);
    new MutationObserver(() => all(".gk-plotly[data-drawn]").forEach(redraw)).observe(document.documentElement,
      { attributes: true, attributeFilter: ["data-theme"] });
    let mode; // paper is white: a dark page is printed light, and figures that still wait are drawn
    addEventListener("beforeprint", () => {
      mode = document.documentElement.dataset.theme;
      if (dark()) document.documentElement.dataset.theme = "light";
      divs.forEach(start);
      all(".gk-card details").forEach((folded) => { folded.open = true; });
    });
    addEventListener("afterprint", () => { if (mode === "dark") document.documentElement.dataset.theme = mode; });
  });
})();
