// A network of this book, trained in the browser: the twin of grokkit.engine, and its explorer.
// The whole of `engine` is also the text of a Web Worker, so it reaches for nothing outside itself.
export function engine() {
  // C[n, m] += A[n, k] B[k, m], row by row. Two rows of C and four of B at a time: each is read once for
  // eight products. Where k or n ends in between, what is missing counts as 0.
  function multiply(A, B, C, n, k, m) {
    const spare = new Float64Array(m);
    for (let i = 0; i < n; i += 2) {
      const pair = i + 1 < n, E = pair ? C : spare;
      const c = i * m, e = pair ? c + m : 0, a = i * k, f = pair ? a + k : a;
      for (let j = 0; j < k; j += 4) {
        const [j1, j2, j3] = [Math.min(j + 1, k - 1), Math.min(j + 2, k - 1), Math.min(j + 3, k - 1)];
        const b0 = j * m, b1 = j1 * m, b2 = j2 * m, b3 = j3 * m;
        const [t1, t2, t3] = [j1 - j, j2 - j1, j3 - j2]; // 1, or 0 past the end
        const a0 = A[a + j], a1 = t1 * A[a + j1], a2 = t2 * A[a + j2], a3 = t3 * A[a + j3];
        const f0 = A[f + j], f1 = t1 * A[f + j1], f2 = t2 * A[f + j2], f3 = t3 * A[f + j3];
        for (let l = 0; l < m; l++) {
          const x0 = B[b0 + l], x1 = B[b1 + l], x2 = B[b2 + l], x3 = B[b3 + l];
          C[c + l] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3;
          E[e + l] += f0 * x0 + f1 * x1 + f2 * x2 + f3 * x3;
        }
      }
    }
  }

  function transposed(A, n, m) {
    const T = new Float64Array(n * m);
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) T[j * n + i] = A[i * m + j];
    return T;
  }

  // Shapes of the parameters, in the order of grokkit.model.ModelConfig.shapes.
  function shapes({ p, d_model: d, n_heads: h, d_mlp: f }) {
    const head = [h, d, d / h];
    return { W_E: [p + 2, d], W_pos: [4, d], W_Q: head, W_K: head, W_V: head, W_O: [h, d / h, d], W_in: [d, f],
      b_in: [f], W_out: [f, d], b_out: [d], W_U: [d, p] };
  }
  const size = (shape) => shape.reduce((a, b) => a * b, 1);
  const zeros = (config) =>
    Object.fromEntries(Object.entries(shapes(config)).map(([name, shape]) => [name, new Float64Array(size(shape))]));

  // Uniform numbers in (0, 1) from a seed (mulberry32).
  function uniform(seed) {
    let state = (seed + 1) * 0x9e3779b9 | 0;
    return () => {
      state = state + 0x6d2b79f5 | 0;
      let t = Math.imul(state ^ state >>> 15, 1 | state);
      t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
      return ((t ^ t >>> 14) >>> 0) / 4294967296 + 1e-12;
    };
  }

  // Normal draws / sqrt(d_model), W_U's / sqrt(d_vocab), biases 0 (choice C4).
  function initialise(config, seed) {
    const draw = uniform(seed);
    const theta = zeros(config);
    for (const [name, weight] of Object.entries(theta)) {
      const scale = name[0] === "b" ? 0 : 1 / Math.sqrt(name === "W_U" ? config.p + 2 : config.d_model);
      for (let i = 0; i < weight.length; i++)
        weight[i] = scale * Math.sqrt(-2 * Math.log(draw())) * Math.cos(2 * Math.PI * draw());
    }
    return theta;
  }

  // All p^2 pairs in a random order; a train set is the first of them, so that train sets are nested.
  function order(p, seed) {
    const draw = uniform(seed + 1000);
    const rows = Int32Array.from({ length: p * p }, (_, i) => i);
    for (let i = rows.length - 1; i > 0; i--) {
      const j = Math.floor(draw() * (i + 1));
      [rows[i], rows[j]] = [rows[j], rows[i]];
    }
    return rows;
  }

  // Eq. (1) over the examples `rows` of x + y mod p (row x * p + y), accuracy, and with `slopes` the gradient.
  // Only the last position is computed, attention from tables of rows, as in grokkit.engine.batched.
  function evaluate(config, theta, rows, slopes) {
    const { p, d_model: d, n_heads: h, d_mlp: f } = config;
    const [k, n, R] = [d / h, rows.length, 2 * p + 2];
    const { W_E, W_pos, W_Q, W_K, W_V, W_O, W_in, b_in, W_out, b_out, W_U } = theta;
    const table = new Float64Array(R * d); // x slot, y slot, operation, `=`
    for (let m = 0; m < d; m++) {
      for (let t = 0; t < p; t++) {
        table[t * d + m] = W_E[t * d + m] + W_pos[m];
        table[(p + t) * d + m] = W_E[t * d + m] + W_pos[2 * d + m];
      }
      table[2 * p * d + m] = W_E[p * d + m] + W_pos[d + m];
      table[(R - 1) * d + m] = W_E[(p + 1) * d + m] + W_pos[3 * d + m];
    }
    const last = table.subarray((R - 1) * d);
    const query = new Float64Array(h * k), key = new Float64Array(d * h), score = new Float64Array(R * h);
    const V = new Float64Array(d * h * k); // W_V with the heads side by side
    for (let a = 0; a < h; a++) {
      multiply(last, W_Q.subarray(a * d * k), query.subarray(a * k, a * k + k), 1, d, k);
      for (let m = 0; m < d; m++) for (let c = 0; c < k; c++) {
        key[m * h + a] += W_K[(a * d + m) * k + c] * query[a * k + c] / Math.sqrt(k);
        V[m * d + a * k + c] = W_V[(a * d + m) * k + c];
      }
    }
    multiply(table, key, score, R, d, h);
    const value = new Float64Array(R * d), e = new Float64Array(R * h);
    multiply(table, V, value, R, d, d);
    for (let a = 0; a < h; a++) {
      let top = -Infinity;
      for (let r = 0; r < R; r++) top = Math.max(top, score[r * h + a]);
      for (let r = 0; r < R; r++) e[r * h + a] = Math.exp(Math.max(score[r * h + a] - top, -637));
    }
    const z = new Float64Array(n * d), total = new Float64Array(n * h), resid = new Float64Array(n * d);
    for (let i = 0; i < n; i++) {
      const four = [Math.floor(rows[i] / p), p + rows[i] % p, R - 2, R - 1];
      for (let a = 0; a < h; a++) {
        for (const r of four) total[i * h + a] += e[r * h + a];
        for (const r of four) {
          const share = e[r * h + a] / total[i * h + a];
          for (let c = a * k; c < a * k + k; c++) z[i * d + c] += share * value[r * d + c];
        }
      }
      resid.set(last, i * d);
    }
    multiply(z, W_O, resid, n, d, d); // [head, d_head, d_model] is [d, d]
    const hidden = new Float64Array(n * f), out = Float64Array.from(resid), logits = new Float64Array(n * p);
    for (let i = 0; i < n; i++) hidden.set(b_in, i * f);
    multiply(resid, W_in, hidden, n, d, f);
    for (let i = 0; i < n * f; i++) if (hidden[i] < 0) hidden[i] = 0;
    for (let i = 0; i < n; i++) for (let m = 0; m < d; m++) out[i * d + m] += b_out[m];
    multiply(hidden, W_out, out, n, f, d);
    multiply(out, W_U, logits, n, d, p);
    let [loss, right] = [0, 0];
    for (let i = 0; i < n; i++) { // the exact loss: log(1 + exp(log sum of the others - the right one))
      const own = i * p + (Math.floor(rows[i] / p) + rows[i] % p) % p;
      let [top, sum] = [-Infinity, 0];
      for (let l = i * p; l < i * p + p; l++) if (l !== own && logits[l] > top) top = logits[l];
      for (let l = i * p; l < i * p + p; l++) if (l !== own) sum += Math.exp(logits[l] - top);
      const margin = Math.log(sum) + top - logits[own];
      loss += (margin > 0 ? margin + Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin))) / n;
      right += logits[own] > top ? 1 / n : 0;
      const slope = 1 / (1 + Math.exp(-margin)) / n;
      for (let l = i * p; l < i * p + p; l++) logits[l] = l === own ? -slope : slope * Math.exp(logits[l] - top) / sum;
    }
    if (!slopes) return { loss, accuracy: right };

    const g = zeros(config); // `logits` now hold their slopes
    multiply(transposed(out, n, d), logits, g.W_U, d, n, p);
    const dOut = new Float64Array(n * d), dHidden = new Float64Array(n * f), dZ = new Float64Array(n * d);
    multiply(logits, transposed(W_U, d, p), dOut, n, p, d);
    multiply(transposed(hidden, n, f), dOut, g.W_out, f, n, d);
    multiply(dOut, transposed(W_out, f, d), dHidden, n, d, f);
    for (let i = 0; i < n; i++) {
      for (let m = 0; m < d; m++) g.b_out[m] += dOut[i * d + m];
      for (let j = 0; j < f; j++) {
        if (hidden[i * f + j] === 0) dHidden[i * f + j] = 0;
        g.b_in[j] += dHidden[i * f + j];
      }
    }
    multiply(transposed(resid, n, d), dHidden, g.W_in, d, n, f);
    multiply(dHidden, transposed(W_in, d, f), dOut, n, f, d); // now the slopes of `resid`
    multiply(transposed(z, n, d), dOut, g.W_O, d, n, d);
    multiply(dOut, transposed(W_O, d, d), dZ, n, d, d);
    const dTable = new Float64Array(R * d), dValue = new Float64Array(R * d), dScore = new Float64Array(R * h);
    const dLast = dTable.subarray((R - 1) * d);
    for (let i = 0; i < n; i++) {
      const four = [Math.floor(rows[i] / p), p + rows[i] % p, R - 2, R - 1];
      for (let m = 0; m < d; m++) dLast[m] += dOut[i * d + m];
      for (let a = 0; a < h; a++) {
        for (const r of four) {
          const share = e[r * h + a] / total[i * h + a];
          let pull = 0;
          for (let c = a * k; c < a * k + k; c++) {
            pull += dZ[i * d + c] * (value[r * d + c] - z[i * d + c]);
            dValue[r * d + c] += share * dZ[i * d + c];
          }
          dScore[r * h + a] += share * pull;
        }
      }
    }
    multiply(dValue, transposed(V, d, d), dTable, R, d, d);
    multiply(dScore, transposed(key, d, h), dTable, R, h, d);
    const dV = new Float64Array(d * d), dKey = new Float64Array(d * h);
    multiply(transposed(table, R, d), dValue, dV, d, R, d);
    multiply(transposed(table, R, d), dScore, dKey, d, R, h);
    for (let a = 0; a < h; a++) {
      for (let c = 0; c < k; c++) {
        let dQuery = 0;
        for (let m = 0; m < d; m++) {
          const at = (a * d + m) * k + c;
          g.W_V[at] = dV[m * d + a * k + c];
          g.W_K[at] = dKey[m * h + a] * query[a * k + c] / Math.sqrt(k);
          dQuery += dKey[m * h + a] * W_K[at] / Math.sqrt(k);
        }
        for (let m = 0; m < d; m++) {
          g.W_Q[(a * d + m) * k + c] = last[m] * dQuery;
          dLast[m] += W_Q[(a * d + m) * k + c] * dQuery;
        }
      }
    }
    for (let m = 0; m < d; m++) {
      for (let t = 0; t < p; t++) {
        g.W_E[t * d + m] = dTable[t * d + m] + dTable[(p + t) * d + m];
        g.W_pos[m] += dTable[t * d + m];
        g.W_pos[2 * d + m] += dTable[(p + t) * d + m];
      }
      g.W_E[p * d + m] = g.W_pos[d + m] = dTable[2 * p * d + m];
      g.W_E[(p + 1) * d + m] = g.W_pos[3 * d + m] = dLast[m];
    }
    return { loss, accuracy: right, gradient: g };
  }

  // A network with AdamW's moments; `step(rows)` is one epoch and returns what it was before it.
  function trainer(config, theta) {
    const { lr, weight_decay, beta1 = 0.9, beta2 = 0.98, eps = 1e-8 } = config;
    let [m, v, t] = [zeros(config), zeros(config), 0];
    return {
      theta,
      forget: () => { [m, v, t] = [zeros(config), zeros(config), 0]; },
      step(rows) {
        const { loss, accuracy, gradient } = evaluate(config, theta, rows, true);
        t += 1;
        const [c1, c2] = [1 - beta1 ** t, 1 - beta2 ** t];
        for (const [name, weight] of Object.entries(theta)) {
          const [g, m1, m2] = [gradient[name], m[name], v[name]];
          for (let i = 0; i < weight.length; i++) {
            m1[i] += (1 - beta1) * (g[i] - m1[i]);
            m2[i] = beta2 * m2[i] + (1 - beta2) * g[i] * g[i];
            weight[i] -= lr * (weight_decay * weight[i] + m1[i] / c1 / (Math.sqrt(m2[i] / c2) + eps));
          }
        }
        return { loss, accuracy };
      },
    };
  }

  function norm(theta) {
    let sum = 0;
    for (const weight of Object.values(theta)) for (const w of weight) sum += w * w;
    return Math.sqrt(sum);
  }

  // The operands' embeddings in the plane of their strongest frequency, [2, p], and that frequency.
  function circle({ p, d_model: d }, { W_E }) {
    let best = { power: -1 };
    for (let k = 1; k <= (p - 1) / 2; k++) {
      const [cos, sin] = [new Float64Array(d), new Float64Array(d)];
      for (let t = 0; t < p; t++) for (let m = 0; m < d; m++) {
        cos[m] += Math.cos(2 * Math.PI * k * t / p) * W_E[t * d + m];
        sin[m] += Math.sin(2 * Math.PI * k * t / p) * W_E[t * d + m];
      }
      const power = dot(cos, cos) + dot(sin, sin);
      if (power > best.power) best = { power, k, cos, sin };
    }
    const { k, cos, sin } = best;
    const first = cos.map((c) => c / Math.sqrt(dot(cos, cos)));
    const rest = sin.map((s, i) => s - dot(sin, first) * first[i]);
    const second = rest.map((s) => s / Math.sqrt(dot(rest, rest)));
    const along = (axis) => Array.from({ length: p }, (_, t) => dot(W_E.subarray(t * d, t * d + d), axis));
    return { frequency: k, x: along(first), y: along(second) };
  }
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

  // The Web Worker: it hears { config, seed, size } to begin, { size } to go on with fewer examples,
  // { pause }, and says every quarter of a second how training goes.
  function serve(port) {
    let [net, config, rows, all, epoch, going, last, next] = [null, null, null, null, 0, false, 0, null];
    const tell = () => {
      const now = evaluate(config, net.theta, rows, false);
      const test = evaluate(config, net.theta, rest(), false);
      port.postMessage({ epoch, size: rows.length, norm: norm(net.theta), circle: circle(config, net.theta),
        train_accuracy: now.accuracy, train_loss: now.loss, test_accuracy: test.accuracy, test_loss: test.loss });
      last = performance.now();
    };
    const rest = () => all.subarray(rows.length);
    const work = () => {
      if (!going) return;
      for (const until = performance.now() + 60; performance.now() < until; epoch++) net.step(rows);
      if (performance.now() - last > 250) tell();
      next = setTimeout(work, 0); // so that messages are heard in between
    };
    port.onmessage = ({ data }) => {
      if (data.config) {
        config = data.config;
        net = trainer(config, initialise(config, data.seed));
        all = order(config.p, data.seed);
        epoch = 0;
      }
      if (data.size) rows = all.subarray(0, data.size);
      if (data.size && !data.config) net.forget();
      const idle = !going;
      going = !data.pause;
      if (!going) clearTimeout(next);
      if (net) tell();
      if (going && idle) work();
    };
  }
  return { evaluate, initialise, order, trainer, circle, serve };
}

const SLIDERS = [
  { key: "size", html: "<i>D</i> examples", name: "examples to train on", low: 100, high: 900, step: 10, whole: true },
  { key: "weight_decay", html: "weight decay", name: "weight decay", low: 0, high: 4, step: 0.1 },
  { key: "seed", html: "seed", name: "seed", low: 0, high: 20, step: 1, whole: true },
  { key: "fewer", html: "<i>D</i>′ examples left", name: "examples left", low: 20, high: 900, step: 10, whole: true },
];
const KEYS = ["p", "d_model", "n_heads", "d_mlp", "lr", "weight_decay", "beta1", "beta2", "eps"];
const LOSS = [{ key: "train_loss", name: "train loss", colour: COLOURS.train },
  { key: "test_loss", name: "test loss", colour: COLOURS.test, dash: "7 3" },
  { key: "norm", name: "parameter norm", colour: COLOURS.norm, dash: "2 3" }];

function render({ model, el }) {
  const titles = ["Accuracy", "Loss (nats) and parameter norm, log scale", "The numbers in the plane of one frequency"];
  const { root, charts, hosts, status } = layout(el, "A network that trains in this page", titles);
  const train = button("Train", { "data-action": "train" }, begin);
  const take = button("Take data away", { "data-action": "take" }, goOn);
  const pause = button("Pause", { "data-action": "pause" }, () => hold(!going));
  let looked = null; // an epoch that is over and looked at again; null: the newest
  const lookAt = (epoch) => { looked = epoch >= (log.at(-1)?.epoch ?? 0) ? null : epoch; later(); };
  const cursor = (epoch, pressed) => { if (pressed) lookAt(epoch); };
  const [accuracy, loss, plane] = [cursor, cursor, null].map((move, i) => chart(hosts[i], 230, move));
  const slider = element("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "epoch to look at", "data-key": "look" });
  const when = element("output", { "aria-live": "off" });
  slider.addEventListener("input", () => lookAt(log[Number(slider.value)]?.epoch ?? 0));
  const names = legend([...ACCURACIES, LOSS[2]].map((line) => ({ ...line, name: line.name.replace("accuracy", "accuracy, loss") })));
  const controls = sliders(model, SLIDERS, "What to train");
  root.append(element("div", { class: "gk-x-buttons" }, train, take, pause), status, charts,
    element("label", {}, element("span", {}, "look at epoch"), slider, when), names.list, controls.field);

  let [worker, log, taken, going] = [null, [], null, false];
  const wanted = () => ["size", "weight_decay", "seed"].map((key) => model.get(key));
  let trained = wanted();

  // The row of the log that is looked at: the newest, or the one nearest to an earlier epoch.
  const row = () => (looked === null ? log.length - 1
    : log.reduce((best, { epoch }, i) => (Math.abs(epoch - looked) < Math.abs(log[best].epoch - looked) ? i : best), 0));

  function paint() {
    slider.max = Math.max(0, log.length - 1);
    slider.value = row();
    const now = log[row()] ?? { epoch: 0, circle: { x: [], y: [] } };
    const x = { title: "epoch", low: 0, high: Math.max(200, log.at(-1)?.epoch ?? 0) };
    when.textContent = show(now.epoch);
    slider.setAttribute("aria-valuetext", `epoch ${show(now.epoch)}`);
    const epochs = log.map((row) => row.epoch);
    const line = ({ key, colour, dash }) => ({ x: epochs, y: log.map((row) => Math.max(row[key], 1e-9)), colour, dash });
    const rules = taken === null ? [] : [{ x: taken, text: `${show(log.at(-1).size)} examples from here` }];
    const past = looked === null ? undefined : now.epoch;
    const losses = log.flatMap((row) => [row.train_loss, row.test_loss, row.norm]);
    const at = (list) => list.map(({ key, name }) => `${name} ${show(now[key] ?? NaN)}`).join(", ");
    accuracy.draw({ label: `Accuracy after ${show(now.epoch)} epochs: ${at(ACCURACIES)}`, x, y: { low: 0, high: 1.03 },
      lines: ACCURACIES.map(line), rules, cursor: past });
    loss.draw({ label: `After ${show(now.epoch)} epochs: ${at(LOSS)}`, x,
      y: { log: true, low: Math.max(1e-9, Math.min(0.1, ...losses)), high: Math.max(50, ...losses) }, lines: LOSS.map(line), rules,
      cursor: past });
    const reach = 1.1 * Math.max(0.5, ...now.circle.x.map(Math.abs), ...now.circle.y.map(Math.abs));
    const { frequency, x: across, y: up } = now.circle;
    const step = stride(frequency, model.get("p"));
    const by = (list) => Array.from(list, (_, i) => list[(i * step) % list.length]);
    plane.draw({ label: `Embeddings of the ${show(across.length)} numbers in the plane of frequency ${frequency ?? "none"}`,
      x: { title: frequency ? `along cos(2π · ${frequency} t / ${model.get("p")})` : "not trained yet", low: -reach, high: reach },
      y: { low: -reach, high: reach }, lines: across.length ? [{ x: by(across), y: by(up), colour: COLOURS.gen, width: 1 }] : [],
      dots: across.map((value, i) => ({ x: value, y: up[i], colour: COLOURS.gen })) });
    const told = [...ACCURACIES.map(({ key }) => [key, key.replace("accuracy", "loss")]), [LOSS[2].key]];
    names.set(told.map((keys) => (log.length ? keys.map((key) => show(now[key])).join(", ") : "")));
  }

  function say() {
    const now = log[row()];
    train.textContent = log.length ? "Train a new one" : "Train";
    pause.textContent = going ? "Pause" : "Go on";
    pause.disabled = !log.length;
    take.disabled = !log.length || model.get("fewer") === log.at(-1).size;
    const left = `${show(model.get("fewer"))} examples`;
    let text = `Epoch ${show(now?.epoch)}: the network is fitting its examples.`;
    if (!now) text = `Press Train: a transformer learns x + y mod ${model.get("p")} from ${show(model.get("size"))} of its ${show(model.get("p") ** 2)} sums, here in this page.`;
    else if (taken !== null && now.epoch > taken) text = `Epoch ${show(now.epoch)}: on ${show(now.size)} examples now, it gets ${(100 * now.test_accuracy).toFixed(0)}% of the other sums right.`;
    else if (now.test_accuracy > 0.98) text = `Epoch ${show(now.epoch)}: it has grokked. Choose how many examples to leave (D′), then press Take data away.`;
    else if (now.train_accuracy > 0.99) text = `Epoch ${show(now.epoch)}: it has memorised its examples and gets ${(100 * now.test_accuracy).toFixed(0)}% of the others right. ${now.test_accuracy > 0.9 ? "It is finding the rule." : now.epoch > 1000 ? "With few examples, or without weight decay, it may stay so." : "Wait."}`;
    if (log.length && trained.some((value, i) => value !== wanted()[i])) text += " The changed sliders count for the next network: press Train a new one.";
    tell(status, text);
    take.textContent = log.length && model.get("fewer") > log.at(-1).size ? "Give more data" : "Take data away";
    take.title = `Go on with ${left}`;
  }

  const later = throttle(() => { paint(); say(); controls.read(); });
  function begin() {
    worker?.terminate();
    const url = URL.createObjectURL(new Blob([`(${engine})().serve(self)`], { type: "text/javascript" }));
    worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.onmessage = ({ data }) => {
      if (log.at(-1)?.epoch === data.epoch) log.pop(); // told again, with other examples
      log.push(data);
      if (log.length > 600) log = log.filter((_, i) => i % 2 === 0 || i === log.length - 1);
      later();
    };
    [log, taken, going, looked, trained] = [[], null, true, null, wanted()];
    worker.postMessage({ config: valuesOf(model, KEYS), seed: model.get("seed"), size: model.get("size") });
    later();
  }
  function goOn() {
    [taken, looked, going] = [log.at(-1).epoch, null, true];
    worker.postMessage({ size: model.get("fewer") });
    later();
  }
  const hold = (value) => { going = value; worker?.postMessage({ pause: !value }); later(); };
  const hidden = () => { if (document.hidden && going) hold(false); };
  document.addEventListener("visibilitychange", hidden);
  for (const { key } of SLIDERS) model.on(`change:${key}`, later);
  later();
  return () => {
    worker?.terminate();
    document.removeEventListener("visibilitychange", hidden);
    for (const each of [accuracy, loss, plane]) each.stop();
  };
}
export default { render };
