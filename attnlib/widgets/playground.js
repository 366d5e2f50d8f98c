/** The model and its training: a function whole in itself, since its text is also the
 * text of a worker. It needs `uniforms` and `normals`. */
function trainingKit() {
  const [D, BATCH, TESTED, NOTHING] = [32, 32, 128, -1];
  const words = (text) => text.split(" ");
  const ANIMALS = words("animal dog cat horse cow sheep goat fox bear rabbit hen pig");
  const PLACES = words("street road river bridge field lake canyon park hill beach path yard");
  const TIRED = words("tired hungry scared sleepy weak ill thirsty nervous");
  const WIDE = words("wide deep muddy steep crowded icy flooded narrow");
  const VERBS = words("cross enter reach explore visit leave");
  const DONE = words("crossed entered reached explored visited left");
  const ADVERBS = words("yesterday today again once later");
  const REST = words("the didn't wasn't by because it was too");
  const ALL = [ANIMALS, PLACES, TIRED, WIDE, VERBS, DONE, ADVERBS, REST].flat();
  const LETTERS = words("a b c d e f g h i j k l m n o p q r s t u v w x");
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const one = (i) => [i, NOTHING];

  /** Each task: V rows of the table of tokens, how many uniform numbers an example
   * takes, `draw` makes one of them, `name` writes a token. `answers` are classes, one
   * for each slot of each place from `from` on; a pointer's answer is a place. */
  const TASKS = {
    "two look-ups": {
      V: 80, drawn: 38, slots: 2, classes: 8, unseen: [24, 32],
      draw(u) {
        const names = range(24).sort((i, j) => u[i] - u[j]).slice(0, 12);
        const values = names.map((_, i) => Math.floor(8 * u[24 + i]));
        const first = Math.floor(12 * u[36]);
        const asked = [first, (first + 1 + Math.floor(11 * u[37])) % 12];
        return {
          tokens: [...names.map((name, i) => [name, 24 + values[i]]),
            [32 + names[asked[0]], 56 + names[asked[1]]]],
          from: 12, answers: asked.map((i) => values[i]),
        };
      },
      name: ([a, b]) => (a < 32 ? `${LETTERS[a]} ${b - 24}`
        : `${LETTERS[a - 32]}, ${LETTERS[b - 56]}?`),
    },
    "the sentence": {
      V: ALL.length, drawn: 7, slots: 1, classes: 0, pointer: true,
      draw(u, held) {
        const [animal, place] = [Math.floor(12 * u[0]), Math.floor(12 * u[1])];
        const mean = u[2] < 0.5 ? 0 : 1;
        const own = 2 * ([animal, place][mean] % 4);
        const other = Math.floor(6 * u[3]);
        const kind = held ? own + Math.floor(2 * u[3]) : other < own ? other : other + 2;
        const verb = Math.floor(6 * u[4]);
        const adverb = Math.floor(6 * u[6]);
        const rest = (word) => 57 + REST.indexOf(word);
        const passive = u[5] < 0.5;
        const middle = passive
          ? [12 + place, rest("wasn't"), 46 + verb, rest("by"), rest("the"), animal]
          : [animal, rest("didn't"), 40 + verb, rest("the"), 12 + place];
        const tokens = [...(adverb ? [51 + adverb] : []), rest("the"), ...middle,
          ...["because", "it", "was", "too"].map(rest), 24 + 8 * mean + kind];
        return {
          tokens: tokens.map(one), from: tokens.indexOf(rest("it")),
          answers: [tokens.indexOf(mean ? 12 + place : animal)],
        };
      },
      name: ([a]) => ALL[a],
    },
    "marked recall": {
      V: 32, drawn: 33, slots: 1, classes: 16,
      draw(u) {
        const where = Math.floor(32 * u[32]);
        const symbols = range(32).map((i) => Math.floor(16 * u[i]));
        return { tokens: symbols.map((s, i) => one(s + 16 * (i === where))), from: 31,
          answers: [symbols[where]] };
      },
      name: ([a]) => (a < 16 ? LETTERS[a] : `[${LETTERS[a - 16]}]`),
    },
    "three back": {
      V: 16, drawn: 16, slots: 1, classes: 16,
      draw(u) {
        const symbols = range(16).map((i) => Math.floor(16 * u[i]));
        return { tokens: symbols.map(one), from: 3, answers: symbols.slice(0, 13) };
      },
      name: ([a]) => LETTERS[a],
    },
    parity: {
      V: 2, drawn: 8, slots: 1, classes: 2,
      draw(u) {
        const bits = range(8).map((i) => Math.floor(2 * u[i]));
        let odd = 0;
        return { tokens: bits.map(one), from: 0, answers: bits.map((b) => (odd ^= b)) };
      },
      name: ([a]) => String(a),
    },
  };

  const streamOf = (seed, number) =>
    (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0;

  function drawBatch(task, seed, number, size, held) {
    const { drawn, draw } = TASKS[task];
    const u = uniforms(streamOf(seed, number), size * drawn);
    return range(size).map((b) => draw(u.subarray(b * drawn, (b + 1) * drawn), held));
  }
  const testBatch = (task, seed, size = TESTED) => drawBatch(task, seed, 999_999, size, true);

  /** The parameters one after another, [name, rows, columns, spread at the start]. */
  function layoutOf({ task, layers, mlp, spread }) {
    const { V, slots, classes } = TASKS[task];
    const square = 1 / Math.sqrt(D);
    const parts = [["embed", V, D, spread]];
    for (let l = 0; l < layers; l++) {
      for (const name of ["query", "key", "value", "out"]) {
        parts.push([`${name}${l}`, D, D, square]);
      }
      if (mlp) {
        parts.push([`hidden${l}`, D, 4 * D, square], [`hidden_bias${l}`, 1, 4 * D, 0],
          [`back${l}`, 4 * D, D, square / 2], [`back_bias${l}`, 1, D, 0]);
      }
    }
    if (classes) {
      parts.push(["read", D, slots * classes, square], ["read_bias", 1, slots * classes, 0]);
    }
    return parts;
  }

  function startOf(settings) {
    const layout = layoutOf(settings);
    const size = layout.reduce((sum, [, rows, columns]) => sum + rows * columns, 0);
    const theta = normals(streamOf(settings.seed, 0), size);
    let at = 0;
    for (const [, rows, columns, spread] of layout) {
      for (const end = at + rows * columns; at < end; at++) theta[at] *= spread;
    }
    return theta;
  }

  /** name → that part of a long vector. */
  function partsOf(vector, layout) {
    const parts = {};
    let at = 0;
    for (const [name, rows, columns] of layout) {
      parts[name] = vector.subarray(at, at += rows * columns);
    }
    return parts;
  }

  // out (m, n) += a (m, k) b (k, n)
  function add(out, a, b, m, k, n) {
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const x = a[i * k + p];
        for (let j = 0, o = i * n, r = p * n; j < n; j++) out[o++] += x * b[r++];
      }
    }
    return out;
  }
  // out (k, n) += a (m, k)^T b (m, n)
  function addLeft(out, a, b, m, k, n) {
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const x = a[i * k + p];
        if (x) for (let j = 0, o = p * n, r = i * n; j < n; j++) out[o++] += x * b[r++];
      }
    }
  }
  // out (m, k) += a (m, n) b (k, n)^T
  function addRight(out, a, b, m, k, n) {
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        let sum = 0;
        for (let j = 0, o = i * n, r = p * n; j < n; j++) sum += a[o++] * b[r++];
        out[i * k + p] += sum;
      }
    }
  }
  function addRows(out, rows, m, n) {
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j] += rows[i * n + j];
  }
  const repeat = (bias, m) => {
    const n = bias.length;
    const out = new Float64Array(m * n);
    for (let i = 0; i < m; i++) out.set(bias, i * n);
    return out;
  };

  /** The sinusoids of 32 places. */
  const waves = Float64Array.from({ length: 32 * D }, (_, at) => {
    const e = at % D;
    const angle = ((at - e) / D) * 10000 ** (-(e - (e % 2)) / D);
    return e % 2 ? Math.cos(angle) : Math.sin(angle);
  });

  /** Everything from tokens to loss, all examples one below the other; what the way back
   * needs is kept. */
  function forward(settings, p, batch) {
    const { heads: H, layers, mlp, scaled, positions, causal, task } = settings;
    const { unseen = [0, 0], classes, slots, pointer } = TASKS[task];
    const E = D / H;
    const scale = scaled ? 1 / Math.sqrt(E) : 1;
    const starts = [0];
    for (const { tokens } of batch) starts.push(starts.at(-1) + tokens.length);
    const T = starts.at(-1);
    const fresh = (n = D) => new Float64Array(T * n);
    const [x0, s0] = [fresh(), fresh()];
    batch.forEach(({ tokens }, b) => tokens.forEach((token, i) => {
      const o = (starts[b] + i) * D;
      for (const row of token) {
        if (row === NOTHING) continue;
        const seen = row < unseen[0] || row >= unseen[1];
        for (let e = 0; e < D; e++) {
          const value = p.embed[row * D + e];
          x0[o + e] += value;
          if (seen) s0[o + e] += value;
        }
      }
      if (positions) {
        for (let e = 0; e < D; e++) {
          x0[o + e] += waves[i * D + e];
          s0[o + e] += waves[i * D + e];
        }
      }
    }));
    let x = x0;
    const kept = [];
    for (let l = 0; l < layers; l++) {
      const s = l ? x : s0;
      const [q, k] = ["query", "key"].map((n) => add(fresh(), s, p[n + l], T, D, D));
      const v = add(fresh(), x, p[`value${l}`], T, D, D);
      const mixed = fresh();
      const weights = []; // one (H, n, n) for each example
      batch.forEach(({ tokens: { length: n } }, b) => {
        const all = new Float64Array(H * n * n);
        weights.push(all);
        for (let h = 0; h < H; h++) {
          for (let i = 0; i < n; i++) {
            const row = (h * n + i) * n;
            const keys = causal ? i + 1 : n;
            const qi = (starts[b] + i) * D + h * E;
            let most = -Infinity;
            for (let j = 0; j < keys; j++) {
              const kj = (starts[b] + j) * D + h * E;
              let sum = 0;
              for (let e = 0; e < E; e++) sum += q[qi + e] * k[kj + e];
              all[row + j] = sum *= scale;
              if (sum > most) most = sum;
            }
            let total = 0;
            for (let j = 0; j < keys; j++) total += all[row + j] = Math.exp(all[row + j] - most);
            for (let j = 0; j < keys; j++) {
              const w = all[row + j] /= total;
              const vj = (starts[b] + j) * D + h * E;
              for (let e = 0; e < E; e++) mixed[qi + e] += w * v[vj + e];
            }
          }
        }
      });
      const y = add(x.slice(), mixed, p[`out${l}`], T, D, D);
      const layer = { s, x, q, k, v, mixed, weights, y };
      if (mlp) {
        const z = add(repeat(p[`hidden_bias${l}`], T), y, p[`hidden${l}`], T, D, 4 * D);
        layer.relu = z.map((value) => (value > 0 ? value : 0));
        x = y.slice();
        for (let t = 0; t < T; t++) for (let e = 0; e < D; e++) x[t * D + e] += p[`back_bias${l}`][e];
        add(x, layer.relu, p[`back${l}`], T, 4 * D, D);
      } else x = y;
      kept.push(layer);
    }
    // the answers
    let [loss, right, asked] = [0, 0, 0];
    const shares = []; // of each answer, softmax less one-hot, for the way back
    const rows = [];
    batch.forEach(({ from, answers, tokens: { length: n } }, b) => {
      if (pointer) {
        const all = kept.at(-1).weights[b];
        const mean = new Float64Array(n);
        for (let h = 0; h < H; h++) for (let j = 0; j < n; j++) mean[j] += all[(h * n + from) * n + j] / H;
        const found = mean[answers[0]];
        loss -= Math.log(found + 1e-9);
        right += mean.indexOf(Math.max(...mean)) === answers[0];
        asked += 1;
        shares.push(-1 / (found + 1e-9) / H);
      } else {
        for (let r = 0; r < answers.length / slots; r++) {
          const t = starts[b] + from + r;
          const logits = add(repeat(p.read_bias, 1), x.subarray(t * D, (t + 1) * D), p.read, 1, D, slots * classes);
          for (let c = 0; c < slots; c++) {
            const part = logits.subarray(c * classes, (c + 1) * classes);
            const answer = answers[r * slots + c];
            const most = Math.max(...part);
            right += part.indexOf(most) === answer;
            const mine = part[answer] - most;
            let total = 0;
            for (let j = 0; j < classes; j++) total += part[j] = Math.exp(part[j] - most);
            for (let j = 0; j < classes; j++) part[j] /= total;
            loss += Math.log(total) - mine;
            part[answer] -= 1;
            asked += 1;
          }
          rows.push(t);
          shares.push(logits);
        }
      }
    });
    return { kept, x, starts, T, rows, shares, asked, loss: loss / asked, right: right / asked };
  }

  function backward(settings, p, g, batch, found) {
    const { heads: H, layers, mlp, scaled, causal, task } = settings;
    const { unseen = [0, 0], classes, slots, pointer } = TASKS[task];
    const E = D / H;
    const scale = scaled ? 1 / Math.sqrt(E) : 1;
    const { kept, starts, T, asked } = found;
    const fresh = (n = D) => new Float64Array(T * n);
    let dx = fresh();
    let ds0;
    if (!pointer) {
      const C = slots * classes;
      found.rows.forEach((t, r) => {
        const d = found.shares[r];
        for (let c = 0; c < C; c++) d[c] /= asked;
        addLeft(g.read, found.x.subarray(t * D, (t + 1) * D), d, 1, D, C);
        addRows(g.read_bias, d, 1, C);
        addRight(dx.subarray(t * D, (t + 1) * D), d, p.read, 1, D, C);
      });
    }
    for (let l = layers - 1; l >= 0; l--) {
      const { s, x, q, k, v, mixed, weights, y, relu } = kept[l];
      if (mlp) {
        addRows(g[`back_bias${l}`], dx, T, D);
        addLeft(g[`back${l}`], relu, dx, T, 4 * D, D);
        const dz = fresh(4 * D);
        addRight(dz, dx, p[`back${l}`], T, 4 * D, D);
        for (let i = 0; i < dz.length; i++) if (relu[i] <= 0) dz[i] = 0;
        addRows(g[`hidden_bias${l}`], dz, T, 4 * D);
        addLeft(g[`hidden${l}`], y, dz, T, D, 4 * D);
        addRight(dx, dz, p[`hidden${l}`], T, D, 4 * D); // beside the path around the MLP
      }
      addLeft(g[`out${l}`], mixed, dx, T, D, D);
      const dmixed = fresh();
      addRight(dmixed, dx, p[`out${l}`], T, D, D);
      const [dq, dk, dv] = [fresh(), fresh(), fresh()];
      batch.forEach(({ from, answers, tokens: { length: n } }, b) => {
        const dw = new Float64Array(n);
        for (let h = 0; h < H; h++) {
          for (let i = 0; i < n; i++) {
            const row = (h * n + i) * n;
            const keys = causal ? i + 1 : n;
            const qi = (starts[b] + i) * D + h * E;
            let mean = 0;
            for (let j = 0; j < keys; j++) {
              const vj = (starts[b] + j) * D + h * E;
              const w = weights[b][row + j];
              let sum = 0;
              for (let e = 0; e < E; e++) {
                sum += dmixed[qi + e] * v[vj + e];
                dv[vj + e] += w * dmixed[qi + e];
              }
              if (pointer && l === layers - 1 && i === from && j === answers[0]) {
                sum += found.shares[b] / asked;
              }
              dw[j] = sum;
              mean += w * sum;
            }
            for (let j = 0; j < keys; j++) {
              const d = weights[b][row + j] * (dw[j] - mean) * scale;
              const kj = (starts[b] + j) * D + h * E;
              for (let e = 0; e < E; e++) {
                dq[qi + e] += d * k[kj + e];
                dk[kj + e] += d * q[qi + e];
              }
            }
          }
        }
      });
      addLeft(g[`query${l}`], s, dq, T, D, D);
      addLeft(g[`key${l}`], s, dk, T, D, D);
      addLeft(g[`value${l}`], x, dv, T, D, D);
      ds0 = l ? dx : fresh();
      addRight(ds0, dq, p[`query${l}`], T, D, D);
      addRight(ds0, dk, p[`key${l}`], T, D, D);
      addRight(dx, dv, p[`value${l}`], T, D, D);
    }
    batch.forEach(({ tokens }, b) => tokens.forEach((token, i) => {
      const o = (starts[b] + i) * D;
      for (const row of token) {
        if (row === NOTHING) continue;
        const seen = row < unseen[0] || row >= unseen[1];
        for (let e = 0; e < D; e++) g.embed[row * D + e] += dx[o + e] + (seen ? ds0[o + e] : 0);
      }
    }));
  }

  /** A model in training: `train` takes one step of Adam, by torch's formula. */
  function begin(settings, size = BATCH) {
    const { task, seed, rate } = settings;
    const layout = layoutOf(settings);
    const theta = startOf(settings);
    const [m, v, grad] = [0, 0, 0].map(() => new Float64Array(theta.length));
    const [p, g] = [partsOf(theta, layout), partsOf(grad, layout)];
    const test = testBatch(task, seed);
    const run = {
      step: 0, theta,
      test: () => forward(settings, p, test),
      look: () => forward(settings, p, test.slice(0, 1)).kept.map(({ weights: [w] }) => w),
      train() {
        run.step += 1;
        const batch = drawBatch(task, seed, run.step, size, false);
        const found = forward(settings, p, batch);
        grad.fill(0);
        backward(settings, p, g, batch, found);
        const root = Math.sqrt(1 - 0.999 ** run.step);
        const pace = rate / (1 - 0.9 ** run.step);
        for (let i = 0; i < theta.length; i++) {
          m[i] += 0.1 * (grad[i] - m[i]);
          v[i] = 0.999 * v[i] + 0.001 * grad[i] * grad[i];
          theta[i] -= (pace * m[i]) / (Math.sqrt(v[i]) / root + 1e-8);
        }
        return found;
      },
    };
    return run;
  }
  return { TASKS, D, begin, forward, testBatch, drawBatch, layoutOf, startOf, partsOf };
}

/** Trains in turns of a few milliseconds and tells what came of it; runs in a worker,
 * or in the page where there is none. */
function trainingLoop(kit, tell) {
  const last = { at: 0, losses: [], tested: [] };
  let [run, left, timer, id, every] = [null, 0, 0, 0, 0];
  const report = () => {
    tell({ id, step: run.step, running: left > 0, losses: last.losses,
      tested: last.tested, weights: run.look() });
    [last.at, last.losses, last.tested] = [performance.now(), [], []];
  };
  const turn = () => {
    const end = performance.now() + 30;
    while (left > 0 && performance.now() < end) {
      const { loss } = run.train();
      left -= 1;
      last.losses.push(loss);
      if (run.step % 10 === 0 || left === 0) last.tested.push([run.step, run.test().right]);
      if (!Number.isFinite(loss)) left = 0;
    }
    if (left === 0 || performance.now() > last.at + every) report();
    if (left > 0) timer = setTimeout(turn, 0);
  };
  return (order) => {
    clearTimeout(timer);
    if (order.id !== id) {
      run = kit.begin(order.settings);
      [last.losses, last.tested] = [[], []];
    }
    ({ id, every } = order);
    left = order.steps;
    turn();
  };
}

/** What takes orders and tells: a worker made of the text of the functions above. */
function trainer(tell) {
  let order;
  let worker;
  const here = () => {
    const loop = trainingLoop(trainingKit(), tell);
    order = loop;
    return loop;
  };
  try {
    const text = [uniforms, normals, trainingKit, trainingLoop].join("\n")
      + "\nconst loop = trainingLoop(trainingKit(), postMessage);"
      + "\nonmessage = ({ data }) => loop(data);";
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    worker = new Worker(address);
    let latest;
    worker.onmessage = ({ data }) => tell(data);
    worker.onerror = () => { // the page's rules forbid it
      worker.terminate();
      here()(latest);
    };
    order = (message) => { latest = message; worker.postMessage(message); };
  } catch {
    here();
  }
  return { order: (message) => order(message), end: () => worker?.terminate() };
}

// ---- the figure -------------------------------------------------------------------------

const kit = trainingKit();
const TRAINING = ["task", "heads", "layers", "mlp", "scaled", "positions", "causal",
  "spread", "rate", "seed"];
const KEYS = [...TRAINING, "layer", "head"];
const MOST = 2000; // steps
const PRESETS = { // as in the chapters, or nearly so
  "two look-ups": { heads: 2 },
  "the sentence": { heads: 1, layers: 2, spread: 0.5 },
  "marked recall": { heads: 1, spread: 0.5 },
  "three back": { heads: 1, positions: true },
  parity: { heads: 4, layers: 2, mlp: true, positions: true, causal: true, rate: 0.003,
    spread: 0.5 },
};
const PLAIN = { heads: 2, layers: 1, mlp: false, scaled: true, positions: false,
  causal: false, spread: 1, rate: 0.01 };

/** The first test example, and which row of its weights answers last. */
function exampleOf({ task, seed }) {
  const { pointer, name } = kit.TASKS[task];
  const [example] = kit.testBatch(task, seed, 1);
  const n = example.tokens.length;
  return { example, n, row: pointer ? example.from : n - 1,
    names: example.tokens.map(name) };
}

/** Weights before training: (layers), each (heads, n, n) in one long row. */
function weightsAtStart(state, { example }) {
  const parts = kit.partsOf(kit.startOf(state), kit.layoutOf(state));
  return kit.forward(state, parts, [example]).kept.map(({ weights: [all] }) => all);
}

const shownOf = ({ layer, head, layers, heads }) =>
  [Math.min(layer, layers - 1), Math.min(head, heads - 1)];

function summary(state, all, { n, row }) {
  const [layer, head] = shownOf(state);
  const weights = Array.from({ length: n }, (_, i) =>
    [...all[layer].subarray((head * n + i) * n, (head * n + i + 1) * n)]);
  return {
    weights,
    largest_weight: Math.max(...weights[row]),
    effective_keys: Math.exp(entropy(weights[row])),
  };
}

function numbers(state) {
  const shown = exampleOf(state);
  return {
    parameters: kit.layoutOf(state).reduce((sum, [, m, n]) => sum + m * n, 0),
    guessing: 1 / (kit.TASKS[state.task].classes || 2),
    ...summary(state, weightsAtStart(state, shown), shown),
  };
}

/** A curve over the steps: `show(points, top, marks)`; points are [step, value]. */
function curveView(title, label) {
  const line = svg("path", { class: "attn-curve", "vector-effect": "non-scaling-stroke" });
  const level = svg("line", { class: "attn-axis", x1: 50, x2: 296, "stroke-dasharray": "4 4" });
  const text = (x, y, anchor) => svg("text", { x, y, "text-anchor": anchor });
  const [high, low, first, lastStep, name] = [text(46, 17, "end"), text(46, 144, "end"),
    text(50, 162, "start"), text(296, 162, "end"), text(294, 0, "end")];
  const picture = svg("svg", { viewBox: "0 0 300 168", role: "img" },
    svg("path", { class: "attn-axis", d: "M50 10V140H296", fill: "none" }),
    level, line, high, low, first, lastStep, name);
  picture.show = (points, top, steps, [height, word]) => {
    const y = (value) => 140 - 130 * Math.min(1, Math.max(0, value / top));
    line.setAttribute("d", points.map(([step, value], i) =>
      `${i ? "L" : "M"}${(50 + (246 * step) / steps).toFixed(1)} ${y(value).toFixed(1)}`)
      .join(""));
    level.setAttribute("y1", y(height));
    level.setAttribute("y2", y(height));
    name.setAttribute("y", y(height) - 4);
    name.textContent = word;
    high.textContent = label(top);
    low.textContent = label(0);
    first.textContent = "0";
    lastStep.textContent = `${steps} steps`;
    const end = points.at(-1);
    picture.setAttribute("aria-label", `${title} against steps: ${end
      ? `${label(end[1])} at step ${end[0]}` : "nothing yet"}; ${word} ${label(height)}.`);
  };
  return h("figure", {}, picture, h("figcaption", {}, title));
}

/** Means of at most 150 stretches of a long list: [[step, mean], ...]. */
function thinned(losses) {
  const wide = Math.ceil(losses.length / 150);
  const points = [];
  for (let i = 0; i < losses.length; i += wide) {
    const part = losses.slice(i, i + wide);
    points.push([i + part.length, part.reduce((a, b) => a + b) / part.length]);
  }
  return points;
}

/** The weights of one head with its tokens' names; the row that answers is framed. */
function mapView() {
  const picture = svg("svg", { role: "img", style: "max-width: 27rem" });
  let [made, cells] = ["", []];
  const build = (names, row) => {
    const n = names.length;
    const left = 14 + 9 * Math.max(...names.map((name) => name.length));
    const width = 384 - left;
    const side = width / n;
    const at = (i) => left + i * side;
    const few = (name, i) => n <= 16 || i === row || name.length > 1;
    const write = (name, x, y, turn, anchor) => svg("text", { "text-anchor": anchor,
      transform: `translate(${x} ${y})${turn ? ` rotate(${turn})` : ""}` }, name);
    cells = names.map((_, i) => names.map((__, j) => svg("rect",
      { x: at(j), y: at(i), width: side, height: side, class: "attn-bar", "fill-opacity": 0 })));
    picture.setAttribute("viewBox", `0 ${left - 0.9 * left - 8} 400 ${392 - 0.1 * left}`);
    picture.replaceChildren(...cells.flat(),
      svg("rect", { x: left, y: left, width, height: width, fill: "none",
        class: "attn-axis" }),
      svg("rect", { x: left, y: at(row), width, height: side, fill: "none",
        style: "stroke: var(--attn-query); stroke-width: 2" }),
      ...names.flatMap((name, i) => (few(name, i) ? [
        write(name, left - 6, at(i) + side / 2 + 4, 0, "end"),
        write(name, at(i) + side / 2 + 4, left - 6, -60, "start")] : [])));
  };
  picture.show = (weights, { names, row }, label) => {
    const now = `${names} ${row}`;
    if (made !== now) build(names, row);
    made = now;
    weights.forEach((line, i) => line.forEach((w, j) =>
      cells[i][j].setAttribute("fill-opacity", w.toFixed(2))));
    picture.setAttribute("aria-label", label);
  };
  return picture;
}

/** A button with a small picture for each head of each layer. */
function headButtons(pick) {
  const box = h("div", { class: "attn-heads", role: "group", "aria-label": "Heads" });
  let [made, maps] = ["", []];
  box.show = (all, n, { layers, heads }, [layer, head]) => {
    if (made !== `${layers} ${heads} ${n}`) {
      made = `${layers} ${heads} ${n}`;
      maps = Array.from({ length: layers * heads }, (_, i) => {
        const canvas = h("canvas", { width: n, height: n, "aria-hidden": "true" });
        const pen = canvas.getContext("2d");
        const image = pen.createImageData(n, n);
        new Uint32Array(image.data.buffer).fill(0x00c8852f);
        const [l, at] = [Math.floor(i / heads), i % heads];
        const item = button("", () => pick(l, at));
        item.append(canvas, `${layers > 1 ? `layer ${l}, ` : ""}head ${at}`);
        return { l, at, pen, image, item };
      });
      box.replaceChildren(...maps.map(({ item }) => item));
    }
    maps.forEach(({ l, at, pen, image, item }) => {
      for (let i = 0; i < n * n; i++) image.data[4 * i + 3] = 255 * all[l][at * n * n + i];
      pen.putImageData(image, 0, 0);
      item.setAttribute("aria-pressed", String(l === layer && at === head));
    });
  };
  return box;
}

function render({ model, el }) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let [worker, id, trained, shown, past, spoken] = [null, 0, "", null, null, 0];
  const current = () => Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));

  const line = liveLine();
  const problem = h("p", { class: "attn-error", role: "alert" });
  const told = [
    ["step", stated("step", 0)],
    ["loss, last 10 steps", stated("loss", 3)],
    ["right, of 128 new examples", stated("right", 3)],
    ["98 % right at step", stated("reached", 0)],
    ["guessing is right", stated("guessing", 3)],
    ["parameters", stated("parameters", 0)],
    ["largest weight, framed row", stated("largest_weight", 3)],
    ["effective keys, framed row", stated("effective_keys")],
  ];
  told.slice(0, 4).forEach(([, output]) => { delete output.dataset.number; });
  const losses = curveView("Loss of each batch", (x) =>
    (x < 100 ? fixed(x, 1) : x.toExponential(0).replace("+", "")));
  const rights = curveView("Share right on new examples", (x) => `${fixed(100 * x, 0)} %`);
  const map = mapView();
  const mapText = h("figcaption");
  const heads = headButtons((layer, head) => {
    model.set("layer", layer);
    model.set("head", head);
    model.save_changes();
  });

  const hear = (data) => {
    if (data.id !== id) return;
    past.step = data.step;
    past.running = data.running;
    past.losses.push(...data.losses);
    past.tested.push(...data.tested);
    past.weights = data.weights;
    past.reached ??= data.tested.find(([, right]) => right >= 0.98)?.[0];
    show();
  };
  const order = (steps) => {
    worker ??= trainer(hear);
    past.running = steps > 0;
    const settings = Object.fromEntries(TRAINING.map((key) => [key, model.get(key)]));
    worker.order({ id, settings, steps, every: calm.matches ? 1000 : 100 });
    show();
  };
  const free = () => past.step < MOST && !past.bad;
  const run = button("Run", () => {
    if (past.running) order(0);
    else if (free()) order(MOST - past.step);
  }, { class: "attn-run" });
  const one = button("One step", () => {
    if (free() && !past.running) order(1);
  }, { class: "attn-one" });
  const again = button("Reset", () => { reset(); show(); }, { class: "attn-again" });

  function reset() {
    if (past?.running) worker.order({ id, steps: 0 });
    id += 1;
    const state = current();
    shown = exampleOf(state);
    past = { step: 0, running: false, losses: [], tested: [], reached: undefined,
      weights: weightsAtStart(state, shown) };
  }

  /** What went wrong, if something did. */
  function complaint(loss, guess) {
    const reset = "Reset, and take a smaller learning rate.";
    if (past.bad) return `At step ${past.step} the loss is no number any more: the steps were too large. ${reset}`;
    if (past.step >= 20 && loss > 2 * guess) {
      return `The loss is far above that of a guess, ${fixed(guess, 1)}: the steps are too large. ${reset}`;
    }
    return past.step >= MOST ? `${MOST} steps are the end here. Reset, or choose another setting.` : "";
  }

  function show() {
    const state = current();
    const [layer, head] = shownOf(state);
    const found = summary(state, past.weights, shown);
    const { classes } = kit.TASKS[state.task];
    const guess = Math.log(classes || shown.n);
    const recent = past.losses.slice(-10);
    const loss = recent.reduce((a, b) => a + b, 0) / recent.length;
    const right = past.tested.at(-1)?.[1];
    past.bad = !past.losses.every(Number.isFinite);
    const all = { ...found, step: past.step, loss, right: right ?? NaN,
      reached: past.reached ?? NaN, guessing: 1 / (classes || 2),
      parameters: kit.layoutOf(state).reduce((sum, [, m, n]) => sum + m * n, 0) };
    const keys = ["step", "loss", "right", "reached", "guessing", "parameters",
      "largest_weight", "effective_keys"];
    told.forEach(([, output], i) => output.show(all[keys[i]]));
    const wrong = complaint(loss, guess); // an alert is said once
    if (problem.textContent !== wrong) problem.textContent = wrong;
    run.textContent = past.running ? "Pause" : "Run";
    run.setAttribute("aria-disabled", String(!past.running && !free()));
    one.setAttribute("aria-disabled", String(past.running || !free()));
    const steps = Math.max(100, Math.ceil(past.step / 100) * 100);
    const points = thinned(past.losses.filter(Number.isFinite));
    const top = Math.max(1.25 * guess, ...points.map(([, value]) => value));
    losses.firstChild.show(points, top, steps, [guess, "guessing"]);
    rights.firstChild.show(past.tested, 1, steps, [all.guessing, "guessing"]);
    heads.show(past.weights, shown.n, state, [layer, head]);
    const row = found.weights[shown.row];
    const order = row.map((_, j) => j).sort((a, b) => row[b] - row[a]).slice(0, 3);
    const looks = `“${shown.names[shown.row]}” looks at ${order.map((j) =>
      `“${shown.names[j]}” ${fixed(row[j])}`).join(", ")}`;
    const where = `layer ${layer}, head ${head}`;
    mapText.textContent = `Weights of ${where}: rows are queries, columns keys, full colour `
      + `is weight 1. Framed: ${looks}.`;
    map.show(found.weights, shown, `Weights of ${where}: ${looks}.`);
    const now = `Step ${past.step}${past.step ? `, loss ${fixed(loss, 3)}, right ${
      fixed(100 * (right ?? 0), 0)} %` : ""}; ${fixed(all.parameters, 0)} parameters. In ${
      where}: largest weight ${fixed(found.largest_weight, 3)}, effective keys ${
      fixed(found.effective_keys)}.`;
    if (!past.running || performance.now() > spoken + 5000) {
      spoken = performance.now();
      line.say(now);
    }
  }

  const refresh = () => {
    due = false;
    const now = JSON.stringify(TRAINING.map((key) => model.get(key)));
    if (trained !== now) reset();
    trained = now;
    show();
  };
  let due = false;
  const update = () => { // once, however many settings a task brings
    if (!due) queueMicrotask(refresh);
    due = true;
  };
  const tasks = choice(model, "task", "task", Object.keys(kit.TASKS));
  tasks.querySelector("select").addEventListener("change", () => {
    Object.entries({ ...PLAIN, ...PRESETS[model.get("task")] })
      .forEach(([key, value]) => put(model, key, value));
  });
  const parts = [
    h("div", { class: "attn-controls" }, tasks,
      choice(model, "heads", "heads", [1, 2, 4]),
      slider(model, "layers", "layers", { min: 1, max: 3 }),
      slider(model, "rate", "learning rate",
        { values: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1] }),
      slider(model, "spread", "tokens' spread at the start", { values: [0.5, 1, 2] }),
      slider(model, "seed", "seed", { max: 99 }),
      toggle(model, "scaled", "scale, 1/√E"), toggle(model, "positions", "positions"),
      toggle(model, "causal", "causal mask"), toggle(model, "mlp", "MLP behind attention")),
    h("div", { class: "attn-steps", role: "group", "aria-label": "Training" },
      run, one, again),
    problem, line,
    h("dl", { class: "attn-facts" },
      told.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output)))),
    h("div", { class: "attn-controls" }, rights, losses),
    heads, h("figure", {}, map, mapText),
  ];
  const down = frame({ model, el }, "A transformer that trains in this page", KEYS, parts, update);
  return () => { down(); worker?.end(); };
}

export default { render, numbers };
