// Training to drag through: circles in the embedding, the logits of one sum, curves with a cursor.
// The moments are varma2023.decomposition.snapshots' whole numbers; curves are the runs' records.
export function numbers(text, bytes) {
  const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return bytes === 1 ? new Int8Array(raw.buffer) : new Int16Array(raw.buffer);
}

// One network's moments in numbers: `circle(i, j)` of moment i and frequency j, two lists, and
// `logits(i, s)` of sum s: { total, trig, mem } for each of the p answers.
export function opened(life) {
  const { p } = life, half = life.trig_worth, whole = life.logits_worth;
  const [circles, trig, logits] = [numbers(life.circles, 1), numbers(life.trig, 2), numbers(life.logits, 2)];
  const circle = (i, j) => [0, 1].map((axis) => Array.from({ length: p },
    (_, t) => circles[((i * life.frequencies.length + j) * p + t) * 2 + axis] * life.circles_worth[i]));
  const parts = (i, s) => {
    const [x, y] = life.sums[s];
    const total = Array.from({ length: p }, (_, c) => logits[(i * 2 + s) * p + c] * whole[i]);
    const rule = total.map((_, c) => trig[i * p + (x + y - c + p) % p] * half[i]);
    return { total, trig: rule, mem: total.map((v, c) => v - rule[c]) };
  };
  return { circle, logits: parts };
}

const CIRCUITS = [{ key: "trig_logit", name: "trig logit", colour: COLOURS.gen },
  { key: "mem_logit", name: "mem logit", colour: COLOURS.mem, dash: "7 3" },
  { key: "param_norm", name: "parameter norm", colour: COLOURS.norm, dash: "2 3" }];

// The points of one circle, joined so that neighbours on it are neighbours in the line.
function dial(host, title) {
  const svg = shape("svg", { role: "img", viewBox: "-115 -115 230 230" });
  host.append(element("p", { class: "gk-x-title" }, title), svg);
  return (k, p, [across, up], reach, [x, y], label) => {
    const step = stride(k, p);
    const at = (t) => `${(100 * across[t] / reach).toFixed(1)} ${(-100 * up[t] / reach).toFixed(1)}`;
    const order = Array.from({ length: p + 1 }, (_, i) => (i * step) % p);
    const ring = (t) => {
      const [cx, cy] = at(t).split(" ");
      return shape("circle", { cx, cy, r: 11, class: "gk-x-ring", style: `stroke: ${COLOURS.norm}` });
    };
    const marked = (ts) => ts.map((t) => `M${at(t)}h0`).join("");
    svg.setAttribute("aria-label", label);
    svg.replaceChildren(
      shape("path", { d: `M${order.map(at).join("L")}`, class: "gk-x-line", style: `stroke: ${COLOURS.gen}`, "stroke-opacity": 0.35 }),
      shape("path", { d: marked(order), class: "gk-x-points", style: `stroke: ${COLOURS.gen}`, "stroke-width": 6 }),
      shape("path", { d: marked([x, y]), class: "gk-x-points", style: `stroke: ${COLOURS.norm}`, "stroke-width": 13 }),
      ring((x + y) % p));
  };
}

function render({ model, el }) {
  const lives = model.get("lives").map((life) => ({ ...life, ...opened(life) }));
  const starts = [0, ...lives.map((life) => life.epochs.length)].map((sum => (n) => sum += n)(0));
  const last = starts.at(-1) - 1;
  const titles = ["Accuracy", "Correct logits of both circuits, and norm"];
  const { root, charts, hosts, status } = layout(el, "Training to drag through", titles);
  const go = (at) => put(model, { at: Math.min(last, Math.max(0, at)) });
  let timer = null;
  const play = button("Play", { "data-action": "play" }, () => { timer ? stop() : start(); });
  function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
  function start() {
    if (model.get("at") === last) go(0);
    play.textContent = "Pause";
    timer = setInterval(() => (model.get("at") < last ? go(model.get("at") + 1) : stop()), 220);
  }
  const jumps = lives.map((life, i) => button(life.name, { "data-action": `life-${i}` }, () => { stop(); go(starts[i]); }));
  const kinds = ["a sum it trains on", "a sum it never sees"].map((text, s) =>
    button(text, { "data-action": `sum-${s}` }, () => put(model, { sum: s })));
  const slider = element("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "moment of training", "data-key": "at" });
  const when = element("output", { "aria-live": "off" });
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  const dials = element("div", { class: "gk-x-dials" });
  const [dialTitle, logitTitle] = [0, 1].map(() => element("p", { class: "gk-x-title" }));
  const logitHost = element("div");
  const parts = legend([{ name: "whole logit", colour: COLOURS.norm, bar: true }, { name: "the rule’s part", colour: COLOURS.gen },
    { name: "memory’s part", colour: COLOURS.mem, dash: "7 3" }]);
  const names = legend([...ACCURACIES, ...CIRCUITS]);
  root.append(element("div", { class: "gk-x-buttons" }, play, ...jumps),
    element("label", {}, element("span", {}, "epoch"), slider, when), status,
    dialTitle, dials,
    element("div", { class: "gk-x-buttons" }, ...kinds), logitTitle, logitHost, parts.list, charts, names.list);

  const place = () => {
    const at = model.get("at");
    const i = starts.findLastIndex((first, n) => first <= at && n < lives.length);
    return [i, at - starts[i]];
  };
  const nearest = (epoch, pressed) => {
    if (!pressed) return;
    stop();
    const [i] = place();
    const far = lives[i].epochs.map((each) => Math.abs(each - epoch));
    go(starts[i] + far.indexOf(Math.min(...far)));
  };
  const logit = chart(logitHost, 210);
  const [accuracy, circuit] = hosts.map((host) => chart(host, 210, nearest));
  let shown = null, draws = [];

  function paint() {
    const [which, i] = place();
    const life = lives[which], { p, curves } = life, epoch = life.epochs[i], s = model.get("sum");
    const row = curves.epoch.indexOf(epoch), now = (key) => curves[key][row];
    const [x, y] = life.sums[s], right = (x + y) % p, { total, trig, mem } = life.logits(i, s);
    const best = total.indexOf(Math.max(...total));
    kinds[1].textContent = `a sum it ${which ? "no longer" : "never"} sees`;
    if (shown !== which) {
      dials.replaceChildren();
      draws = life.frequencies.map((k) => dial(dials.appendChild(element("div")), `k = ${k}`));
      life.reach ??= Math.max(...life.epochs.flatMap((_, n) => life.frequencies.flatMap((_k, j) => life.circle(n, j).flat().map(Math.abs))));
      const seen = life.epochs.flatMap((_, n) => [0, 1].flatMap((m) => life.logits(n, m).total));
      [life.low, life.high] = [1.05 * Math.min(...seen), 1.05 * Math.max(...seen)];
      shown = which;
    }
    life.frequencies.forEach((k, j) => draws[j](k, p, life.circle(i, j), life.reach, [x, y],
      `The ${p} numbers in the plane of frequency ${k} at epoch ${show(epoch)}`));
    dialTitle.textContent = `The numbers in the embedding, in the plane of each key frequency (● ${x} and ${y}, ○ ${right})`;
    logitTitle.textContent = `Logits of ${x} + ${y} mod ${p}: its answer is ${best}, ${best === right ? "which is right" : `not ${right}`}`;
    const answers = Array.from({ length: p }, (_, c) => c);
    logit.draw({ label: logitTitle.textContent, x: { title: "answer c", low: 0, high: p - 1 },
      y: { low: life.low, high: life.high }, rules: [{ x: right, text: `right: ${right}` }],
      stems: [{ x: answers, y: total, colour: COLOURS.norm }],
      lines: [{ x: answers, y: trig, colour: COLOURS.gen, width: 1.5 }, { x: answers, y: mem, colour: COLOURS.mem, dash: "5 2", width: 1.5 }],
      dots: [{ x: right, y: trig[right], colour: COLOURS.gen }, { x: right, y: mem[right], colour: COLOURS.mem }] });
    parts.set([total, trig, mem].map((values) => `${values[right].toFixed(1).replace("-0.0", "0.0")} for ${right}`));
    const axis = { title: `epoch, with ${show(life.size)} examples`, low: 0, high: curves.epoch.at(-1) };
    const line = ({ key, colour, dash }) => ({ x: curves.epoch, y: curves[key], colour, dash });
    const dot = ({ key, colour }) => ({ x: epoch, y: now(key), colour });
    const said = (list) => list.map(({ key, name }) => `${name} ${show(now(key))}`).join(", ");
    accuracy.draw({ label: `Accuracy at epoch ${show(epoch)}: ${said(ACCURACIES)}`, x: axis, y: { low: 0, high: 1.03 },
      lines: ACCURACIES.map(line), dots: ACCURACIES.map(dot), cursor: epoch });
    const values = CIRCUITS.flatMap(({ key }) => curves[key]);
    circuit.draw({ label: `At epoch ${show(epoch)}: ${said(CIRCUITS)}`, x: axis,
      y: { low: Math.min(0, ...values), high: 1.05 * Math.max(...values) }, lines: CIRCUITS.map(line), dots: CIRCUITS.map(dot), cursor: epoch });
    names.set([...ACCURACIES, ...CIRCUITS].map(({ key }) => show(Number(now(key).toFixed(3)))));
    const [train, test] = [now("train_accuracy"), now("test_accuracy")].map((v) => `${(100 * v).toFixed(0)}%`);
    tell(status, `${life.about} Epoch ${show(epoch)}: it gets ${train} of its examples right and ${test} of the other sums.`);
    slider.value = model.get("at");
    when.textContent = show(epoch);
    slider.setAttribute("aria-valuetext", `${life.name}, epoch ${show(epoch)}: test accuracy ${test}`);
    jumps.forEach((each, n) => each.setAttribute("aria-pressed", String(n === which)));
    kinds.forEach((each, n) => each.setAttribute("aria-pressed", String(n === s)));
  }
  return follow(model, ["at", "sum"], paint, [{ stop }, logit, accuracy, circuit]);
}
export default { render };
