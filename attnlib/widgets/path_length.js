const KINDS = ["RNN", "attention", "windowed layers"];
const WIDE = 400;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 5", "14 4"];
const NONE = "no path";
const CAPTIONS = [
  "Below: inputs. Above: states. A state is made of its input and of the state before.",
  "Below: inputs. Above: outputs. An output is made of all inputs at once.",
  "Below: inputs; each row above is a layer. Thin: all paths as short. Thick: one.",
];

const binomial = (n, k) => {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return Math.round(ways);
};

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** [steps, how many paths are that short, most steps between any two tokens]. Of `slack`
 * places too many, each of m layers may waste some: that is how many ways there are. */
function needed(kind, { n, source, target, window: w }) {
  const distance = Math.abs(target - source);
  if (kind === "attention") return [1, 1, 1];
  if (kind === "RNN") return source > target ? [0, 0, n - 1] : [distance, 1, n - 1];
  const layers = Math.max(1, Math.ceil(distance / w));
  const slack = layers * w - distance;
  return [layers, binomial(slack + layers - 1, layers - 1), Math.ceil((n - 1) / w)];
}

/** [log10 of the least, middle and largest size, orders lost since distance 1]. */
function left(sizes, distance) {
  const here = sizes.map((row) => Math.log10(row[distance - 1]));
  const lost = sizes.map((row, seed) => Math.log10(row[0]) - here[seed]);
  return [Math.min(...here), median(here), Math.max(...here), median(lost)];
}

function numbers(state) {
  const compared = KINDS.map((kind) => needed(kind, state));
  const [steps, paths] = compared[KINDS.indexOf(state.architecture)];
  const distance = Math.abs(state.target - state.source);
  const rows = Object.values(state.gradients);
  const measured = distance > 0 && rows.length > 0 && distance <= rows[0][0].length;
  return {
    distance, steps, compared,
    reached: Number(paths > 0),
    left: measured ? rows.map((sizes) => left(sizes, distance)) : [],
  };
}

function power(exponent) {
  const raised = (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)];
  return `10${String(exponent).replace(/./g, raised)}`;
}

function scientific(log10) {
  const [mantissa, exponent] = (10 ** log10).toExponential(1).split("e");
  return `${mantissa} × ${power(Number(exponent))}`;
}

const lines = (list) => list.map(([a, b]) => `M${a}L${b}`).join("");

/** The layout and the arrows of one architecture: rows of tokens, signals go upwards. */
function arrows(state, steps, reached) {
  const { architecture, n, source, target, window: w } = state;
  const layers = architecture === "windowed layers" ? steps : 1;
  const gap = Math.max(6, Math.min(64, 240 / layers));
  const tall = 50 + layers * gap;
  const at = (token, row) => [
    (4 + ((token - 0.5) * (WIDE - 8)) / n).toFixed(1), (tall - 25 - row * gap).toFixed(1)];
  const tokens = Array.from({ length: n }, (_, t) => t + 1);
  const faint = [];
  let path = [[source, 0], [target, 1]];
  if (architecture === "RNN") {
    tokens.forEach((t) => faint.push([at(t, 0), at(t, 1)]));
    tokens.slice(1).forEach((t) => faint.push([at(t - 1, 1), at(t, 1)]));
    path = [[source, 0], ...tokens.slice(source - 1, target).map((t) => [t, 1])];
  } else if (architecture === "attention") {
    tokens.forEach((t) => faint.push([at(t, 0), at(target, 1)]));
  } else {
    const near = (a, b, hops) => Math.abs(a - b) <= hops * w;
    for (let row = 0; row < layers; row++) {
      const from = tokens.filter((t) =>
        near(t, source, row) && near(t, target, layers - row));
      const to = tokens.filter((t) =>
        near(t, source, row + 1) && near(t, target, layers - row - 1));
      from.forEach((a) => to.forEach((b) => {
        if (near(a, b, 1)) faint.push([at(a, row), at(b, row + 1)]);
      }));
    }
    path = Array.from({ length: layers + 1 }, (_, row) =>
      [Math.round(source + (row * (target - source)) / layers), row]);
  }
  const bold = reached ? path.slice(1).map((p, k) => [at(...path[k]), at(...p)]) : [];
  return { layers, tall, at, tokens, faint, bold };
}

function pathPicture() {
  const id = freshId();
  const stroke = (color, width) => svg("path", { fill: "none",
    style: `stroke: var(--attn-${color}); stroke-width: ${width}; stroke-linecap: round` });
  const head = svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, orient: "auto",
    markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse" },
    svg("path", { d: "M0 0L8 4L0 8z", style: "fill: var(--attn-ink)" }));
  const faint = stroke("line", 1);
  const dots = stroke("muted", 5);
  const bold = svg("g", { style: "stroke: var(--attn-ink); stroke-width: 2.2" });
  const ends = [0, 1].map(() => svg("circle", { r: 6,
    style: "fill: var(--attn-ground); stroke: var(--attn-ink); stroke-width: 2.2" }));
  const names = [0, 1].map(() => svg("text"));
  const picture = svg("svg", { role: "img", style: "max-width: 30rem" },
    svg("defs", {}, head), faint, dots, ends, bold, names);
  picture.show = (state, { steps, reached }) => {
    const { layers, tall, at, tokens, faint: other, bold: path } =
      arrows(state, steps, reached);
    picture.setAttribute("viewBox", `0 0 ${WIDE} ${tall}`);
    faint.setAttribute("d", lines(other));
    dots.style.strokeWidth = Math.min(5, 200 / state.n, 30 / Math.sqrt(layers));
    dots.setAttribute("d", Array.from({ length: layers + 1 }, (_, row) =>
      tokens.map((t) => `M${at(t, row)}h0`).join("")).join(""));
    bold.replaceChildren(...path.map(([[x1, y1], [x2, y2]]) =>
      svg("line", { x1, y1, x2, y2, "marker-end": `url(#${id})` })));
    [[state.source, 0, "from"], [state.target, layers, "to"]].forEach(([t, row, word], k) => {
      const [x, y] = at(t, row);
      ends[k].setAttribute("cx", x);
      ends[k].setAttribute("cy", y);
      names[k].textContent = `${word} ${t}`;
      names[k].setAttribute("x", Math.max(32, Math.min(WIDE - 32, x)));
      names[k].setAttribute("y", row ? 13 : tall - 5);
      names[k].setAttribute("text-anchor", "middle");
    });
    picture.setAttribute("aria-label",
      `${state.n} tokens. ${sentence(state, { steps, reached })}`);
  };
  return picture;
}

function sentence({ architecture, source, target, window }, { steps, reached }) {
  const way = `from token ${source} to token ${target}`;
  if (!reached) return `RNN: no way ${way}, since states pass only onwards.`;
  const many = steps === 1 ? "" : "s";
  if (architecture === "RNN") return `RNN: ${steps} step${many} of the state ${way}.`;
  if (architecture === "attention") return `Attention: one layer ${way}.`;
  return `With a window of ${window}: ${steps} layer${many} ${way}.`;
}

/** Measured sizes against distance, logarithmic: middle of the seeds, and their range. */
function gradientPicture(gradients) {
  const all = Object.values(gradients).flat(2).map(Math.log10);
  const [low, high] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all, 0))];
  const far = Object.values(gradients)[0][0].length;
  const x = (d) => 60 + (214 * (d - 1)) / Math.max(1, far - 1);
  const y = (log) => 10 + (170 * (high - log)) / Math.max(1, high - low);
  const text = (at, top, words, anchor = "start") => svg("text",
    { x: at, y: top, "text-anchor": anchor }, words);
  const step = Math.max(1, Math.ceil((high - low) / 4));
  const ticks = [];
  for (let e = high; e >= low; e -= step) ticks.push(text(56, y(e) + 5, power(e), "end"));
  for (const d of [1, Math.round((far + 1) / 2), far]) ticks.push(text(x(d), 199, d, "middle"));
  const ends = [];
  const curves = Object.entries(gradients).map(([name, sizes], k) => {
    const at = Array.from({ length: far }, (_, d) => left(sizes, d + 1));
    const points = (j) => at.map((row, d) => `${x(d + 1).toFixed(1)},${y(row[j]).toFixed(1)}`);
    ends.push([y(at.at(-1)[1]), name]);
    return [
      svg("path", { d: `M${points(0).join("L")}L${points(2).reverse().join("L")}z`,
        style: "fill: var(--attn-weight); opacity: 0.35" }),
      svg("path", { d: `M${points(1).join("L")}`, fill: "none", "stroke-dasharray": DASHES[k],
        style: "stroke: var(--attn-ink); stroke-width: 1.6" })];
  });
  let last = -Infinity;
  const labels = ends.sort((a, b) => a[0] - b[0]).map(([top, name], k) => {
    last = Math.min(Math.max(top, last + 17), 180 - 17 * (ends.length - 1 - k));
    const short = [...name].length > 11 ? `${[...name].slice(0, 10).join("")}…` : name;
    return text(280, last + 5, short);
  });
  const mark = svg("line", { class: "attn-axis", y1: 8, y2: 184, "stroke-dasharray": "3 3" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} 204`, role: "img", style: "max-width: 30rem",
    "aria-label": "Size of the gradient against distance, logarithmic: the middle of the "
      + "seeds as a line, their range as a band. The table below says the numbers." },
    svg("path", { class: "attn-axis", fill: "none", d: "M60 8V184H276" }),
    curves.flat(), mark, ticks, labels);
  picture.show = (distance) => {
    mark.setAttribute("visibility", distance >= 1 && distance <= far ? "visible" : "hidden");
    mark.setAttribute("x1", x(distance));
    mark.setAttribute("x2", x(distance));
  };
  return picture;
}

/** The measured part: picture and table; nothing where nothing was measured. */
function measuredPart(model) {
  const box = h("div", { style: "display: grid; gap: 0.8rem;"
    + "grid-template-columns: minmax(0, 1fr)" });
  let picture, table;
  const build = () => {
    const names = Object.keys(model.get("gradients"));
    if (!names.length) return box.replaceChildren();
    picture = gradientPicture(model.get("gradients"));
    table = grid("", ["network", "middle", "least", "largest", "orders lost"], names);
    return box.replaceChildren(
      h("figure", {}, picture, h("figcaption", {}, "Measured: size of the gradient of the "
        + "last output with respect to an input, against the distance in tokens; line: "
        + "middle of the seeds, band: all of them. Your distance is the dashed line.")),
      scroller("Gradients at this distance", table));
  };
  box.show = ({ distance, left: rows }) => {
    if (!box.firstChild) return;
    picture.show(distance);
    table.caption.textContent = rows.length ? `At distance ${distance}: over the seeds, and `
      + "orders of magnitude lost since distance 1" : `Not measured at distance ${distance}`;
    table.cells.forEach((cells, k) => cells.forEach((cell, j) => {
      const x = rows[k]?.[[1, 0, 2, 3][j]];
      cell.textContent = x === undefined ? "–" : j < 3 ? scientific(x) : fixed(x, 1);
    }));
  };
  build();
  box.build = build;
  return box;
}

/** A model whose tokens stay within n: a smaller n takes source and target along. */
function within(model) {
  const set = (key, value) => {
    if (key === "n") for (const place of ["source", "target"]) {
      if (model.get(place) > value) model.set(place, value);
    }
    model.set(key, value);
  };
  return { get: (k) => model.get(k), on: (e, f) => model.on(e, f), set,
    save_changes: () => model.save_changes() };
}

function render({ model, el }) {
  const keys = ["architecture", "n", "source", "target", "window", "gradients"];
  const table = grid("Steps (RNN) or layers; paths that short; the most that any two tokens "
    + "need", ["network", "steps", "paths", "at most"], KINDS, { digits: 0 });
  table.classList.add("attn-tight");
  const picture = pathPicture();
  const caption = h("figcaption", {});
  const line = liveLine();
  const told = [["distance in tokens", "distance"], ["steps or layers in a row", "steps"]]
    .map(([name, key]) => [name, stated(key, 0)]);
  const places = ["source", "target"].map((key) => slider(model, key,
    key === "source" ? "from token" : "to token", { min: 1, max: model.get("n") }));
  const width = slider(model, "window", "window", { min: 1, max: 63 });
  const measured = measuredPart(model);
  let drawn = model.get("gradients");
  const update = () => {
    const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    const found = numbers(state);
    if (drawn !== state.gradients) measured.build(drawn = state.gradients);
    places.forEach((place, k) => {
      const input = place.querySelector("input");
      input.max = state.n;
      input.value = [state.source, state.target][k];
    });
    width.querySelector("input").disabled = state.architecture !== "windowed layers";
    table.show(found.compared);
    if (state.source > state.target) table.cells[0][0].textContent = NONE;
    told.forEach(([, output]) => output.show(found[output.dataset.number]));
    if (!found.reached) told[1][1].textContent = NONE;
    picture.show(state, found);
    caption.textContent = CAPTIONS[KINDS.indexOf(state.architecture)];
    measured.show(found);
    line.say(sentence(state, found));
  };
  const parts = [
    h("div", { class: "attn-controls" },
      choice(model, "architecture", "architecture", KINDS),
      slider(within(model), "n", "tokens", { min: 2, max: 64 }), places, width),
    line,
    h("dl", { class: "attn-facts" },
      told.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output)))),
    h("figure", {}, picture, caption),
    scroller("All three", table),
    measured,
  ];
  return frame({ model, el }, "The path of a signal", keys, parts, update);
}

export default { render, numbers };
