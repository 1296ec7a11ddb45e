// Fig. 11 as a thing to turn: the twin of varma2023.decomposition.analysis.trigonometric_algorithm.

// The wave of each frequency at an answer c, A_k cos(w_k (a + b - c)), through the network's steps:
// cosines and sines of a and b, those of a + b by the addition formulas, and the read-off at c.
export function waves({ p, frequencies, amplitudes, a, b }, c) {
  return frequencies.map((k, j) => {
    const w = (2 * Math.PI * k) / p, { cos, sin } = Math;
    const cosSum = cos(w * a) * cos(w * b) - sin(w * a) * sin(w * b);
    const sinSum = sin(w * a) * cos(w * b) + cos(w * a) * sin(w * b);
    return amplitudes[j] * (cosSum * cos(w * c) + sinSum * sin(w * c));
  });
}

// The sum of the first `count` waves at each of the p answers.
export function votes(state) {
  return Array.from({ length: state.p }, (_, c) => waves(state, c).slice(0, state.count).reduce((x, y) => x + y, 0));
}

const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2"];
const NEAR = 12; // answers on each side of the right one in the chart of waves

// One clock: where a, b and a + b stand when p numbers go around k times.
function clock(host) {
  const svg = shape("svg", { role: "img", viewBox: "-135 -130 270 260" });
  const title = element("p", { class: "gk-x-title" });
  host.append(title, svg);
  return ({ p, a, b }, k, on) => {
    const at = (n, r) => [r * Math.cos((2 * Math.PI * k * n) / p), -r * Math.sin((2 * Math.PI * k * n) / p)];
    title.textContent = `k = ${k}`;
    host.style.opacity = on ? 1 : 0.3;
    svg.setAttribute("aria-label", `Frequency ${k}: the hands of a, b and a + b${on ? "" : ", not used"}`);
    const dots = Array.from({ length: p }, (_, n) => `M${at(n, 88).map((v) => v.toFixed(1)).join(" ")}h0`).join("");
    svg.replaceChildren(shape("path", { d: dots, class: "gk-x-points gk-x-cursor", "stroke-width": 4 }));
    for (const [n, text, r, width, colour] of [[a, "a", 66, 3, COLOURS.norm], [b, "b", 66, 3, COLOURS.norm], [a + b, "a+b", 88, 7, COLOURS.gen]]) {
      const [x, y] = at(n, r), [tx, ty] = at(n, r + 17);
      svg.append(shape("line", { x1: 0, y1: 0, x2: x, y2: y, style: `stroke: ${colour}`, "stroke-width": width }),
        shape("text", { x: tx, y: ty + 7, "text-anchor": "middle", class: "gk-x-large" }, text));
    }
  };
}

function render({ model, el }) {
  const titles = ["Each frequency's wave, near the right answer", "Their sum: the logit of each answer"];
  const { root, charts, hosts, status } = layout(el, "Addition by rotation", titles);
  const [p, all] = [model.get("p"), model.get("frequencies").length];
  const specs = [
    { key: "a", html: "<i>a</i>", name: "a", low: 0, high: p - 1, step: 1, whole: true },
    { key: "b", html: "<i>b</i>", name: "b", low: 0, high: p - 1, step: 1, whole: true },
    { key: "count", html: "frequencies used", name: "number of frequencies", low: 1, high: all, step: 1, whole: true },
  ];
  const controls = sliders(model, specs, "The sum");
  const dials = element("div", { class: "gk-x-dials" });
  const clocks = model.get("frequencies").map(() => clock(dials.appendChild(element("div"))));
  const names = legend(model.get("frequencies").map((k, j) => ({ name: `k = ${k}`, colour: COLOURS.gen, dash: DASHES[j % DASHES.length] })));
  root.append(controls.field, dials, status, charts, names.list);
  const [near, sum] = hosts.map((host) => chart(host, 230));

  function paint() {
    const state = valuesOf(model, ["p", "frequencies", "amplitudes", "a", "b", "count"]);
    const { a, b, count, frequencies, amplitudes } = state, right = (a + b) % p, logits = votes(state);
    clocks.forEach((draw, j) => draw(state, frequencies[j], j < count));
    const top = amplitudes.slice(0, count).reduce((x, y) => x + y, 0);
    const rivals = logits.map((v, c) => (c === right ? -Infinity : v)), next = rivals.indexOf(Math.max(...rivals));
    const low = Math.min(Math.max(0, right - NEAR), Math.max(0, p - 1 - 2 * NEAR)), high = Math.min(p - 1, low + 2 * NEAR);
    const fine = Array.from({ length: 400 }, (_, i) => low + ((high - low) * i) / 399);
    const drawn = fine.map((c) => waves(state, c)), reach = 1.05 * Math.max(...amplitudes);
    const rule = { x: right, text: `a + b = ${right}`, low: true };
    near.draw({ label: `${count > 1 ? `${count} waves of answers ${low} to ${high}; all are` : `One wave of answers ${low} to ${high}; it is`} highest at ${right}`, x: { title: "answer c", low, high },
      y: { low: -reach, high: reach }, rules: [rule], lines: frequencies.slice(0, count).map((_, j) => (
        { x: fine, y: drawn.map((each) => each[j]), colour: COLOURS.gen, dash: DASHES[j % DASHES.length], width: 1.5 })) });
    sum.draw({ label: `The sum of ${count} wave${count > 1 ? "s" : ""} is highest, ${top.toFixed(1)}, at ${right}, and next, ${logits[next].toFixed(1)}, at ${next}`,
      x: { title: "answer c", low: 0, high: p - 1 }, y: { low: -top, high: 1.08 * top }, lines: [], rules: [rule],
      stems: [{ x: logits.map((_, c) => c), y: logits, colour: COLOURS.gen }],
      dots: [{ x: right, y: logits[right], colour: COLOURS.gen }, { x: next, y: logits[next], colour: COLOURS.norm, text: `${next}` }] });
    names.set(frequencies.map((_, j) => (j < count ? `${amplitudes[j].toFixed(1)} at ${right}` : undefined)));
    const share = `${(100 * logits[next] / logits[right]).toFixed(1)}%`;
    tell(status, `${a} + ${b} = ${right} mod ${p}. The wave${count > 1 ? "s add up" : " rises"} to ${logits[right].toFixed(1)} there; the next best answer, ${next}, has ${share} of that.`);
    controls.read();
  }
  return follow(model, specs.map(({ key }) => key), paint, [near, sum]);
}
export default { render };
