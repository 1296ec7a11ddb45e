// Theorem D.4 in the browser: the twin of grokkit.theorems.optimal_weights, and its explorer.

function bisect(sign, low, high) {
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (sign(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Eq. (6) at weights w (grokkit.theorems.effective_loss).
export function effectiveLoss({ P, kappa, q, alpha, n_labels }, w) {
  const fit = logaddexp(0, Math.log(n_labels - 1) - w.reduce((a, b) => a + b));
  return fit + (alpha / q) * w.reduce((sum, v, i) => sum + (v ** (1 / kappa) * P[i]) ** q, 0);
}

// The minimiser of Eq. (6) (grokkit.theorems.optimal_weights, where the argument stands).
export function optimalWeights(circuits) {
  const { P, kappa, q, alpha, n_labels } = circuits;
  const shares = optimalShares(circuits);
  const r = q / kappa;
  const units = shares.map((share, i) => (share > 0 ? q * Math.log(P[i]) + r * Math.log(share) : -Infinity));
  const logC = Math.log(alpha / kappa) + units.filter(Number.isFinite).reduce(logaddexp);
  const offset = Math.log(n_labels - 1);
  const h = (u) => -logaddexp(0, Math.exp(u) - offset) - (r - 1) * u - logC;
  const slope = (u) => 1 - r - Math.exp(u) * Math.exp(-logaddexp(0, offset - Math.exp(u)));
  const top = r < 1 ? bisect(slope, -700, 20) : -700;
  const none = shares.map(() => 0);
  if (h(top) <= 0) return none;
  const total = Math.exp(bisect(h, top, 20));
  const best = shares.map((share) => share * total);
  return effectiveLoss(circuits, best) < effectiveLoss(circuits, none) ? best : none;
}

// Four colours without a fixed meaning elsewhere in the book: circuits here are neither gen nor mem.
const CIRCUITS = [
  { colour: "#B58900" },
  { colour: "#7B68D9", dash: "7 3" },
  { colour: "#8A8A8A", dash: "2 3" },
  { colour: "#A0573A", dash: "9 3 2 3" },
];
const KAPPA = { low: 0.1, high: 4 };

function render({ model, el }) {
  const titles = ["Optimal share of the weight against κ", ""];
  const { root, charts, hosts, status } = layout(el, "Explorer of Theorem D.4", titles);
  const [shareHost, exchangeHost] = hosts;
  const norms = CIRCUITS.map((_, i) => ({ key: `P_${i + 1}`, html: `<i>P</i><sub>${i + 1}</sub>`,
    name: `parameter norm of circuit ${i + 1}`, low: 0.5, high: 4, step: 0.05, hidden: () => i >= model.get("n_circuits") }));
  const specs = [
    { key: "kappa", html: "<i>κ</i>", name: "kappa", low: KAPPA.low, high: KAPPA.high, step: 0.02 },
    { key: "q", html: "<i>q</i> norm exponent", name: "norm exponent q", low: 0.5, high: 3.5, step: 0.05 },
    { key: "n_circuits", html: "circuits", name: "number of circuits", low: 2, high: 4, step: 1 },
    ...norms,
  ];
  const controls = sliders(model, specs, "Parameters of Eq. (6)");
  const names = legend(CIRCUITS.map((style, i) => ({ ...style, name: `w${"₁₂₃₄"[i]}` })));
  root.append(charts, names.list, status, controls.field);
  const share = chart(shareHost, 250, (kappa, pressed) => {
    if (pressed) put(model, { kappa: Number(Math.max(KAPPA.low, kappa).toFixed(2)) });
  });
  const exchange = chart(exchangeHost, 250);

  function recompute() {
    const [kappa, q, count] = ["kappa", "q", "n_circuits"].map((key) => model.get(key));
    const P = norms.slice(0, count).map(({ key }) => model.get(key));
    const circuits = { P, kappa, q, alpha: model.get("alpha"), n_labels: model.get("n_labels") };
    const w = optimalWeights(circuits);
    const shares = optimalShares(circuits);
    // even points, and two at the jump, so that the switch is drawn as a step at kappa = q
    const high = Math.max(KAPPA.high, q, kappa);
    const grid = Array.from({ length: 300 }, (_, i) => KAPPA.low + ((high - KAPPA.low) * i) / 299);
    const kappas = [...grid, q * (1 - 1e-6), q].sort((a, b) => a - b);
    const table = kappas.map((k) => optimalShares({ P, kappa: k, q }));
    const text = shares.map((s, i) => `circuit ${i + 1} ${show(Number((100 * s).toPrecision(3)))}%`).join(", ");
    share.draw({ label: `Optimal shares at kappa ${show(kappa)} and q ${show(q)}: ${text}`,
      x: { title: "κ (drag here, or move the slider)", low: 0, high }, y: { low: 0, high: 1.02 },
      lines: P.map((_, i) => ({ x: kappas, y: table.map((row) => row[i]), ...CIRCUITS[i] })),
      rules: [{ x: q, text: "κ = q" }], cursor: kappa,
      dots: shares.map((s, i) => ({ x: kappa, y: s, colour: CIRCUITS[i].colour })) });
    // the two most efficient circuits: what does it cost to share a total weight of 1 between them?
    const [i, j] = P.map((_, k) => k).sort((a, b) => P[a] - P[b]).slice(0, 2);
    exchangeHost.previousSibling.textContent = `Cost of sharing between circuits ${i + 1} and ${j + 1}`;
    const cost = (t) => (t * P[i] ** kappa) ** (q / kappa) + ((1 - t) * P[j] ** kappa) ** (q / kappa);
    const x = Array.from({ length: 201 }, (_, k) => k / 200);
    const y = x.map((t) => cost(t) / cost(1));
    const pair = optimalShares({ P: [P[i], P[j]], kappa, q });
    exchange.draw({ label: `Cost of sharing, lowest with a share ${show(pair[0])} in circuit ${i + 1}`,
      x: { title: `share of circuit ${i + 1}`, low: 0, high: 1 }, y: { low: 0, high: 1.05 * Math.max(...y) },
      lines: [{ x, y, colour: "currentColor" }],
      dots: [{ x: pair[0], y: cost(pair[0]) / cost(1), colour: CIRCUITS[i].colour }] });
    names.set(CIRCUITS.map((_, k) => (k < count ? `${show(w[k])} (${(100 * shares[k]).toFixed(1)}%)` : undefined)));
    tell(status, kappa < q ? "κ < q: every circuit keeps some weight, the efficient ones more."
      : P[i] === P[j] ? "κ ≥ q: one of the most efficient circuits keeps all the weight; which of the equal ones is arbitrary."
      : "κ ≥ q: the most efficient circuit keeps all the weight.");
    controls.read();
  }
  return follow(model, specs.map(({ key }) => key), recompute, [share, exchange]);
}
export default { render };
