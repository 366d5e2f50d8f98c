const MAX_LENGTH = 40;

// ---- the numbers ----------------------------------------------------------------------

const unpacked = new WeakMap();
/** The numbers of a packed array, one after another: attnlib.widgets._packed. */
function unpack(packed) {
  if (!unpacked.has(packed)) {
    const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
    const whole = new Int16Array(bytes.buffer);
    const size = whole.length / packed.steps.length;
    unpacked.set(packed, Float64Array.from(whole, (n, i) =>
      n * packed.steps[Math.floor(i / size)]));
  }
  return unpacked.get(packed);
}

/** Row i of the last two axes, seen as one long matrix. */
function rowOf(packed, i) {
  const width = packed.shape.at(-1);
  return unpacked.get(packed).subarray(i * width, (i + 1) * width);
}

/** row @ matrix number m of a packed stack. */
function times(row, stack, m) {
  const E = row.length;
  const product = new Float64Array(E);
  for (let e = 0; e < E; e++) {
    const line = rowOf(stack, m * E + e);
    for (let f = 0; f < E; f++) product[f] += row[e] * line[f];
  }
  return product;
}

/** q k^T / sqrt(E) of each layer of a sentence model: attnlib.widgets._sentence. */
function sentenceScores(tokens, { words, word, position, projections }) {
  [word, position, projections].forEach(unpack);
  let x = tokens.map((token, i) => {
    const place = rowOf(position, i);
    return rowOf(word, words.indexOf(token)).map((feature, e) => feature + place[e]);
  });
  return Array.from({ length: projections.shape[0] }, (_, layer) => {
    const [query, key, value] = [0, 1, 2].map((part) =>
      x.map((row) => times(row, projections, 3 * layer + part)));
    const scale = 1 / Math.sqrt(word.shape[1]);
    const scores = query.map((q) => key.map((k) => dot(q, k) * scale));
    x = x.map((row, i) => {
      const weights = softmax(scores[i]);
      return row.map((feature, e) =>
        feature + weights.reduce((sum, w, j) => sum + w * value[j][e], 0));
    });
    return scores;
  });
}

/** [layers, heads] */
function countsOf({ sentence_model: model, scores }) {
  return model.words ? [model.projections.shape[0], 1] : scores.shape.slice(0, 2);
}

/** The weights of each head of the layer: (H, L, L). */
function layerWeights(state) {
  const { tokens, scores, sentence_model: model, layer, causal, temperature } = state;
  const L = tokens.length;
  const range = Array.from({ length: L }, (_, i) => i);
  const heads = countsOf(state)[1];
  const found = model.words ? sentenceScores(tokens, model)[layer] : unpack(scores);
  return Array.from({ length: heads }, (_, head) => range.map((i) => {
    const row = model.words ? found[i] : rowOf(scores, (layer * heads + head) * L + i);
    return softmax(range.map((j) => (causal && j > i ? -Infinity : row[j] / temperature)));
  }));
}

/** What the figure says of the weights of one layer. */
function summary(all, { head, selected }) {
  const row = all[head][selected];
  return {
    weights: all[head],
    head_rows: all.map((weights) => weights[selected]),
    largest_weight: Math.max(...row),
    own_weight: row[selected],
    effective_keys: Math.exp(entropy(row)),
  };
}

function numbers(state) {
  return summary(layerWeights(state), state);
}

// ---- text ----------------------------------------------------------------------------

const wordsOf = (text) => text.toLowerCase().replaceAll("’", "'")
  .replace(/[.,;:!?"“”()]/g, " ").split(/\s+/).filter((word) => word);

/** Why the model cannot read these words; "" if it can. */
function complaint(words, model) {
  const longest = model.position.shape[0];
  if (!words.length || words.length > longest) {
    return `Write 1 to ${longest} words, please; these are ${words.length}.`;
  }
  const unknown = words.find((word) => !model.words.includes(word));
  if (unknown === undefined) return "";
  const shown = [...unknown].slice(0, MAX_LENGTH).join("");
  return `The model has no vector for “${shown}”, so nothing was changed.`;
}

const visible = (token) => (token.trim() ? token : "␣");
const quoted = (token) => `“\u2068${visible(token)}\u2069”`;

/** Which head is shown, where there are several. */
function place(state) {
  const [layers, heads] = countsOf(state);
  return (layers > 1 ? `, layer ${state.layer}` : "")
    + (heads > 1 ? `, head ${state.head}` : "");
}

/** A token as it stands in the page: its own direction, cut by CSS if it is long. */
const written = (token) => h("bdi", { title: token }, visible(token));

// ---- parts of the figure ----------------------------------------------------------------

/** Buttons of which one is chosen: by a tap, or by Tab to the group and its arrows. */
function radios(label, name, pick) {
  const box = h("div", { class: name, role: "radiogroup", "aria-label": label });
  box.fill = (contents) => box.replaceChildren(...contents.map((content, i) =>
    h("button", { type: "button", role: "radio", onclick: () => pick(i) }, content)));
  box.mark = (chosen) => [...box.children].forEach((item, i) => {
    if (item.getAttribute("aria-checked") === String(i === chosen)) return;
    item.setAttribute("aria-checked", String(i === chosen));
    item.tabIndex = i === chosen ? 0 : -1;
  });
  box.move = (event) => {
    const last = box.children.length - 1;
    const now = [...box.children].indexOf(event.target);
    const next = {
      ArrowDown: now + 1, ArrowRight: now + 1, ArrowUp: now - 1, ArrowLeft: now - 1,
      Home: 0, End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const item = Math.min(Math.max(next, 0), last);
    pick(item);
    box.children[item].focus();
  };
  return box;
}

/** A weight as a number and as a share of colour; no work where both stay. */
function showWeight(cell, weight) {
  const text = fixed(weight);
  if (cell.textContent === text) return;
  cell.textContent = text;
  cell.style.setProperty("--heat", `${Math.round(100 * weight)}%`);
}

/** Query tokens, lines, key tokens with their weights. */
function rowView(pick, hover) {
  const queries = radios("Query token", "attn-tokens", pick);
  const lines = svg("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
  const body = h("tbody");
  const view = h("div", { class: "attn-columns" },
    h("span", { class: "attn-query" }, "query"), h("span"),
    h("table", { "aria-label": "Weights of the chosen query" },
      h("thead", {}, h("tr", {}, h("th", { class: "attn-key", scope: "col" }, "key"),
        h("th", { scope: "col" }, "weight"))), body),
    queries, lines);
  queries.addEventListener("pointerover", (event) => {
    const item = [...queries.children].indexOf(event.target.closest("button"));
    if (event.pointerType === "mouse" && item >= 0) hover(item);
  });
  queries.addEventListener("pointerleave", () => hover(null));
  let paths = [];
  let cells = [];
  view.queries = queries;
  view.fill = (tokens) => {
    queries.fill(tokens.map(written));
    paths = tokens.map(() => svg("path"));
    cells = tokens.map(() => h("td"));
    lines.setAttribute("viewBox", `0 0 100 ${tokens.length}`);
    lines.replaceChildren(...paths);
    view.style.setProperty("--count", tokens.length);
    body.replaceChildren(...tokens.map((token, j) =>
      h("tr", {}, h("th", { scope: "row" }, written(token)), cells[j])));
  };
  view.show = (i, row) => row.forEach((weight, j) => {
    const [from, to] = [i + 0.5, j + 0.5];
    paths[j].setAttribute("d", `M0,${from}C50,${from} 50,${to} 100,${to}`);
    paths[j].setAttribute("stroke-width", weight < 0.005 ? 0 : 0.6 + 9 * weight);
    paths[j].setAttribute("stroke-opacity", 0.3 + 0.7 * weight);
    showWeight(cells[j], weight);
  });
  return view;
}

/** A small picture of each head of the layer, and where its chosen row points. */
function headView(pick) {
  const heads = radios("Head", "attn-heads", pick);
  let maps = [];
  const view = h("div", { class: "attn-overview" },
    h("p", {}, "All heads of the layer: rows are queries, columns keys, full colour is "
      + "weight 1. Below each: the heaviest key of the chosen query."), heads);
  view.heads = heads;
  view.fill = (count, L) => {
    view.hidden = count === 1;
    maps = Array.from({ length: count }, (_, i) => {
      const canvas = h("canvas", { width: L, height: L, "aria-hidden": "true" });
      const pen = canvas.getContext("2d");
      const image = pen.createImageData(L, L);
      new Uint32Array(image.data.buffer).fill(0x00c8852f); // blue, nothing of it yet
      return { canvas, pen, image, name: h("span", {}, `head ${i}`), text: h("bdi") };
    });
    heads.fill(maps.map(({ canvas, name, text }) => [canvas, name, text]));
  };
  view.draw = (all) => maps.forEach(({ pen, image }, head) => {
    all[head].forEach((row, i) => row.forEach((weight, j) => {
      image.data[4 * (i * row.length + j) + 3] = 255 * weight;
    }));
    pen.putImageData(image, 0, 0);
  });
  view.show = (rows, tokens) => maps.forEach(({ text }, head) => {
    const most = rows[head].indexOf(Math.max(...rows[head]));
    text.textContent = `${fixed(rows[head][most])} ${visible(tokens[most])}`;
  });
  return view;
}

/** The field for a sentence, and the sentences to choose from. */
function sentenceView(model, choose) {
  const field = h("input", { type: "text", id: freshId(), spellcheck: "false",
    autocomplete: "off" });
  const error = h("span", { class: "attn-error", role: "status" });
  let timer;
  const read = () => {
    const words = wordsOf(field.value);
    const problem = complaint(words, model.get("sentence_model"));
    field.setAttribute("aria-invalid", String(problem !== ""));
    clearTimeout(timer);
    timer = setTimeout(() => { error.textContent = problem; }, problem ? 500 : 0);
    if (!problem) choose(words);
  };
  field.addEventListener("input", read);
  const examples = model.get("examples").map((text) => {
    const label = `… ${text.split(" ").slice(-2).join(" ")}`;
    return button(label, () => { field.value = text; read(); }, { title: text });
  });
  const known = h("details", {}, h("summary", {}, "words that the model knows"),
    h("p", {}, (model.get("sentence_model").words ?? []).join(", ")));
  const view = h("div", { class: "attn-sentence" },
    h("label", { for: field.id }, "sentence"), field, examples, error, known);
  view.hidden = !model.get("sentence_model").words;
  view.show = (tokens) => {
    if (document.activeElement !== field) field.value = tokens.join(" ");
    examples.forEach((item, i) => item.setAttribute("aria-pressed",
      String(wordsOf(model.get("examples")[i]).join(" ") === tokens.join(" "))));
  };
  return view;
}

/** The whole matrix as a table of numbers, made when it is first opened. A thousand cells
 * take a browser long, so it follows when the reader pauses. */
function matrixView(update) {
  const box = scroller("Matrix of weights");
  const view = h("details", { ontoggle: update },
    h("summary", {}, "The whole matrix of this head, number by number"), box);
  let [table, made, shown, timer] = [null, null, null, null];
  const write = (weights, tokens) => {
    if (made !== tokens) {
      const names = tokens.map(visible);
      table = grid("rows are queries, columns keys", ["query", ...names], names);
      box.replaceChildren(table);
      made = tokens;
    }
    table.cells.forEach((row, i) => row.forEach((cell, j) =>
      showWeight(cell, weights[i][j])));
  };
  view.show = (weights, tokens) => {
    if (!view.open || shown === weights) return;
    shown = weights;
    clearTimeout(timer);
    timer = setTimeout(write, table ? 150 : 0, weights, tokens);
  };
  return view;
}

// ---- the figure -------------------------------------------------------------------------

const SHAPING = ["tokens", "scores", "sentence_model"];
const WEIGHING = [...SHAPING, "layer", "causal", "temperature"];
const KEYS = [...WEIGHING, "note", "selected", "head"];

function render({ model, el }) {
  let hovered = null;
  let [filled, weighed, all] = [[], [], []];
  const choose = (words) => {
    if (words.join(" ") === model.get("tokens").join(" ")) return;
    const same = words.indexOf(model.get("tokens")[model.get("selected")]);
    const last = Math.min(model.get("selected"), words.length - 1);
    model.set("tokens", words);
    model.set("selected", same >= 0 ? same : last);
    model.save_changes();
  };
  const rows = rowView((i) => put(model, "selected", i),
    (i) => { if (hovered !== i) { hovered = i; update(); } });
  const layers = radios("Layer", "attn-layers", (i) => put(model, "layer", i));
  const layerControl = h("div", { class: "attn-control" },
    h("span", {}, "layer (from 0)"), layers);
  const heads = headView((i) => put(model, "head", i));
  const sentence = sentenceView(model, choose);
  const matrix = matrixView(() => update());
  const note = h("p", { class: "attn-note" });
  const line = liveLine();
  const told = [
    ["largest weight", stated("largest_weight", 3)],
    ["weight on the token itself", stated("own_weight", 3)],
    ["effective keys", stated("effective_keys")],
  ];

  function read() {
    const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
    const [layerCount, headCount] = countsOf(state);
    const last = state.tokens.length - 1;
    state.selected = Math.min(hovered ?? state.selected, last);
    state.layer = Math.min(state.layer, layerCount - 1);
    state.head = Math.min(state.head, headCount - 1);
    if (SHAPING.some((key, i) => filled[i] !== state[key])) {
      filled = SHAPING.map((key) => state[key]);
      rows.fill(state.tokens);
      heads.fill(headCount, state.tokens.length);
      layers.fill(Array.from({ length: layerCount }, (_, i) => String(i)));
      layerControl.hidden = layerCount === 1;
    }
    return state;
  }

  function update() {
    const state = read();
    const { tokens, selected, layer, head } = state;
    if (WEIGHING.some((key, i) => weighed[i] !== state[key])) {
      weighed = WEIGHING.map((key) => state[key]);
      all = layerWeights(state);
      if (!heads.hidden) heads.draw(all);
    }
    const found = summary(all, state);
    const row = found.weights[selected];
    rows.queries.mark(selected);
    layers.mark(layer);
    heads.heads.mark(head);
    rows.show(selected, row);
    if (!heads.hidden) heads.show(found.head_rows, tokens);
    sentence.show(tokens);
    matrix.show(found.weights, tokens);
    told.forEach(([, output]) => output.show(found[output.dataset.number]));
    note.textContent = state.note;
    const order = row.map((_, j) => j).sort((a, b) => row[b] - row[a])
      .filter((j, n) => n === 0 || (n < 3 && row[j] >= 0.005));
    line.say(`From ${quoted(tokens[selected])}${place(state)}: `
      + order.map((j) => `${quoted(tokens[j])} ${fixed(row[j])}`).join(", then ") + ".");
  }

  const parts = [
    sentence, rows, line,
    h("div", { class: "attn-controls" }, layerControl,
      toggle(model, "causal", "causal mask"),
      slider(model, "temperature", "temperature",
        { min: 0.1, max: 10, step: 0.1, show: (x) => fixed(x, 1) })),
    heads,
    h("dl", { class: "attn-facts" },
      told.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output)))),
    note,
    h("p", { class: "attn-note" }, "The mask and the temperature act on this softmax "
      + "only. The queries and keys stay as the model made them."),
    matrix,
  ];
  const onkey = (event) => {
    event.target.closest("[role=radiogroup]")?.move(event);
  };
  return frame({ model, el }, "What each token attends to", KEYS, parts, update, onkey);
}

export default { render, numbers };
