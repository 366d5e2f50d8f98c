const WIDTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const KEYS = 8;
const PAIRS = 256;
const LOW = -40;
const WIDE = 2; // from −40 to 40 in steps of 2
const BINS = 40;

let drawn = { seed: null };

/** The features of PAIRS queries and PAIRS keys, the same for every d_k of one seed. */
function features(seed) {
  if (drawn.seed !== seed) {
    drawn = { seed, values: normals(seed, 2 * PAIRS * WIDTHS.at(-1)) };
  }
  const row = (i, d) => drawn.values.subarray(i * WIDTHS.at(-1), i * WIDTHS.at(-1) + d);
  return { query: row, key: (i, d) => row(PAIRS + i, d) };
}

function numbers({ d_k: d, scaled, temperature, seed }) {
  const divisor = (scaled ? Math.sqrt(d) : 1) * temperature;
  const { query, key } = features(seed);
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const scores = range(KEYS).map((j) => dot(query(0, d), key(j, d)) / divisor);
  const weights = softmax(scores);
  const jacobian = weights.map((wi, i) => weights.map((wj, j) => wi * ((i === j) - wj)));
  const sample = range(PAIRS).map((i) => dot(query(i, d), key(i, d)) / divisor);
  const mean = sample.reduce((a, b) => a + b) / PAIRS;
  const histogram = range(BINS).map(() => 0);
  sample.forEach((x) => {
    const bin = Math.floor((x - LOW) / WIDE);
    if (bin >= 0 && bin < BINS) histogram[bin] += 1;
  });
  return {
    scores, weights, jacobian, histogram,
    largest_weight: Math.max(...weights),
    entropy: entropy(weights),
    effective_keys: Math.exp(entropy(weights)),
    jacobian_norm: Math.sqrt(dot(jacobian.flat(), jacobian.flat())),
    measured_std: Math.sqrt(sample.reduce((s, x) => s + (x - mean) ** 2, 0) / PAIRS),
    predicted_std: Math.sqrt(d) / divisor,
    outside: PAIRS - histogram.reduce((a, b) => a + b),
  };
}

/** Bars of the histogram, and the normal curve that the prediction gives. */
function histogramPicture() {
  const bars = Array.from({ length: BINS }, (_, i) =>
    svg("rect", { class: "attn-bar", x: 10 * i + 0.5, width: 9 }));
  const curve = svg("path", { class: "attn-curve" });
  const ticks = [-40, -20, 0, 20, 40].map((x) => svg("text", {
    x: 5 * (x - LOW), y: 134, "text-anchor": x < 0 ? "start" : x > 0 ? "end" : "middle",
  }, fixed(x, 0)));
  const picture = svg("svg", { class: "attn-plot", viewBox: "-4 0 408 140", role: "img" },
    bars, svg("line", { class: "attn-axis", x1: 0, x2: 400, y1: 120, y2: 120 }),
    curve, ticks);
  picture.show = ({ histogram, predicted_std: std, measured_std, outside }) => {
    const peak = (PAIRS * WIDE) / (std * Math.sqrt(2 * Math.PI));
    const top = Math.max(...histogram, Math.min(peak, PAIRS));
    const y = (n) => 120 - (110 * Math.min(n, top)) / top;
    bars.forEach((bar, i) => {
      bar.setAttribute("y", y(histogram[i]));
      bar.setAttribute("height", 120 - y(histogram[i]));
    });
    const points = Array.from({ length: 401 }, (_, i) => {
      const z = (i / 5 + LOW) / std;
      return `${i},${y(peak * Math.exp(-z * z / 2)).toFixed(1)}`;
    });
    curve.setAttribute("d", `M${points.join("L")}`);
    picture.setAttribute("aria-label",
      `Histogram of ${PAIRS} scores from −40 to 40: standard deviation `
      + `${fixed(measured_std)}, predicted ${fixed(std)}; ${outside} lie outside`);
  };
  return picture;
}

function render({ model, el }) {
  const keys = ["d_k", "scaled", "temperature", "seed"];
  const names = Array.from({ length: KEYS }, (_, i) => `key ${i + 1}`);
  const row = grid("One query, eight keys", ["quantity", ...names], ["score", "weight"]);
  const jacobian = grid("Jacobian: slope of each weight (row) by each score (column)",
    ["weight of", ...names], names, { heat: true });
  const picture = histogramPicture();
  const line = liveLine();
  const told = [
    ["largest weight", stated("largest_weight", 3)],
    ["entropy (nats)", stated("entropy", 3)],
    ["effective keys", stated("effective_keys")],
    ["norm of the Jacobian", stated("jacobian_norm", 3)],
    ["spread of scores, measured", stated("measured_std")],
    ["spread of scores, predicted", stated("predicted_std")],
    ["scores beyond ±40, not drawn", stated("outside", 0)],
  ];
  const update = () => {
    const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    const found = numbers(state);
    row.show([found.scores, found.weights]);
    row.cells[1].forEach((cell, i) =>
      cell.style.setProperty("--heat", `${Math.round(100 * found.weights[i])}%`));
    jacobian.show(found.jacobian);
    told.forEach(([, output]) => output.show(found[output.dataset.number]));
    picture.show(found);
    line.say(`d_k ${state.d_k}, ${state.scaled ? "divided by √d_k" : "not divided"}: `
      + `largest weight ${fixed(found.largest_weight, 3)}, `
      + `${fixed(found.effective_keys)} effective keys, `
      + `norm of the Jacobian ${fixed(found.jacobian_norm, 3)}.`);
  };
  const parts = [
    h("div", { class: "attn-controls" },
      slider(model, "d_k", "d_k", { values: WIDTHS }),
      toggle(model, "scaled", "divide by √d_k"),
      slider(model, "temperature", "temperature",
        { min: 0.1, max: 10, step: 0.1, show: (x) => fixed(x, 1) }),
      slider(model, "seed", "seed", { max: 999 })),
    line,
    h("dl", { class: "attn-facts" },
      told.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output)))),
    scroller("Scores and weights", row),
    h("figure", {}, picture,
      h("figcaption", {}, `${PAIRS} scores of independent pairs (bars), and the normal `
        + "curve with the predicted spread (line)")),
    h("details", {}, h("summary", {}, "The Jacobian, number by number"),
      scroller("Jacobian", jacobian)),
  ];
  return frame({ model, el }, "Softmax and the scale", keys, parts, update);
}

export default { render, numbers };
