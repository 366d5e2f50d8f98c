// Tools that every figure uses. This text stands in front of a figure's own file: each
// module is whole in itself and asks for nothing from outside.

// ---- elements ---------------------------------------------------------------------

/** A new element: h("p", { class: "note", onclick: f }, "text", child, ...). Text is
 * always text: nothing that a reader types is ever read as HTML. */
function h(tag, properties = {}, ...children) {
  return furnish(document.createElement(tag), properties, children);
}

/** The same for SVG. */
function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return furnish(element, properties, children);
}

function furnish(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

let count = 0;
/** An id that no other element of the page has. */
function freshId() {
  return `attn-${Date.now().toString(36)}-${++count}`;
}

// ---- controls: each follows one trait of the model, and the trait follows it --------

function put(model, key, value) {
  if (JSON.stringify(model.get(key)) === JSON.stringify(value)) return;
  model.set(key, value);
  model.save_changes();
}

/** A labelled control that shows model[key]; `read` and `write` translate its value. */
function control(model, key, label, input, { read, write, event = "input", note }) {
  input.id = freshId();
  const show = () => write(model.get(key));
  input.addEventListener(event, () => {
    const value = read();
    if (value !== undefined) put(model, key, value);
  });
  model.on(`change:${key}`, show);
  show();
  return h("div", { class: "attn-control" },
    h("label", { for: input.id }, label), input, note ?? null);
}

/** A slider over numbers from min to max, or over `values`, a list. */
function slider(model, key, label, options) {
  const { min = 0, max, step = 1, values, show = String } = options;
  const input = h("input", values
    ? { type: "range", min: 0, max: values.length - 1, step: 1 }
    : { type: "range", min, max, step });
  const note = h("output", { class: "attn-value" });
  const write = (value) => {
    input.value = values ? values.indexOf(value) : value;
    note.textContent = show(value);
    input.setAttribute("aria-valuetext", show(value));
  };
  const read = () => (values ? values[Number(input.value)] : Number(input.value));
  return control(model, key, label, input, { read, write, note });
}

/** A check box. */
function toggle(model, key, label) {
  const input = h("input", { type: "checkbox" });
  const read = () => input.checked;
  const write = (value) => { input.checked = value; };
  return control(model, key, label, input, { read, write, event: "change" });
}

/** A drop-down list; `options` holds values, or [value, text] pairs. */
function choice(model, key, label, options) {
  const pairs = options.map((o) => (Array.isArray(o) ? o : [o, String(o)]));
  const input = h("select", {}, pairs.map(([, text]) => h("option", {}, text)));
  const read = () => pairs[input.selectedIndex][0];
  const write = (value) => {
    input.selectedIndex = pairs.findIndex(([known]) => known === value);
  };
  return control(model, key, label, input, { read, write, event: "change" });
}

/** A field for a number; what is no number from min to max is marked, and not taken; the
 * last number returns when the field is left. `event: "change"` waits for Enter or that. */
function numberField(model, key, label, { min, max, step = "any", event }) {
  const input = h("input", { type: "number", min, max, step, required: true });
  const note = h("span", { class: "attn-error", role: "status" });
  const read = () => {
    const value = Number(input.value);
    const good = input.value !== "" && input.checkValidity() && Number.isFinite(value);
    input.setAttribute("aria-invalid", String(!good));
    note.textContent = good ? "" : `a number from ${min} to ${max}, please`;
    return good ? value : undefined;
  };
  const write = (value) => {
    if (document.activeElement !== input) input.value = value;
    if (Number(input.value) !== value) return;
    input.setAttribute("aria-invalid", "false");
    note.textContent = "";
  };
  input.addEventListener("blur", () => write(model.get(key)));
  return control(model, key, label, input, { read, write, event, note });
}

function button(label, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, label);
}

/** Fields inside a table, one for each number of model[key], a list of lists;
 * `label(i, j)` says which. What is no number from min to max is marked and not taken;
 * `note` says so, and the last number returns when the field is left. */
function cellFields(model, key, label, { min, max, note }) {
  const mark = (input, good, i, j) => {
    input.setAttribute("aria-invalid", String(!good));
    note.textContent = good ? "" : `${label(i, j)}: a number from ${min} to ${max}, please`;
  };
  const take = (input, i, j) => {
    const good = input.checkValidity() && Number.isFinite(input.valueAsNumber);
    mark(input, good, i, j);
    if (good) {
      const rows = model.get(key).map((row) => [...row]);
      rows[i][j] = input.valueAsNumber;
      put(model, key, rows);
    }
  };
  const leave = (input, i, j) => {
    mark(input, true, i, j);
    input.value = model.get(key)[i]?.[j] ?? ""; // the row may be gone
  };
  const fields = model.get(key).map((row, i) => row.map((_, j) => h("input", {
    type: "number", min, max, step: "any", required: true, "aria-label": label(i, j),
    oninput: ({ target }) => take(target, i, j),
    onblur: ({ target }) => leave(target, i, j),
  })));
  fields.show = () => fields.forEach((row, i) => row.forEach((input, j) => {
    const x = model.get(key)[i][j];
    if (input.valueAsNumber !== x && !focused(input)) input.value = x;
  }));
  return fields;
}

function focused(element) {
  return element.getRootNode().activeElement === element;
}

/** Start, Back, Next, and "step 3 of 10"; on a button, arrow keys, Home and End work as
 * well. `at` and `last` tell where the reader is, `go` leads to another step. */
function stepper(name, { first = 0, at, last, go }) {
  const move = (n) => {
    if (n >= first && n <= last() && n !== at()) go(n);
  };
  const start = button("Start", () => move(first), { class: "attn-start" });
  const back = button("Back", () => move(at() - 1), { class: "attn-back" });
  const next = button("Next", () => move(at() + 1), { class: "attn-next" });
  const here = stated(name, 0);
  const rest = h("span");
  const box = h("div", { class: "attn-steps", role: "group", "aria-label": "Steps" },
    start, back, next, h("span", {}, "step ", here, rest));
  box.show = () => {
    here.show(at());
    rest.textContent = ` of ${last()}`;
    start.setAttribute("aria-disabled", String(at() <= first));
    back.setAttribute("aria-disabled", String(at() <= first));
    next.setAttribute("aria-disabled", String(at() >= last()));
  };
  box.onkey = (event) => {
    const to = { ArrowRight: at() + 1, ArrowLeft: at() - 1, Home: first, End: last() };
    if (!box.contains(event.target) || !(event.key in to)) return;
    event.preventDefault();
    move(to[event.key]);
  };
  return box;
}

/** A line that shows what changed; a screen reader says it once the reader pauses. */
function liveLine() {
  const line = h("p", { class: "attn-said", "aria-live": "polite" });
  let timer;
  line.say = (text) => {
    if (!line.textContent) line.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (line.textContent !== text) line.textContent = text;
    }, 250);
  };
  return line;
}

// ---- numbers, tables ----------------------------------------------------------------

/** A number with a fixed count of digits after the point, and a real minus sign. */
function fixed(x, digits = 2) {
  if (!Number.isFinite(x)) return x > 0 ? "∞" : x < 0 ? "−∞" : "–";
  const text = Math.abs(x) < 0.5 * 10 ** -digits ? (0).toFixed(digits) : x.toFixed(digits);
  return text.replace("-", "−");
}

/** A number inside an equation: 2, −0.50; `signed` puts (−2) behind an operator. */
function short(x) {
  return fixed(x, Number.isInteger(x) ? 0 : 2);
}

function signed(x) {
  return x < 0 ? `(${short(x)})` : short(x);
}

/** The end of an equation: "= 2", or "≈ 0.42" where digits are left out. */
function equals(x) {
  const whole = 100 * x;
  const exact = Math.abs(whole - Math.round(whole)) <= 1e-9 * Math.abs(whole);
  return `${exact ? "=" : "≈"} ${short(x)}`;
}

/** A stated number: `value.show(3.14159)` writes it. Tests find it by its name. */
function stated(name, digits = 2) {
  const element = h("output", { class: "attn-number", "data-number": name });
  element.show = (x) => { element.textContent = fixed(x, digits); };
  return element;
}

/** A table of numbers; `table.show(matrix)` writes them. `heat`: colour from 0 to 1. */
function grid(caption, heads, rowHeads, { digits = 2, heat = false } = {}) {
  const cells = rowHeads.map(() => heads.slice(1).map(() => h("td")));
  const table = h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, heads.map((head) =>
      (head ? h("th", { scope: "col" }, head) : h("td"))))),
    h("tbody", {}, rowHeads.map((head, i) =>
      h("tr", {}, h("th", { scope: "row" }, head), cells[i]))));
  table.show = (matrix) => matrix.forEach((row, i) => row.forEach((x, j) => {
    const cell = cells[i][j];
    cell.textContent = fixed(x, digits);
    if (heat) cell.style.setProperty("--heat", `${Math.round(100 * Math.abs(x))}%`);
  }));
  table.cells = cells;
  return table;
}

/** What scrolls sideways by itself instead of widening the page. */
function scroller(label, ...children) {
  const box = h("div", { class: "attn-scroll", role: "group", "aria-label": label },
    children);
  new ResizeObserver(() => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }).observe(box);
  return box;
}

// ---- formulas ---------------------------------------------------------------------

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** exp(x - max) / sum; a row of −∞ only gives zeros. */
function softmax(row) {
  const maximum = Math.max(...row);
  if (maximum === -Infinity) return row.map(() => 0);
  const exps = row.map((x) => Math.exp(x - maximum));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / total);
}

/** −Σ w ln w, where 0 ln 0 is 0. */
function entropy(weights) {
  return -weights.reduce((sum, w) => (w > 0 ? sum + w * Math.log(w) : sum), 0);
}

/** Numbers in [0, 1) by mulberry32; attnlib.widgets._random draws the same ones. */
function uniforms(seed, n) {
  const drawn = new Float64Array(n);
  let state = seed >>> 0;
  for (let i = 0; i < n; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    drawn[i] = ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  }
  return drawn;
}

/** Standard normal numbers by Box and Muller, two uniform numbers each. */
function normals(seed, n) {
  const u = uniforms(seed, 2 * n);
  return Float64Array.from({ length: n }, (_, i) =>
    Math.sqrt(-2 * Math.log(1 - u[2 * i])) * Math.cos(2 * Math.PI * u[2 * i + 1]));
}

// ---- the frame of every figure --------------------------------------------------------

/** Set up a figure in `el`: its title, its parts; `update` runs after every change of
 * the `keys`. Keys pressed in the figure stay in it (JupyterLab would fold sections);
 * `onkey` gets them. Returns what takes the figure down again. */
function frame({ model, el }, title, keys, parts, update, onkey) {
  const id = freshId();
  el.classList.add("attn-live");
  el.setAttribute("role", "group");
  el.setAttribute("aria-labelledby", id);
  el.replaceChildren(h("p", { class: "attn-title", id }, title), ...parts);
  keys.forEach((key) => model.on(`change:${key}`, update));
  const guard = (event) => {
    if (!el.contains(event.target) || event.ctrlKey || event.metaKey) return;
    if (event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation();
    onkey?.(event);
  };
  window.addEventListener("keydown", guard, true);
  update();
  return () => {
    keys.forEach((key) => model.off(`change:${key}`, update));
    window.removeEventListener("keydown", guard, true);
  };
}
