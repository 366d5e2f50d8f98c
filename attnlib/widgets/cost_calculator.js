const ITEMSIZE = { float32: 4, float16: 2, bfloat16: 2, int8: 1 };
const NAMES = ["n", "d", "heads", "kv_heads", "layers", "sees", "window"];
const SEES = [["all", "all tokens"], ["causal", "itself and those before"],
  ["window", "the last w, itself included"]];
const PARTS = ["projections", "scores and mixing", "MLP of width 4 d"];
const MOST = { n: 2 ** 20, d: 65536, heads: 256, layers: 256, window: 2 ** 20 };

// The values of NAMES, and the paper (on arXiv) where they stand.
const PRESETS = {
  "BERT base": [512, 768, 12, 12, 12, "all", 512, "1810.04805"],
  "GPT-3 Small": [2048, 768, 12, 12, 12, "causal", 2048, "2005.14165"],
  "GPT-3 175B": [2048, 12288, 96, 96, 96, "causal", 2048, "2005.14165"],
  "Llama 2 7B": [4096, 4096, 32, 32, 32, "causal", 4096, "2307.09288"],
  "Llama 2 70B": [4096, 8192, 64, 8, 80, "causal", 4096, "2307.09288"],
  "Mistral 7B": [8192, 4096, 32, 8, 32, "window", 4096, "2310.06825"],
};

/** Pairs of query and key that meet: all, a triangle, or a triangle and then a band. */
function pairsOf(n, { sees, window }) {
  if (sees === "all") return n * n;
  const w = sees === "window" ? Math.min(n, window) : n;
  return (w * (w + 1)) / 2 + (n - w) * w;
}

/** FLOPs of one layer: projections, scores and mixing, MLP. */
const parts = (n, s) => [
  4 * n * s.d * s.d * (1 + s.kv_heads / s.heads), 4 * pairsOf(n, s) * s.d, 16 * n * s.d * s.d];

function shares(list) {
  const sum = list.reduce((a, b) => a + b);
  return list.map((part) => part / sum);
}

/** n at which a token sees `seen` keys on average; 0 where none does. */
function lengthFor(seen, { sees, window }) {
  if (sees === "all") return seen;
  const w = sees === "window" ? window : Infinity;
  if (seen <= (w + 1) / 2) return 2 * seen - 1;
  return seen < w ? (w * (w - 1)) / 2 / (w - seen) : 0;
}

function numbers(state) {
  const { n, d, heads, kv_heads: kv, layers, sees, window } = state;
  const size = ITEMSIZE[state.dtype];
  const wide = d / heads;
  const kept = sees === "window" ? Math.min(n, window) : n;
  const [projections, pairs, mlp] = parts(n, state);
  const moved = 2 * size * n * wide * (heads + kv);
  const weights = size * heads * pairsOf(n, state);
  const columns = Array.from({ length: 21 }, (_, k) => shares(parts(2 ** k, state)));
  const seen = d * (1 + kv / heads);
  return {
    projections: projections * layers, pairs: pairs * layers, mlp: mlp * layers,
    shares: shares([projections, pairs, mlp]),
    curves: [0, 1, 2].map((part) => columns.map((column) => column[part])),
    cache: 2 * layers * kv * kept * wide * size,
    moved, weights,
    intensity: pairs / moved,
    stored_intensity: pairs / (moved + 4 * weights),
    decoding: (4 * kept * d) / (2 * size * wide * (heads + kv * kept)),
    crossover: lengthFor(seen, state),
    mlp_crossover: lengthFor(seen + 4 * d, state),
  };
}

// ---- words ----------------------------------------------------------------------------

function big(x) {
  if (x < 1e6) return Math.round(x).toLocaleString("en");
  const [mantissa, exponent] = x.toExponential(2).split("e+");
  return `${mantissa} × 10${exponent.replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
function bytes(x) {
  const power = Math.min(5, Math.floor(Math.log2(x) / 10));
  const size = x / 1024 ** power;
  return `${fixed(size, !power || size >= 100 ? 0 : size < 10 ? 2 : 1)} ${UNITS[power]}`;
}

const percent = (x) => `${fixed(100 * x, 1)} %`;
const perByte = (x) => `${x < 100 ? fixed(x, 1) : big(x)} FLOP/B`;
const length = (x) => (x ? big(x) : "at no n");

const FACTS = [
  ["keys and values of all layers", "cache", bytes],
  ["read and written by a layer's attention", "moved", bytes],
  ["attention weights of a layer, if stored (pairs that meet)", "weights", bytes],
  ["intensity, tiled", "intensity", perByte],
  ["intensity, weights stored", "stored_intensity", perByte],
  ["intensity, one more token", "decoding", perByte],
  ["n where scores and mixing equal projections", "crossover", length],
  ["… and projections and MLP", "mlp_crossover", length],
];

// ---- picture --------------------------------------------------------------------------

/** Shares of the layer's FLOPs against n, both logarithmic, from 0.1 % on. */
function sharePicture() {
  const x = (n) => 59 + 16.2 * Math.log2(n);
  const y = (share) => 22 - 56 * Math.log10(share);
  const id = freshId();
  const text = (left, top, words, anchor = "start") => svg("text",
    { x: left, y: top, "text-anchor": anchor }, words);
  const line = (dash, width) => svg("path", { fill: "none", "stroke-dasharray": dash,
    style: `stroke: var(--attn-ink); stroke-width: ${width}` });
  const curves = [line("", 1.4), line("", 3), line("6 4", 1.4)];
  const labels = [text(63, 0, PARTS[0]), text(382, 0, PARTS[1], "end"), text(63, 0, PARTS[2])];
  const mark = line("2 3", 1.4);
  const name = text(0, 184, "");
  const points = Array.from({ length: 5 }, (_, k) => svg("circle", { r: 4, style:
    `stroke: var(--attn-ink); stroke-width: 1.6; fill: var(--attn-${k < 3 ? "ink" : "ground"})` }));
  const ticks = [0, 1, 2, 3].map((k) =>
    text(53, y(10 ** -k) + 5, `${100 / 10 ** k} %`, "end"));
  ["1", "10", "100", "1,000", "10⁴", "10⁵", "10⁶"].forEach((words, k) =>
    ticks.push(text(x(10 ** k), 207, words, "middle")));
  const picture = svg("svg", { viewBox: "0 0 400 212", role: "img", style: "max-width: 30rem" },
    svg("clipPath", { id }, svg("rect", { x: 59, width: 331, height: 190 })),
    svg("path", { class: "attn-axis", fill: "none", d: "M59 18V190H390" }),
    svg("g", { "clip-path": `url(#${id})` }, curves), mark, points, labels, ticks, name);
  picture.show = (state, { curves: columns, shares: now, crossover, mlp_crossover }) => {
    curves.forEach((curve, part) => curve.setAttribute("d", `M${columns[part].map((share, k) =>
      `${x(2 ** k)},${y(share).toFixed(1)}`).join("L")}`));
    labels[0].setAttribute("y", y(columns[0][0]) + 18);
    const [low, end] = [columns[0][20], columns[1][20]];
    labels[1].setAttribute("y", Math.min(y(end) + (end < low ? 18 : -7), 165));
    labels[2].setAttribute("y", y(columns[2][0]) - 5);
    mark.setAttribute("d", `M${x(state.n)},18V190`);
    name.textContent = `n = ${state.n.toLocaleString("en")}`;
    name.setAttribute("x", x(state.n) + (state.n > 1024 ? -6 : 6));
    name.setAttribute("text-anchor", state.n > 1024 ? "end" : "start");
    const places = now.map((share) => [state.n, share]);
    [crossover, mlp_crossover].forEach((n) => places.push([n, shares(parts(n, state))[1]]));
    points.forEach((point, k) => {
      const [n, share] = places[k];
      const shown = n >= 1 && n <= MOST.n && share >= 0.001;
      point.setAttribute("visibility", shown ? "visible" : "hidden");
      if (!shown) return;
      point.setAttribute("cx", x(n));
      point.setAttribute("cy", y(share));
    });
    picture.setAttribute("aria-label", `Shares of FLOPs at n = ${state.n}: `
      + PARTS.map((part, k) => `${part} ${percent(now[k])}`).join(", "));
  };
  return picture;
}

// ---- controls -------------------------------------------------------------------------

/** The largest number up to `start` that divides `whole`. */
function divisor(whole, start) {
  let k = start;
  while (whole % k) k -= 1;
  return k;
}

/** A model in which d stays a multiple of heads, and heads one of kv_heads: whoever sets
 * one of them takes the others along. */
function fitting(model) {
  const set = (key, value) => {
    let [d, heads] = [model.get("d"), model.get("heads")];
    if (key === "d") heads = divisor(d = value, heads);
    else {
      heads = value;
      d = heads * Math.min(Math.max(1, Math.round(d / heads)), Math.floor(MOST.d / heads));
    }
    const kv_heads = divisor(heads, Math.min(heads, model.get("kv_heads")));
    Object.entries({ d, heads, kv_heads }).forEach(([name, size]) => {
      if (model.get(name) !== size) model.set(name, size);
    });
  };
  return { get: (k) => model.get(k), on: (e, f) => model.on(e, f), set,
    save_changes: () => model.save_changes() };
}

function lengthSlider(model) {
  const input = h("input", { type: "range", min: 0, max: 20, step: 0.25 });
  const note = h("output", { class: "attn-value" });
  return control(model, "n", "tokens n", input, { note,
    read: () => Math.round(2 ** Number(input.value)),
    write: (n) => {
      input.value = Math.log2(n);
      note.textContent = n.toLocaleString("en");
      input.setAttribute("aria-valuetext", note.textContent);
    } });
}

function keyHeads(model) {
  const input = h("select");
  const write = () => {
    const heads = model.get("heads");
    const sizes = Array.from({ length: heads }, (_, k) => k + 1).filter((k) => !(heads % k));
    input.replaceChildren(...sizes.map((k) => h("option", {}, k)));
    input.value = model.get("kv_heads");
  };
  const box = control(model, "kv_heads", "key-value heads", input,
    { read: () => Number(input.value), write, event: "change" });
  box.show = write;
  return box;
}

/** Published models to start from; the list says which one is shown, if any is. */
function presets(model) {
  const id = freshId();
  const own = h("option", {}, "your own numbers");
  const input = h("select", { id }, own, Object.keys(PRESETS).map((name) => h("option", {}, name)));
  input.addEventListener("change", () => {
    PRESETS[input.value]?.slice(0, 7).forEach((value, k) => model.set(NAMES[k], value));
    model.save_changes();
  });
  const box = h("div", { class: "attn-control" },
    h("label", { for: id }, "published model"), input);
  box.show = (state) => {
    const known = Object.entries(PRESETS).find(([, sizes]) =>
      NAMES.every((name, k) => state[name] === sizes[k]));
    input.value = known ? known[0] : own.textContent;
  };
  return box;
}

const paper = (id) => h("a", { href: `https://arxiv.org/abs/${id}` }, `arXiv ${id}`);

function sources() {
  const heads = ["model", "n", "d", "heads", "key-value heads", "layers", "sees", "source"];
  const rows = Object.entries(PRESETS).map(([name, [n, d, H, kv, layers, sees, w, id]]) =>
    h("tr", {}, h("th", { scope: "row" }, name), [n, d, H, kv, layers,
      sees === "window" ? `last ${w}` : sees].map((size) => h("td", {}, size)),
    h("td", {}, paper(id))));
  const table = h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) =>
    h("th", { scope: "col" }, head)))), h("tbody", {}, rows));
  return [scroller("Published models", table), h("p", {}, "Llama 2 keeps d, heads and layers "
    + "of its predecessor, ", paper("2302.13971"), ". Simplified: all MLPs have width 4 d "
    + "(those of Llama and Mistral are gated, with other widths), and all layers of GPT-3 "
    + "are dense (every other one is banded).")];
}

function render({ model, el }) {
  const keys = [...NAMES, "dtype"];
  const fits = fitting(model);
  const whole = (key, label, from = model, event = "input") =>
    numberField(from, key, label, { min: 1, max: MOST[key], step: 1, event });
  const [published, kv, window] = [presets(model), keyHeads(model), whole("window", "window w")];
  const told = FACTS.map(([label, key, show]) => [label, stated(key), show]);
  const flops = ["projections", "pairs", "mlp"].map((key) => stated(key));
  const share = flops.map(() => h("td"));
  const table = h("table", {},
    h("caption", {}, "FLOPs of all layers, all n tokens read at once"),
    h("thead", {}, h("tr", {}, ["part", "FLOPs", "share"].map((head) =>
      h("th", { scope: "col" }, head)))),
    h("tbody", {}, PARTS.map((part, k) => h("tr", {}, h("th", { scope: "row" }, part),
      h("td", {}, flops[k]), share[k]))));
  flops.forEach((output) => { output.style.fontSize = "inherit"; });
  const jumps = [["crossover", "projections"], ["mlp_crossover", "projections and MLP"]];
  let found;
  const buttons = jumps.map(([key, label]) =>
    button(label, () => put(model, "n", Math.round(found[key]))));
  const picture = sharePicture();
  const line = liveLine();
  const update = () => {
    const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    found = numbers(state);
    published.show(state);
    kv.show();
    window.querySelector("input").disabled = state.sees !== "window";
    told.forEach(([, output, show]) => {
      output.textContent = show(found[output.dataset.number]);
    });
    flops.forEach((output, k) => {
      output.textContent = big(found[output.dataset.number]);
      share[k].textContent = percent(found.shares[k]);
    });
    buttons.forEach((b, k) => {
      const n = Math.round(found[jumps[k][0]]);
      b.disabled = n < 1 || n > MOST.n;
    });
    picture.show(state, found);
    line.say(`n ${state.n.toLocaleString("en")}, d ${state.d}, ${state.heads} heads: `
      + `scores and mixing take ${percent(found.shares[1])} of the FLOPs, `
      + `the cache has ${bytes(found.cache)}.`);
  };
  const controls = [published, lengthSlider(model), whole("n", "n as a number"),
    whole("d", "width d", fits, "change"), whole("heads", "heads", fits, "change"), kv,
    whole("layers", "layers"),
    choice(model, "dtype", "numbers in", Object.keys(ITEMSIZE)),
    choice(model, "sees", "a token sees", SEES), window];
  return frame({ model, el }, "What attention costs", keys, [
    h("div", { class: "attn-controls" }, controls),
    line,
    scroller("FLOPs", table),
    h("figure", {}, picture, h("figcaption", {}, "Shares of a layer's FLOPs against n, both "
      + "logarithmic. Dots: your n. Circles: where scores and mixing equal the projections, "
      + "and projections and MLP together.")),
    h("div", { class: "attn-control" },
      h("span", {}, "Set n so that scores and mixing cost as much as"), buttons),
    h("dl", { class: "attn-facts" },
      told.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output)))),
    h("details", {}, h("summary", {}, "The published models and their sources"),
      sources()),
  ], update);
}

export default { render, numbers };
