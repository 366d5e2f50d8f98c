const ITEMS = 3;
const FEATURES = 4; // E, of queries and keys
const STEPS = 10;
const LIMIT = 100;
const KEYS = ["query", "key", "value", "row", "step"];

function numbers({ query, key, value, row, step }) {
  const scores = key.map((k) => dot(query[row], k));
  const scaled = scores.map((s) => s / Math.sqrt(FEATURES));
  const shifted = scaled.map((s) => s - Math.max(...scaled));
  const exps = shifted.map(Math.exp);
  const total = exps.reduce((a, b) => a + b);
  const weights = exps.map((e) => e / total);
  const [output_1, output_2] = [0, 1].map((c) => dot(weights, value.map((v) => v[c])));
  return {
    step, scores, scaled, shifted, exps, total, weights, output_1, output_2,
    largest_weight: Math.max(...weights),
  };
}

/** What each step does: its name, its equations, the cells that it uses and makes. */
function steps({ query, key, value, row }, found, cells) {
  const q = query[row];
  const { scores, scaled, shifted, exps, total, weights } = found;
  const { work } = cells;
  const products = (a, b) => a.map((x, i) => `${short(x)} × ${signed(b[i])}`).join(" + ");
  const score = (s, j) => ({
    name: `score of item ${j + 1}: query ${row + 1} times key ${j + 1}, feature by feature`,
    lines: [`q · k = ${products(q, key[j])} ${equals(s)}`],
    uses: [...cells.query[row], ...cells.key[j]], makes: [work[0][j]],
  });
  const each = (name, from, line, results) => ({
    name, lines: results.map((x, j) => `${line(j)} ${equals(x)}`),
    uses: work[from].slice(0, ITEMS), makes: work[from + 1].slice(0, ITEMS),
  });
  const mix = (c) => {
    const column = value.map((v) => v[c]);
    return {
      name: `output, feature ${c + 1}: each value's feature ${c + 1}, in its share`,
      lines: [`${products(weights, column)} ${equals(found[`output_${c + 1}`])}`],
      uses: [...work[4].slice(0, ITEMS), ...cells.value.map((cs) => cs[c])],
      makes: [cells.output[c]],
    };
  };
  const divide = each("weights: divided by the sum", 3,
    (j) => `${short(exps[j])} / ${short(total)}`, weights);
  divide.uses = [...divide.uses, work[3][ITEMS]];
  return [
    ...scores.map(score),
    each("scaled scores: divided by √E = √4 = 2", 0, (j) => `${short(scores[j])} / 2`, scaled),
    each("largest scaled score subtracted", 1,
      (j) => `${short(scaled[j])} − ${signed(Math.max(...scaled))}`, shifted),
    each("exponentials", 2, (j) => `exp(${short(shifted[j])})`, exps),
    {
      name: "sum of the exponentials",
      lines: [`${exps.map(short).join(" + ")} ${equals(total)}`],
      uses: work[3].slice(0, ITEMS), makes: [work[3][ITEMS]],
    },
    divide, mix(0), mix(1),
  ];
}

/** A table of fields for model[name], with the heads of its rows. */
function matrix(model, name, caption, rowHeads, note) {
  const inputs = cellFields(model, name,
    (i, k) => `${name} ${i + 1}, feature ${k + 1}`, { min: -LIMIT, max: LIMIT, note });
  const table = grid(caption, ["row", ...inputs[0].map((_, k) => k + 1)], rowHeads);
  table.classList.add("attn-tight");
  table.caption.classList.add(`attn-${name}`);
  inputs.forEach((row, i) => row.forEach((input, k) => table.cells[i][k].append(input)));
  table.show = inputs.show;
  return table;
}

function render({ model, el }) {
  const note = h("p", { class: "attn-error", role: "status" });
  const choose = [0, 1].map((i) => button(`query ${i + 1}`, () => put(model, "row", i)));
  const three = (name) => [1, 2, 3].map((j) => `${name}\u00a0${j}`);
  const tables = {
    query: matrix(model, "query", "Q, queries, by feature: choose one", choose, note),
    key: matrix(model, "key", "K, keys, by feature", three("key"), note),
    value: matrix(model, "value", "V, values", three("value"), note),
  };
  const work = grid("From scores to weights", ["line", ...three("item"), "sum"],
    ["score q · k", "divided by √E", "less the largest", "exp", "weight"]);
  work.classList.add("attn-tight");
  const outputs = ["output_1", "output_2"].map((name) => stated(name));
  const cells = {
    query: tables.query.cells, key: tables.key.cells, value: tables.value.cells,
    work: work.cells,
    output: outputs.map((output) => h("dd", {}, output)),
  };
  const largest = stated("largest_weight");
  const name = h("p");
  const equations = h("div", { class: "attn-equations" });
  const line = liveLine();
  const walk = stepper("step", {
    first: 1, at: () => model.get("step"), last: () => STEPS,
    go: (n) => put(model, "step", n),
  });

  const showWork = (step, found) => {
    const done = [found.scores, found.scaled, found.shifted, found.exps, found.weights];
    const ready = (i, j) => (i === 0 ? j < step : step >= [0, 4, 5, 6, 8][i]);
    done.forEach((row, i) => row.forEach((x, j) => {
      work.cells[i][j].textContent = ready(i, j) ? fixed(x) : "";
    }));
    work.cells[3][ITEMS].textContent = step >= 7 ? fixed(found.total) : "";
    work.cells[4][ITEMS].textContent = step >= 8
      ? fixed(found.weights.reduce((a, b) => a + b)) : "";
  };
  const mark = (kind, list) => {
    el.querySelectorAll(`.attn-${kind}`).forEach((c) => c.classList.remove(`attn-${kind}`));
    list.forEach((cell) => cell.classList.add(`attn-${kind}`));
  };
  const update = () => {
    const state = Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
    const found = numbers(state);
    const now = steps(state, found, cells)[state.step - 1];
    Object.values(tables).forEach((table) => table.show());
    choose.forEach((b, i) => b.setAttribute("aria-pressed", String(i === state.row)));
    showWork(state.step, found);
    mark("used", now.uses);
    mark("made", now.makes);
    name.textContent = now.name;
    equations.replaceChildren(...now.lines.map((text) => h("p", {}, text)));
    outputs.forEach((output) => output.show(found[output.dataset.number]));
    largest.show(found.largest_weight);
    walk.show();
    line.say(`Step ${state.step}, ${now.name.split(":")[0]}: `
      + `${now.makes.map((cell) => cell.textContent).join(", ")}. `
      + `Output of query ${state.row + 1}: `
      + `${fixed(found.output_1)}, ${fixed(found.output_2)}.`);
  };
  const parts = [
    h("div", { class: "attn-side" }, Object.entries(tables).map(([role, table]) =>
      scroller(`${role} numbers`, table))),
    note, walk,
    h("div", { class: "attn-equation" }, name, equations), line,
    scroller("From scores to weights", work),
    h("dl", { class: "attn-facts" },
      cells.output.map((dd, c) => h("div", {}, h("dt", {}, `output, feature ${c + 1}`), dd)),
      h("div", {}, h("dt", {}, "largest weight"), h("dd", {}, largest))),
  ];
  return frame({ model, el }, "Attention, one step at a time", KEYS, parts, update,
    walk.onkey);
}

export default { render, numbers };
