// The simulation of Sec. 3 and App. C in the browser: the twin of grokkit.simulation.simulate, and its explorer.

// The trajectory of `toy` (keys P_gen ... lr of grokkit.simulation.Toy, subweights as w_gen_1 ... w_mem_2),
// logged at step 0, every `every` steps, and at the last. `diverged` is the step that
// leaves a circuit at zero for good, where Python raises, or null.
export function simulate(toy, steps, every = 1) {
  const { P_gen, P_mem, kappa, alpha, n_labels, lr } = toy;
  let [g1, g2, m1, m2] = [toy.w_gen_1, toy.w_gen_2, toy.w_mem_1, toy.w_mem_2];
  const power = 2 / kappa - 1;
  const offset = Math.log(n_labels - 1);
  const rest = Math.log(n_labels - 2); // -Infinity with two labels: no third logit
  const pullGen = alpha * (2 / kappa) * P_gen ** 2;
  const pullMem = alpha * (2 / kappa) * P_mem ** 2;
  const out = { step: [], train_loss: [], test_loss: [], gen_logit: [], mem_logit: [], param_norm: [], diverged: null };
  for (let step = 0; ; step++) {
    const gen = g1 * g2;
    const mem = m1 * m2;
    if (step % every === 0 || step === steps) {
      const norm = Math.hypot(P_gen * gen ** (1 / kappa), P_mem * mem ** (1 / kappa));
      const decay = alpha * norm ** 2;
      out.step.push(step);
      out.train_loss.push(logaddexp(0, offset - gen - mem) + decay);
      out.test_loss.push(logaddexp(0, logaddexp(rest, mem) - gen) + decay);
      out.gen_logit.push(gen);
      out.mem_logit.push(mem);
      out.param_norm.push(norm);
    }
    if (step === steps) return out;
    const push = 1 / (1 + Math.exp(Math.min(gen + mem - offset, 700)));
    const toGen = push - pullGen * gen ** power;
    const toMem = push - pullMem * mem ** power;
    [g1, g2] = [Math.max(0, g1 + lr * g2 * toGen), Math.max(0, g2 + lr * g1 * toGen)];
    [m1, m2] = [Math.max(0, m1 + lr * m2 * toMem), Math.max(0, m2 + lr * m1 * toMem)];
    const lost = (gen > 0 && !(g1 + g2 > 0)) || (mem > 0 && !(m1 + m2 > 0));
    if (lost) return { ...out, diverged: step + 1 };
  }
}

const SLIDERS = [
  { key: "P_gen", html: "<i>P</i><sub>g</sub> norm of gen", name: "parameter norm of the generalising circuit", low: 0.2, high: 8, step: 0.1 },
  { key: "P_mem", html: "<i>P</i><sub>m</sub> norm of mem", name: "parameter norm of the memorising circuit", low: 0.2, high: 8, step: 0.1 },
  { key: "kappa", html: "<i>κ</i> depth", name: "kappa", low: 0.3, high: 1.95, step: 0.05 },
  { key: "alpha", html: "<i>α</i> weight decay", name: "alpha, the weight decay", low: 1e-4, high: 0.1, log: true },
  { key: "w_gen_1", html: "<i>w</i><sub>g1</sub>(0)", name: "first subweight of gen at step 0", low: 0, high: 2, step: 0.005 },
  { key: "w_gen_2", html: "<i>w</i><sub>g2</sub>(0)", name: "second subweight of gen at step 0", low: 1e-4, high: 2, log: true },
  { key: "w_mem_1", html: "<i>w</i><sub>m1</sub>(0)", name: "first subweight of mem at step 0", low: 0, high: 2, step: 0.005 },
  { key: "w_mem_2", html: "<i>w</i><sub>m2</sub>(0)", name: "second subweight of mem at step 0", low: 1e-4, high: 2, log: true },
  { key: "n_labels", html: "<i>q</i> labels", name: "number of labels", low: 2, high: 1000, log: true, whole: true },
  { key: "lr", html: "<i>λ</i> learning rate", name: "learning rate", low: 1e-3, high: 0.1, log: true },
  { key: "steps", html: "steps", name: "number of steps", low: 500, high: 40000, step: 500 },
];
const CURVES = [
  { key: "train_loss", name: "train loss", colour: COLOURS.train },
  { key: "test_loss", name: "test loss", colour: COLOURS.test, dash: "7 3" },
  { key: "gen_logit", name: "gen logit", colour: COLOURS.gen },
  { key: "mem_logit", name: "mem logit", colour: COLOURS.mem, dash: "7 3" },
  { key: "param_norm", name: "parameter norm", colour: COLOURS.norm, dash: "2 3" },
];
const POINTS = 400;

function render({ model, el }) {
  const titles = ["Loss (nats, log scale)", "Logits and parameter norm"];
  const { root, charts, hosts, status } = layout(el, "Explorer of the two-circuit simulation", titles);
  const keys = SLIDERS.map((s) => s.key);
  const presets = model.get("presets");
  const buttons = Object.entries(presets).map(([name, toy]) =>
    button(`Fig. 2${name}`, { "data-preset": name, "aria-pressed": "false" }, () => put(model, toy)));
  const controls = sliders(model, SLIDERS, "Parameters of Table 1");
  const names = legend(CURVES);
  const cursor = element("input", { type: "range", min: 0, max: 1, step: 0.0025, value: 1,
    "aria-label": "step at which the values are read", "data-key": "cursor" });
  const at = element("output", { "aria-live": "off" });
  root.append(element("div", { class: "gk-x-buttons", role: "group", "aria-label": "Presets of Table 1" }, ...buttons),
    charts, element("label", {}, element("span", {}, "read at step"), cursor, at), names.list, status, controls.field);

  let run;
  let place = 1; // of the cursor, as a share of the steps
  const point = (share) => { place = share; cursor.value = share; paint(); };
  const onCursor = (step) => point(Math.min(1, step / Math.max(1, run.step[run.step.length - 1])));
  const [loss, logit] = hosts.map((host) => chart(host, 250, onCursor));
  cursor.addEventListener("input", () => point(Number(cursor.value)));

  function paint() {
    const last = run.step.length - 1;
    const i = Math.round(place * last);
    const x = { title: "step", low: 0, high: Math.max(1, run.step[last]) };
    const ends = CURVES.map(({ key, name }) => `${name} ${show(run[key][last])}`);
    const line = ({ key, colour, dash }) => ({ x: run.step, y: run[key], colour, dash });
    const losses = [...run.train_loss, ...run.test_loss];
    const others = CURVES.slice(2).flatMap(({ key }) => run[key]);
    const top = Math.max(...others, 12); // the axes stay as they are unless a curve leaves them
    loss.draw({ label: `Losses over ${show(run.step[last])} steps, at the end ${ends.slice(0, 2).join(", ")}`, x,
      y: { log: true, low: Math.max(1e-12, Math.min(0.02, ...losses)), high: Math.max(20, ...losses) },
      lines: CURVES.slice(0, 2).map(line), cursor: run.step[i] });
    logit.draw({ label: `Logits and norm over ${show(run.step[last])} steps, at the end ${ends.slice(2).join(", ")}`, x,
      y: { low: Math.min(0, ...others), high: top * 1.05 }, lines: CURVES.slice(2).map(line), cursor: run.step[i] });
    names.set(CURVES.map(({ key }) => show(run[key][i])));
    at.textContent = show(run.step[i]);
    cursor.setAttribute("aria-valuetext", `step ${show(run.step[i])}`);
  }

  function recompute() {
    const toy = valuesOf(model, keys);
    const whole = simulate(toy, toy.steps);
    const every = Math.ceil(whole.step.length / POINTS); // draw and read out some, look for crossings in all
    const kept = (_, i) => i % every === 0 || i === whole.step.length - 1;
    run = { diverged: whole.diverged };
    for (const key of ["step", ...CURVES.map((c) => c.key)]) run[key] = whole[key].filter(kept);
    const first = (list) => { const i = list.findIndex((v) => v < 1); return i < 0 ? null : whole.step[i]; };
    const [train, test] = [first(whole.train_loss), first(whole.test_loss)];
    const falls = (step) => (step === null ? "never falls below 1" : `falls below 1 at step ${show(step)}`);
    tell(status, run.diverged
      ? `Step ${show(run.diverged)} overshoots and leaves a circuit at zero for good: lower λ or α.`
      : `Train loss ${falls(train)}, test loss ${falls(test)}.`);
    for (const each of buttons) {
      const same = Object.entries(presets[each.dataset.preset]).every(([key, value]) => toy[key] === value);
      each.setAttribute("aria-pressed", String(same));
    }
    controls.read();
    paint();
  }
  return follow(model, keys, recompute, [loss, logit]);
}
export default { render };
