const LIMIT = 1000;
const SIZES = Array.from({ length: 18 }, (_, i) => 2 ** i);
const WIDTH = 64; // Ev, features of a value, where memory is counted
const KEYS = ["pairs", "block_size", "absorbed", "L", "S"];
const START = { maximum: -Infinity, total: 0, output: 0 };

const blockCount = ({ pairs, block_size: size }) => Math.ceil(pairs.length / size);
const tileOf = ({ pairs, block_size: size }, block) =>
  pairs.slice(block * size, (block + 1) * size);
const orderOf = (state) => state.absorbed.filter((block) => block < blockCount(state));

/** The state after one more block: the old one shrinks if the maximum rises. */
function absorb(before, tile) {
  const maximum = Math.max(before.maximum, ...tile.map(([score]) => score));
  const shrink = Math.exp(before.maximum - maximum);
  const exps = tile.map(([score]) => Math.exp(score - maximum));
  const total = before.total * shrink + exps.reduce((a, b) => a + b);
  const output = before.output * shrink + dot(exps, tile.map(([, value]) => value));
  return { before, tile, exps, maximum, shrink, total, output, result: output / total };
}

/** The states after each absorbed block, in their order. */
function walkThrough(state) {
  let now = START;
  return orderOf(state).map((block) => {
    now = { block, ...absorb(now, tileOf(state, block)) };
    return now;
  });
}

function numbers(state) {
  const history = walkThrough(state);
  const { maximum, total, output, result = 0 } = history.at(-1) ?? START;
  const order = new Set(orderOf(state));
  const known = state.pairs.map(([score], i) =>
    (order.has(Math.floor(i / state.block_size)) ? score : -Infinity));
  const values = state.pairs.map(([, value]) => value);
  const full = dot(softmax(state.pairs.map(([score]) => score)), values);
  const { L, S, block_size: size } = state;
  const [state_floats, block_floats] = [L * (2 + WIDTH), L * size];
  return {
    absorbed_blocks: history.length,
    absorbed_keys: known.filter((score) => score > -Infinity).length,
    exps: known.map((score) => (score > -Infinity ? Math.exp(score - maximum) : 0)),
    weights: softmax(known),
    maximum, total, output, result, full, difference: result - full,
    history: history.map((s) =>
      [s.block, s.maximum, s.shrink, s.total, s.output, s.result]),
    full_floats: L * S, state_floats, block_floats,
    times_less: (L * S) / (state_floats + block_floats),
  };
}

/** The arithmetic of the last absorbed block, one line for each quantity. */
function equationsOf(last) {
  if (!last) return ["Before the first key: m = −∞, t = 0, o = 0."];
  const { before, tile, exps, maximum, shrink, total, output, result } = last;
  const scores = [before.maximum, ...tile.map(([score]) => score)];
  const mixed = exps.map((e, i) => `${short(e)} × ${signed(tile[i][1])}`);
  return [
    `m′ = max(${scores.map(short).join(", ")}) ${equals(maximum)}`,
    `shrink = exp(m − m′) = exp(${short(before.maximum)} − ${signed(maximum)}) ${
      equals(shrink)}`,
    `t′ = ${short(before.total)} × ${short(shrink)} + ${exps.map(short).join(" + ")} ${
      equals(total)}`,
    `o′ = ${short(before.output)} × ${short(shrink)} + ${mixed.join(" + ")} ${
      equals(output)}`,
    `o′ / t′ = ${short(output)} / ${short(total)} ${equals(result)}`,
  ];
}

const grouped = (x) => x.toLocaleString("en");

/** The table of keys in their blocks, each block with a button that absorbs it. */
function keyTable(model, state, note, take) {
  const { pairs, block_size: size } = state;
  const fields = cellFields(model, "pairs",
    (i, part) => `${["score", "value"][part]} of key ${i + 1}`,
    { min: -LIMIT, max: LIMIT, note });
  const table = grid("One query's keys; absorb blocks in any order",
    ["key", "score s", "value", "exp\n(s − m)", "weight"], pairs.map((_, i) => i + 1));
  table.classList.add("attn-tight");
  table.rows[0].prepend(h("th", { scope: "col" }, "block"));
  fields.forEach((row, i) => row.forEach((input, k) => table.cells[i][k].append(input)));
  const buttons = Array.from({ length: blockCount(state) }, (_, block) => {
    const b = button("", () => take(block), { class: "attn-take" });
    const rowspan = tileOf(state, block).length;
    table.rows[1 + block * size].prepend(h("td", { rowspan }, b));
    return b;
  });
  table.show = (order, { exps, weights }) => {
    fields.show();
    table.cells.forEach(([, , share, weight], i) => {
      const place = order.indexOf(Math.floor(i / size));
      share.textContent = place < 0 ? "" : fixed(exps[i]);
      weight.textContent = place < 0 ? "waits" : fixed(weights[i]);
      weight.style.setProperty("--heat", `${Math.round(100 * weights[i])}%`);
      [share, weight].forEach((cell) => cell.classList.toggle("attn-made",
        place >= 0 && place === order.length - 1));
    });
    buttons.forEach((b, block) => {
      const known = order.includes(block);
      b.textContent = known ? `${block + 1} is in` : `absorb ${block + 1}`;
      b.setAttribute("aria-disabled", String(known));
    });
  };
  return table;
}

/** One line for each absorbed block: how the running state came about. */
function historyTable(history) {
  const table = grid("Running state after each block",
    ["block", "m", "shrink", "t", "o", "o / t"],
    ["none", ...history.map(([block]) => block + 1)]);
  table.classList.add("attn-tight");
  table.show([[-Infinity, NaN, 0, 0, NaN], ...history.map((row) => row.slice(1))]);
  return table;
}

function render({ model, el }) {
  const note = h("p", { class: "attn-error", role: "status" });
  const current = () => Object.fromEntries(KEYS.map((key) => [key, model.get(key)]));
  const order = () => orderOf(current());
  const take = (block) => {
    if (!order().includes(block)) put(model, "absorbed", [...order(), block]);
  };
  const walk = stepper("absorbed_blocks", {
    at: () => order().length, last: () => blockCount(current()),
    go: (n) => {
      const waiting = Array.from({ length: blockCount(current()) }, (_, i) => i)
        .filter((block) => !order().includes(block));
      put(model, "absorbed", [...order(), ...waiting].slice(0, n));
    },
  });
  const keys = scroller("Keys in blocks");
  const past = scroller("Running state");
  let table;
  let shape;
  const equations = h("div", { class: "attn-equations" });
  const line = liveLine();
  const sizes = liveLine();
  const told = [
    ["m, maximum so far", stated("maximum")],
    ["t, total", stated("total")],
    ["o, output before division", stated("output")],
    ["o / t, output", stated("result")],
    ["full softmax", stated("full")],
    ["difference of the two", stated("difference", 6)],
  ];
  const memory = [
    ["full score matrix, L × S", stated("full_floats")],
    [`running state, L × (2 + ${WIDTH})`, stated("state_floats")],
    ["one block of scores, L × block", stated("block_floats")],
    ["full / (state + block)", stated("times_less", 1)],
  ];
  memory.slice(0, 3).forEach(([, output]) => {
    output.show = (x) => { output.textContent = grouped(x); };
  });
  const facts = (list) => h("dl", { class: "attn-facts" },
    list.map(([name, output]) => h("div", {}, h("dt", {}, name), h("dd", {}, output))));

  const update = () => {
    const state = current();
    const found = numbers(state);
    const last = walkThrough(state).at(-1);
    const now = `${state.pairs.length} ${state.block_size}`;
    if (now !== shape) { // other blocks, or as many keys as Python says now
      shape = now;
      table = keyTable(model, state, note, take);
      keys.replaceChildren(table);
    }
    table.show(order(), found);
    past.replaceChildren(historyTable(found.history));
    [...told, ...memory].forEach(([, output]) => output.show(found[output.dataset.number]));
    if (!last) told[3][1].textContent = told[5][1].textContent = "–"; // 0 / 0, nothing yet
    equations.replaceChildren(...equationsOf(last).map((text) => h("p", {}, text)));
    walk.show();
    line.say(last
      ? `Block ${last.block + 1} is in, ${found.absorbed_keys} of ${state.pairs.length} `
        + `keys: m ${fixed(last.maximum)}, shrink factor ${fixed(last.shrink)}, `
        + `o / t ${fixed(last.result)}; full softmax ${fixed(found.full)}.`
      : `No key is absorbed yet; blocks that wait: ${blockCount(state)}, of at most `
        + `${state.block_size} keys each.`);
    sizes.say(`Numbers to store for ${state.L} queries and ${state.S} keys: full matrix `
      + `${grouped(found.full_floats)}; state and a block `
      + `${grouped(found.state_floats + found.block_floats)}.`);
  };
  const parts = [
    h("div", { class: "attn-controls" },
      slider(model, "block_size", "keys in one block", { min: 1, max: 12 })),
    walk, h("div", { class: "attn-equation" }, equations), line,
    h("div", { class: "attn-side" }, keys, past), note, facts(told),
    h("p", {}, `Memory, if each value has ${WIDTH} features:`),
    h("div", { class: "attn-controls" },
      slider(model, "L", "L, queries", { values: SIZES }),
      slider(model, "S", "S, keys", { values: SIZES })),
    facts(memory), sizes,
  ];
  return frame({ model, el }, "The online softmax, block by block", KEYS, parts, update,
    walk.onkey);
}

export default { render, numbers };
