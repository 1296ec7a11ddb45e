// D_crit in the browser: the twin of varma2023.efficiency: analysis.Fit and critical.equal_cost_size; its explorer.
const SIZE = 1000; // D and correct logit at which the norms P_mem and P_gen are given
const LOGIT = 60;

// The norm of each circuit at a correct logit and a dataset size (varma2023.efficiency.analysis.Fit.at).
export function memNorm({ P_mem, exponent, kappa }, logit, size) {
  return P_mem * (size / SIZE) ** exponent * (logit / LOGIT) ** (1 / kappa);
}

export function genNorm({ P_gen, kappa }, logit) {
  return P_gen * (logit / LOGIT) ** (1 / kappa);
}

// The D at which both cost the same (varma2023.efficiency.critical.equal_cost_size).
export function criticalSize({ P_mem, P_gen, exponent }) {
  return SIZE * (P_gen / P_mem) ** (1 / exponent);
}

// C_gen's share of the logit by Theorem D.4 with q = 2 (grokkit.theorems.optimal_shares).
export function genShare(state, logit, size) {
  const P = [genNorm(state, logit), memNorm(state, logit, size)];
  return optimalShares({ P, kappa: state.kappa, q: 2 })[0];
}

const RANGE = { low: 100, high: 12000 };

function render({ model, el }) {
  const titles = ["Parameter norm for the chosen logit", "Share of the logit in the generalising circuit"];
  const { root, charts, hosts, status } = layout(el, "Explorer of the critical dataset size", titles);
  const specs = [
    { key: "size", html: "<i>D</i>", name: "dataset size", ...RANGE, log: true, whole: true },
    { key: "logit", html: "correct logit", name: "correct logit", low: 20, high: 200, log: true },
    { key: "exponent", html: "<i>b</i>: <i>P</i><sub>mem</sub> ∝ <i>D</i><sup><i>b</i></sup>", name: "exponent of memorisation", low: 0.05, high: 1, step: 0.01 },
    { key: "P_gen", html: "cost of C<sub>gen</sub>", name: "norm of the generalising circuit at a correct logit of 60", low: 5, high: 100, step: 0.1 },
    { key: "kappa", html: "κ", name: "kappa", low: 0.3, high: 10, step: 0.05 },
  ];
  const controls = sliders(model, specs, "Costs of the two circuits");
  const names = legend([{ name: "generalising, norm", colour: COLOURS.gen }, { name: "memorising, norm", colour: COLOURS.mem, dash: "7 3" }]);
  root.append(charts, names.list, status, controls.field);
  const move = (size, pressed) => { if (pressed) put(model, { size: Math.round(size) }); };
  const [cost, share] = hosts.map((host) => chart(host, 250, move));

  function recompute() {
    const state = valuesOf(model, ["P_mem", "P_gen", "exponent", "kappa"]);
    const [logit, size] = [model.get("logit"), model.get("size")];
    const critical = criticalSize(state);
    const equal = critical < 1 ? "less than 1" : show(Math.round(critical));
    const inside = critical > RANGE.low && critical < RANGE.high;
    const even = Array.from({ length: 300 }, (_, i) => RANGE.low * (RANGE.high / RANGE.low) ** (i / 299));
    // two points at the crossing, so that the switch at kappa >= 2 is drawn as a step
    const sizes = (inside ? [...even, critical * (1 - 1e-9), critical * (1 + 1e-9)] : even).sort((a, b) => a - b);
    const [mem, gen] = [memNorm(state, logit, size), genNorm(state, logit)];
    const part = genShare(state, logit, size);
    const x = { title: "D (drag here, or move the slider)", ...RANGE, log: true };
    const rules = inside ? [{ x: critical, text: `equal at D = ${show(Math.round(critical))}`, low: true }] : [];
    const ends = [gen, memNorm(state, logit, RANGE.low), memNorm(state, logit, RANGE.high)];
    const measured = model.get("measured"), moved = (logit / LOGIT) ** (1 / state.kappa);
    const found = (name, factor = 1) => (measured[name] || []).filter(([d]) => d >= RANGE.low && d <= RANGE.high).map(([x, y]) => ({ x, y: y * factor, open: true,
      colour: name === "mem" ? COLOURS.mem : COLOURS.gen }));
    cost.draw({ label: `Norms at D ${show(size)}: C_mem ${show(mem)}, C_gen ${show(gen)}; they are equal at D ${equal}`,
      x, y: { low: Math.min(10, ...ends), high: Math.max(120, ...ends), log: true }, rules, cursor: size,
      lines: [{ x: sizes, y: sizes.map(() => gen), colour: COLOURS.gen },
        { x: sizes, y: sizes.map((d) => memNorm(state, logit, d)), colour: COLOURS.mem, dash: "7 3" }],
      dots: [...found("mem", moved), ...found("gen", moved), { x: size, y: gen, colour: COLOURS.gen }, { x: size, y: mem, colour: COLOURS.mem }] });
    share.draw({ label: `Share of the logit in C_gen: ${show(Number((100 * part).toPrecision(3)))}% at D ${show(size)}`,
      x, y: { low: 0, high: 1.02 }, rules, cursor: size,
      lines: [{ x: sizes, y: sizes.map((d) => genShare(state, logit, d)), colour: COLOURS.gen }],
      dots: [...found("share"), { x: size, y: part, colour: COLOURS.gen }] });
    names.set([`${gen.toFixed(1)} (${(100 * part).toFixed(1)}% of the logit)`, `${mem.toFixed(1)} (${(100 - 100 * part).toFixed(1)}%)`]);
    const cheaper = mem < gen ? "the memorising circuit is the cheaper one" : "the generalising circuit is the cheaper one";
    const taken = state.kappa >= 2 ? "κ ≥ 2: it takes the whole logit." : "κ < 2: both keep a part of the logit.";
    tell(status, `The costs are equal at D ${critical < 1 ? "below 1" : `= ${equal}`}. At D = ${show(size)}, ${cheaper}; ${taken}`);
    controls.read();
  }
  return follow(model, specs.map(({ key }) => key), recompute, [cost, share]);
}
export default { render };
