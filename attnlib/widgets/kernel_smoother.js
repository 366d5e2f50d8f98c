const COUNTS = [10, 20, 40, 80, 160];
const BANDWIDTHS = [0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07,
  0.1, 0.15, 0.2, 0.3, 0.5];
const POINTS = Array.from({ length: 101 }, (_, i) => i / 100);
const TOP = 10; // rows of the table of weights

const curve = (x) => Math.sin(4 * Math.PI * x);
const mean = (row) => row.reduce((sum, x) => sum + x, 0) / row.length;

/** Attention weights of the measurements at x: scores −(x − place)² / 2h². One loop
 * instead of softmax(places.map(...)): it runs 1500 times for new places. */
function weightsAt(x, places, h) {
  const nearest = places.reduce((least, p) => Math.min(least, (x - p) ** 2), 1);
  const weights = new Float64Array(places.length);
  let total = 0;
  for (let i = 0; i < places.length; i++) {
    weights[i] = Math.exp((nearest - (x - places[i]) ** 2) / (2 * h * h));
    total += weights[i];
  }
  for (let i = 0; i < weights.length; i++) weights[i] /= total;
  return weights;
}

let known = {};

/** For each bandwidth: bias², and the variance at noise 1. They wait for new places. */
function errors(places) {
  if (known.name !== String(places)) {
    const truth = places.map(curve);
    const rows = BANDWIDTHS.map((h) => {
      const weights = POINTS.map((x) => weightsAt(x, places, h));
      return [mean(weights.map((w, i) => (dot(w, truth) - curve(POINTS[i])) ** 2)),
        mean(weights.map((w) => dot(w, w)))];
    });
    known = { name: String(places), rows };
  }
  return known.rows;
}

function numbers({ count, noise, bandwidth: h, query, seed }) {
  const places = [...uniforms(2 * seed, COUNTS.at(-1))].slice(0, count);
  const drawn = normals(2 * seed + 1, COUNTS.at(-1));
  const truth = places.map(curve);
  const heights = truth.map((y, i) => y + noise * drawn[i]);
  const weights = [...weightsAt(query, places, h)];
  const fitting = POINTS.map((x) => weightsAt(x, places, h));
  const fit = fitting.map((w) => dot(w, heights));
  const parts = errors(places).map(([bias2, one]) => [bias2, noise ** 2 * one]);
  const totals = parts.map(([bias2, variance]) => bias2 + variance);
  const [bias2, variance] = parts[BANDWIDTHS.indexOf(h)];
  return {
    places, heights, weights, fit, bias2, variance,
    estimate: dot(weights, heights),
    truth: curve(query),
    taking_part: 1 / dot(weights, weights),
    largest_weight: Math.max(...weights),
    beta: 1 / (2 * h * h),
    fit_error: mean(fit.map((y, i) => (y - curve(POINTS[i])) ** 2)),
    mean_fit: fitting.map((w) => dot(w, truth)),
    spread: fitting.map((w) => noise * Math.sqrt(dot(w, w))),
    total: bias2 + variance,
    bias2_curve: parts.map(([b]) => b),
    variance_curve: parts.map(([, v]) => v),
    best_bandwidth: BANDWIDTHS[totals.indexOf(Math.min(...totals))],
  };
}

// ---- pictures: x from 0 to 1 is 46 to 400 of what is seen, −8 to 410 ------------------

const across = (share) => 46 + 354 * share;
const XS = POINTS.map(across);

function path(xs, ys) {
  return `M${xs.map((x, i) => `${x.toFixed(1)},${ys[i].toFixed(1)}`).join("L")}`;
}

function place(part, values) {
  Object.entries(values).forEach(([key, value]) => part.setAttribute(key, value));
}

const line = (style) => svg("path", { class: "attn-curve", style });
const upright = (y2) => svg("line", { y1: 14, y2, style: "stroke: var(--attn-query)" });
const spot = (r) => svg("circle", { r, style: "fill: var(--attn-query)" });
const label = (x, y, text, anchor = "middle") =>
  svg("text", { x, y, "text-anchor": anchor }, text);

/** A picture; `take` gets the share of the width at which the reader points. */
function plot(take, ...parts) {
  const picture = svg("svg", { class: "attn-plot", role: "img",
    style: "touch-action: pan-y; cursor: crosshair" }, ...parts);
  const follow = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const { left, width } = picture.getBoundingClientRect();
    const x = ((event.clientX - left) / width) * 418 - 8;
    take(Math.min(1, Math.max(0, (x - 46) / 354)));
  };
  picture.addEventListener("pointerdown", follow);
  picture.addEventListener("pointermove", follow);
  return picture;
}

/** The measurements and the fit, and the weights below; or the mean fit in its band. */
function fitPicture(take) {
  const y = (height) => Math.min(206, Math.max(8, 107 - 42 * height));
  const marks = svg("g");
  const band = svg("path", { style: "fill: var(--attn-weight); opacity: 0.6" });
  const truth = line("stroke: var(--attn-ink); stroke-dasharray: 5 4; stroke-width: 1.5");
  const fit = line("stroke: var(--attn-value)");
  const [at, dotAt] = [upright(252), spot(5)];
  const name = svg("text", { y: 12, style: "fill: var(--attn-query)" }, "query");
  const query = svg("g", {}, at, name, dotAt);
  const foot = svg("g", {},
    svg("line", { class: "attn-axis", x1: 46, x2: 400, y1: 252, y2: 252 }),
    [0, 0.5, 1].map((v) => label(across(v), 269, String(v))));
  truth.setAttribute("d", path(XS, POINTS.map((x) => y(curve(x)))));
  const picture = plot(take, band, marks, truth, fit, query, foot,
    [-2, -1, 0, 1, 2].map((v) => label(40, y(v) + 4, fixed(v, 0), "end")));
  picture.show = (state, found) => {
    const fits = state.view === "fit";
    picture.setAttribute("viewBox", `-8 0 418 ${fits ? 274 : 232}`);
    place(foot, { transform: `translate(0 ${fits ? 0 : -42})` });
    marks.replaceChildren(...found.places.flatMap((x, i) => {
      const share = fits ? found.weights[i] / found.largest_weight : 0;
      return [
        svg("circle", { cx: across(x), cy: y(found.heights[i]),
          r: 2 + 5 * Math.sqrt(share),
          style: "fill: var(--attn-weight); stroke: var(--attn-muted)" }),
        svg("rect", { class: "attn-bar", x: across(x) - 1, width: 2,
          y: 252 - 40 * share, height: 40 * share })];
    }));
    const middle = fits ? found.fit : found.mean_fit;
    place(fit, { d: path(XS, middle.map(y)) });
    const edge = (sign) => middle.map((m, i) => y(m + sign * found.spread[i]));
    const there = path(XS, edge(1));
    const back = path([...XS].reverse(), edge(-1).reverse());
    place(band, { d: there + back.replace("M", "L"), display: fits ? "none" : "inline" });
    place(query, { display: fits ? "inline" : "none" });
    const x = across(state.query);
    place(at, { x1: x, x2: x });
    place(dotAt, { cx: x, cy: y(found.estimate) });
    place(name, { x, "text-anchor": state.query > 0.5 ? "end" : "start" });
    place(picture, { "aria-label": fits
      ? `${state.count} measurements around the true curve, and the fit`
      : "The average of all fits in a band of one standard deviation, and the true "
        + "curve" });
  };
  return picture;
}

/** Where a label, `wide` units to each side, has most room at its own curve: above or
 * below, far from `others`, from labels that stand there and from the reader's line.
 * Curves are heights at every sixth x. */
function roomFor(own, others, wide, taken, mine) {
  let best = { score: -Infinity };
  const reach = Math.ceil(wide / 6);
  const apart = (y, { top, foot }) => Math.max(0, top - y, y - foot);
  for (let i = reach; i < own.length - reach; i++) {
    const near = (row) => row.slice(i - reach, i + reach + 1);
    const x = 46 + 6 * i;
    for (const up of [true, false]) {
      const top = up ? Math.min(...near(own)) - 20 : Math.max(...near(own)) + 4;
      const box = { x, wide, top, foot: top + 16 };
      if (top < 0 || box.foot > 188) continue;
      const room = Math.min(22, ...others.flatMap(near).map((y) => apart(y, box)));
      const hits = taken.some((t) => Math.abs(t.x - x) < t.wide + wide + 4
        && t.top < box.foot + 2 && top < t.foot + 2);
      const crossed = Math.abs(mine - x) < wide + 6;
      const score = room - apart(own[i], box) - 100 * hits - 50 * crossed;
      if (score > best.score) best = { ...box, score };
    }
  }
  return best;
}

/** A curve's heights at every sixth x, straight between its points. */
function everySixth(xs, ys) {
  let k = 0;
  return Array.from({ length: 60 }, (_, i) => {
    while (xs[k + 2] <= 46 + 6 * i) k += 1;
    return ys[k] + ((46 + 6 * i - xs[k]) / (xs[k + 1] - xs[k])) * (ys[k + 1] - ys[k]);
  });
}

/** bias², variance and their sum against the bandwidth, both axes logarithmic. */
function errorPicture(take) {
  const [low, high] = [BANDWIDTHS[0], BANDWIDTHS.at(-1)];
  const share = (h) => Math.log(h / low) / Math.log(high / low);
  const y = (error) => 14 - 44 * Math.max(-4, Math.log10(error));
  const xs = BANDWIDTHS.map((h) => across(share(h)));
  const lines = ["stroke-dasharray: 6 4", "stroke-dasharray: 8 3 2 3", "stroke-width: 3"]
    .map((style) => line(`stroke: var(--attn-ink); ${style}`));
  const names = ["bias²", "variance", "sum"].map((name) => label(0, 0, name));
  const [at, dots] = [upright(190), lines.map(() => spot(4))];
  const nearest = (x) => BANDWIDTHS.reduce((best, h) =>
    (Math.abs(share(h) - x) < Math.abs(share(best) - x) ? h : best));
  const picture = plot((x) => take(nearest(x)), at, lines, dots, names,
    svg("line", { class: "attn-axis", x1: 46, x2: 400, y1: 190, y2: 190 }),
    [1, 0.1, 0.01, 0.001].map((v) => label(40, y(v) + 4, String(v), "end")),
    [0.003, 0.01, 0.03, 0.1, 0.3].map((h) => label(across(share(h)), 206, String(h))),
    label(46, 224, "hard", "start"), label(223, 224, "bandwidth h"),
    label(400, 224, "soft", "end"));
  place(picture, { viewBox: "-8 0 418 230" });
  picture.show = (state, found) => {
    const { bias2_curve: bias2, variance_curve: variance } = found;
    const sum = bias2.map((b, i) => b + variance[i]);
    const rows = [bias2, variance, sum].map((row) => row.map(y));
    rows.forEach((row, i) => place(lines[i], { d: path(xs, row) }));
    const x = across(share(state.bandwidth));
    const curves = rows.map((row) => everySixth(xs, row));
    const taken = [];
    curves.forEach((own, i) => {
      const others = curves.filter((row) => row !== own);
      taken.push(roomFor(own, others, [22, 38, 19][i], taken, x));
      place(names[i], { x: taken[i].x, y: taken[i].foot - 3 });
    });
    place(at, { x1: x, x2: x });
    [found.bias2, found.variance, found.total].forEach((error, i) =>
      place(dots[i], { cx: x, cy: y(error) }));
    place(picture, { "aria-label": "Bias² rises with the bandwidth, the variance falls; "
      + `their sum is smallest at bandwidth ${found.best_bandwidth}` });
  };
  return picture;
}

// ---- the figure -----------------------------------------------------------------------

const CAPTIONS = {
  fit: "Dots: measurements, the larger the more weight. Dashed: the true curve. Solid: "
    + "the fit. Bars: the weights at the query, beside the largest.",
  errors: "Dashed: the true curve. Solid: the average of all fits with these places; "
    + "its distance from the dashed line is the bias. Band: one standard deviation of "
    + "the fits around it.",
};

function render({ model, el }) {
  const keys = ["view", "count", "noise", "bandwidth", "query", "seed"];
  const said = liveLine();
  const fits = fitPicture((x) => {
    if (model.get("view") === "fit") put(model, "query", Math.round(100 * x) / 100);
  });
  const curves = errorPicture((h) => put(model, "bandwidth", h));
  const caption = h("figcaption");
  const facts = (list) => h("dl", { class: "attn-facts" }, list.map(([name, output]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, output))));
  const told = {
    fit: [
      ["estimate at the query", stated("estimate", 3)],
      ["true curve there", stated("truth", 3)],
      ["measurements taking part", stated("taking_part")],
      ["largest weight", stated("largest_weight", 3)],
      ["β = 1/(2h²)", stated("beta", 0)],
    ],
    errors: [
      ["bias²", stated("bias2", 4)],
      ["variance", stated("variance", 4)],
      ["sum", stated("total", 4)],
      ["bandwidth of the smallest sum", stated("best_bandwidth", 3)],
      ["squared error of this one fit", stated("fit_error", 4)],
    ],
  };
  const rows = grid(`The ${TOP} largest weights`,
    ["rank", "place x", "height y", "weight"],
    Array.from({ length: TOP }, (_, i) => String(i + 1)), { digits: 3 });
  const slot = h("div", {}, slider(model, "query", "query x",
    { max: 1, step: 0.01, show: (x) => fixed(x, 2) }));
  const boxes = {
    fit: h("div", { class: "attn-stack" }, facts(told.fit), h("details", {},
      h("summary", {}, "The weights, number by number"), scroller("Weights", rows))),
    errors: h("div", { class: "attn-stack" }, h("figure", {}, curves,
      h("figcaption", {}, "Means over x of bias², variance and their sum. The upright "
        + "line is your bandwidth.")), facts(told.errors)),
  };
  const update = () => {
    const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    const found = numbers(state);
    Object.values(told).flat().forEach(([, output]) =>
      output.show(found[output.dataset.number]));
    fits.show(state, found);
    curves.show(state, found);
    const order = found.weights.map((_, i) => i)
      .sort((a, b) => found.weights[b] - found.weights[a]).slice(0, TOP);
    rows.show(order.map((i) => [found.places[i], found.heights[i], found.weights[i]]));
    caption.textContent = CAPTIONS[state.view];
    slot.hidden = boxes.fit.hidden = state.view !== "fit";
    boxes.errors.hidden = state.view === "fit";
    said.say(state.view === "fit"
      ? `At query ${fixed(state.query)} the estimate is ${fixed(found.estimate)}, the `
        + `true curve ${fixed(found.truth)}. ${fixed(found.taking_part, 1)} of `
        + `${state.count} measurements take part.`
      : `Bandwidth ${state.bandwidth}: bias² ${fixed(found.bias2, 4)}, variance `
        + `${fixed(found.variance, 4)}. Their sum is smallest at bandwidth `
        + `${found.best_bandwidth}.`);
  };
  const parts = [
    h("div", { class: "attn-controls" },
      choice(model, "view", "show",
        [["fit", "the fit and its weights"], ["errors", "bias² and variance"]]),
      slider(model, "bandwidth", "bandwidth h", { values: BANDWIDTHS }),
      slot,
      slider(model, "count", "measurements", { values: COUNTS }),
      slider(model, "noise", "noise",
        { max: 0.5, step: 0.05, show: (x) => fixed(x, 2) }),
      h("div", { class: "attn-control" },
        button("draw new measurements", () =>
          put(model, "seed", (model.get("seed") + 1) % 1000)))),
    said,
    h("figure", {}, fits, caption),
    boxes.fit, boxes.errors,
  ];
  return frame({ model, el }, "Attention as a smoother", keys, parts, update);
}

export default { render, numbers };
