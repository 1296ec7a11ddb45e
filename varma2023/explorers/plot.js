// Charts and sliders of the live explorers. Not a module of its own: varma2023.explorers puts this
// text before an explorer's, so that each explorer is one file that needs nothing else.
const SVG = "http://www.w3.org/2000/svg";
// Colours are variables: varma2023.explorers fills them from theme.json, for light and dark.
const COLOURS = Object.fromEntries(["train", "test", "gen", "mem", "norm"].map((name) => [name, `var(--gk-${name})`]));

const ACCURACIES = [{ key: "train_accuracy", name: "train accuracy", colour: COLOURS.train },
  { key: "test_accuracy", name: "test accuracy", colour: COLOURS.test, dash: "7 3" }];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function shape(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const logaddexp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

// The share of the total weight of each circuit (grokkit.theorems.optimal_shares).
function optimalShares({ P, kappa, q }) {
  const least = Math.min(...P);
  if (kappa >= q) return P.map((_, i) => (i === P.indexOf(least) ? 1 : 0));
  const power = (q * kappa) / (q - kappa);
  const raw = P.map((norm) => Math.exp(-power * (Math.log(norm) - Math.log(least))));
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((share) => share / sum);
}

// Steps of this many of p numbers go once around the circle of frequency k in the shortest way.
function stride(k, p) {
  for (let step = 1; step < p; step++) if ((step * k) % p === 1) return step;
  return 1;
}

// A button that does its work when it is pressed.
function button(text, attributes, press) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", press);
  return made;
}

// Sets these values of the model, by key.
function put(model, values) {
  for (const [key, value] of Object.entries(values)) model.set(key, value);
  model.save_changes();
}

// The model's values of these keys, by key.
const valuesOf = (model, keys) => Object.fromEntries(keys.map((key) => [key, model.get(key)]));

// The parts that every explorer has: its box, charts side by side, with a title and a host for each,
// and a line that says what is seen. The explorer puts them in order.
function layout(el, label, titles) {
  const root = element("div", { class: "gk-x", role: "group", "aria-label": label });
  el.append(root);
  const charts = element("div", { class: "gk-x-charts" });
  const hosts = titles.map((title) => {
    const host = element("div");
    charts.append(element("div", {}, element("p", { class: "gk-x-title" }, title), host));
    return host;
  });
  return { root, charts, hosts, status: element("p", { class: "gk-x-status", role: "status" }) };
}

// Writes a line that says what is seen. Read aloud is a new one, not one with other numbers only.
function tell(status, text) {
  const words = (line) => line.replace(/[\d,]+/g, "");
  status.setAttribute("aria-live", words(text) === words(status.textContent) ? "off" : "polite");
  if (text !== status.textContent) status.textContent = text;
}

// Four significant digits, without trailing zeros; thousands get a comma.
function show(value) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return (value + 0).toLocaleString("en-GB"); // not "-0"
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return value.toLocaleString("en-GB", { maximumSignificantDigits: 4 });
}

function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * unit >= rough) * unit;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const digits = decades > 3.5 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / 7));
  const ticks = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k += every) {
    for (const digit of digits) {
      const tick = Number(`${digit}e${k}`);
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

function tickText(value, log) {
  const v = Math.abs(value) < 1e-12 ? 0 : Number(value.toPrecision(10));
  if (log && v !== 0 && (v < 1e-3 || v >= 1e5)) return v.toExponential(0);
  return v.toLocaleString("en-GB", { maximumFractionDigits: 10 });
}

// A line chart in SVG at its host's own width. `draw(spec)`, where spec holds
// { label, x: {title, low, high, log}, y: {title, low, high, log}, lines: [{x, y, colour, dash, width}],
//   stems: [{x, y, colour}] from y = 0, rules: [{x, text, low}], dots: [{x, y, colour, open, text}], cursor }.
// `onCursor(x, pressed)` hears the pointer in units of the x axis.
function chart(host, height, onCursor) {
  const svg = shape("svg", { role: "img", height });
  host.append(svg);
  let spec = null;
  let frame = null; // of the last drawing: { left, right, width }

  function paint() {
    const width = Math.max(host.clientWidth, 240);
    const across = spec.x.log ? logTicks(spec.x.low, spec.x.high)
      : linearTicks(spec.x.low, spec.x.high, Math.max(3, Math.floor(width / 85)));
    const ticks = spec.y.log ? logTicks(spec.y.low, spec.y.high) : linearTicks(spec.y.low, spec.y.high, 5);
    const below = across.map((tick) => shape("text", { "text-anchor": "middle" }, tickText(tick)));
    const beside = ticks.map((tick) => shape("text", { "text-anchor": "end" }, tickText(tick, spec.y.log)));
    svg.replaceChildren(...below, ...beside); // measured, so that any font finds its room
    const widest = (labels) => Math.max(...labels.map((label) => label.getComputedTextLength()));
    const half = widest(below) / 2 + 4;
    const box = { left: Math.max(46, widest(beside) + 9, half), right: width - Math.max(24, half), top: 8,
      bottom: height - 38 };
    const scale = (axis, from, to) => {
      const f = axis.log ? Math.log10 : (v) => v;
      const [low, high] = [f(axis.low), f(axis.high)];
      return (v) => from + ((to - from) * (f(v) - low)) / (high - low);
    };
    const X = scale(spec.x, box.left, box.right);
    const Y = scale(spec.y, box.bottom, box.top);
    frame = { left: box.left, right: box.right, width };
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", spec.label);
    const parts = [];
    const line = (x1, y1, x2, y2, name, more = {}) =>
      parts.push(shape("line", { x1, y1, x2, y2, class: name, ...more }));
    const place = (label, x, y) => { label.setAttribute("x", x); label.setAttribute("y", y); };
    across.forEach((tick, i) => {
      line(X(tick), box.bottom, X(tick), box.bottom + 4, "gk-x-axis");
      place(below[i], X(tick), box.bottom + 17);
    });
    ticks.forEach((tick, i) => {
      line(box.left, Y(tick), box.right, Y(tick), "gk-x-grid");
      place(beside[i], box.left - 5, Y(tick) + 4);
    });
    parts.push(...below, ...beside);
    line(box.left, box.bottom, box.right, box.bottom, "gk-x-axis");
    line(box.left, box.top, box.left, box.bottom, "gk-x-axis");
    const middle = (box.left + box.right) / 2;
    parts.push(shape("text", { x: middle, y: height - 5, "text-anchor": "middle" }, spec.x.title));
    for (const rule of spec.rules || []) {
      line(X(rule.x), box.top, X(rule.x), box.bottom, "gk-x-axis", { "stroke-dasharray": "4 3" });
      const end = X(rule.x) > middle;
      parts.push(shape("text", { x: X(rule.x) + (end ? -5 : 5), y: rule.low ? box.bottom - 8 : box.top + 60, "text-anchor": end ? "end" : "start" }, rule.text));
    }
    const clip = (v) => Math.min(Math.max(v, -1e4), 1e4).toFixed(2);
    for (const { x, y, colour } of spec.stems || []) {
      const d = x.map((v, i) => `M${clip(X(v))} ${clip(Y(0))}V${clip(Y(y[i]))}`).join("");
      parts.push(shape("path", { d, style: `stroke: ${colour}`, "stroke-width": 2, "stroke-opacity": 0.55, class: "gk-x-line" }));
    }
    for (const { x, y, colour, dash, width: stroke = 2 } of spec.lines) {
      const d = x.map((v, i) => `${i ? "L" : "M"}${clip(X(v))} ${clip(Y(y[i]))}`).join("");
      parts.push(shape("path", { d, style: `stroke: ${colour}`, "stroke-width": stroke,
        "stroke-dasharray": dash || "none", class: "gk-x-line" }));
    }
    for (const { x, y, colour, open, text } of spec.dots || []) {
      const look = open ? { r: 3.5, style: `stroke: ${colour}`, class: "gk-x-ring" } : { r: 4.5, style: `fill: ${colour}`, class: "gk-x-dot" };
      parts.push(shape("circle", { cx: X(x), cy: Y(y), ...look }));
      const left = X(x) > box.right - 60; // of its point, where the right has no room
      if (text) parts.push(shape("text", { x: X(x) + (left ? -8 : 8), y: Y(y) + 4, "text-anchor": left ? "end" : "start" }, text));
    }
    if (spec.cursor !== undefined)
      parts.push(shape("path", { d: `M${X(spec.cursor)} ${box.top}V${box.bottom}`, class: "gk-x-cursor" }));
    const over = ({ tagName }) => tagName === "text";  // words stand on the curves
    svg.replaceChildren(...parts.sort((a, b) => over(a) - over(b)));
  }

  if (onCursor) {
    const read = (event) => {
      if (!frame) return;
      const bounds = svg.getBoundingClientRect();
      const at = ((event.clientX - bounds.left) * frame.width) / bounds.width;
      const share = Math.min(1, Math.max(0, (at - frame.left) / (frame.right - frame.left)));
      const { low, high, log } = spec.x;
      onCursor(log ? low * (high / low) ** share : low + share * (high - low), event.buttons > 0);
    };
    svg.addEventListener("pointermove", read);
    svg.addEventListener("pointerdown", read);
  }
  const observer = new ResizeObserver(() => spec && paint());
  observer.observe(host);
  return { draw: (next) => { spec = next; paint(); }, stop: () => observer.disconnect() };
}

// One labelled slider per entry of `specs`, { key, html, name, low, high, step, log, whole, hidden },
// bound to the model both ways.
// A log slider moves in log10. A button sets all of them back to where they were at first.
// Returns the fieldset and a function that reads the model again.
function sliders(model, specs, title) {
  const field = element("fieldset", { class: "gk-x-sliders", "aria-label": title });
  const readers = specs.map((spec) => {
    const toPosition = spec.log ? (v) => Math.log10(Math.max(v, spec.low)) : (v) => v;
    const toValue = (position) => {
      const raw = spec.log ? Number((10 ** position).toPrecision(2)) : Number(position.toPrecision(12));
      return spec.whole ? Math.round(raw) : raw;
    };
    const name = element("span");
    name.innerHTML = spec.html;
    const input = element("input", { type: "range", min: toPosition(spec.low), max: toPosition(spec.high),
      step: spec.log ? 0.01 : spec.step, "aria-label": spec.name, "data-key": spec.key });
    const output = element("output", { "aria-live": "off" }); // the slider itself says its value
    const label = element("label", {}, name, input, output);
    field.append(label);
    input.addEventListener("input", () => put(model, { [spec.key]: toValue(Number(input.value)) }));
    return () => {
      const value = model.get(spec.key);
      if (toValue(Number(input.value)) !== value) input.value = toPosition(value);
      output.textContent = show(value);
      input.setAttribute("aria-valuetext", show(value));
      if (spec.hidden) label.hidden = label.style.display = spec.hidden() ? "none" : "";
    };
  });
  const first = valuesOf(model, specs.map(({ key }) => key));
  field.append(button("Reset sliders", { "data-action": "reset" }, () => put(model, first)));
  return { field, read: () => readers.forEach((reader) => reader()) };
}

// A list of swatches and names; `set(values)` writes the value beside each name.
function legend(entries) {
  const list = element("ul", { class: "gk-x-legend" });
  const items = entries.map(({ name, colour, dash, bar }) => {
    const swatch = shape("svg", { viewBox: "0 0 32 10", height: 10, "aria-hidden": "true" });
    swatch.append(shape("line", { x1: 0, y1: 5, x2: 32, y2: 5, style: `stroke: ${colour}`, "stroke-width": bar ? 8 : 3,
      "stroke-opacity": bar ? 0.55 : 1, "stroke-dasharray": dash || "none" }));
    const value = element("b");
    const item = element("li", {}, swatch, element("span", {}, name), value);
    list.append(item);
    return { item, value };
  });
  const set = (values) => items.forEach(({ item, value }, i) => {
    item.style.display = values[i] === undefined ? "none" : "";
    value.textContent = values[i] ?? "";
  });
  return { list, set };
}

// Does the work now and after every change of the model's `keys`; returns what stops the charts.
function follow(model, keys, work, charts) {
  const later = throttle(work);
  for (const key of keys) model.on(`change:${key}`, later);
  work();
  return () => charts.forEach((each) => each.stop());
}

// Runs `work` once at the next frame, however often it is asked for.
function throttle(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
}
