// What is seen of the explorer: one state, kept in the address after #, and functions that draw it. Every change goes
// through set(), which draws everything again; attention.js does the arithmetic. Text from the file becomes text nodes
// only, so that nothing in it can be markup.
"use strict";

const about = JSON.parse(document.getElementById("about").textContent);
const $ = id => document.getElementById(id);
const range = count => Array.from({length: count}, (_, n) => n);
const many = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

// An element with properties (on... are listeners, aria-... and data-... attributes) and children.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

function drawn(tag, attributes, ...children) {                  // the same for SVG
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// ---- state

let models = [], model;
const CHOICES = {                                               // settings that are words: [value, what it is called]
  direction: [["from", "attends to"], ["to", "is attended by"]],
  colours: [["linear", "linear"], ["log", "logarithmic"]],
  scale: [["row", "this map's own"], ["all", "the whole image's"]],
  fusion: [["mean", "mean"], ["max", "max"], ["min", "min"]],
  theme: [["auto"], ["light"], ["dark"]],
};
// m model, i image, l block, h head, q the token asked about, k the other token of the pair (-1: the strongest).
const state = {tab: "attention", m: 0, i: 0, l: -1, h: 0, q: 0, k: -1, lock: 0, overlay: 75, direction: "from",
               colours: "linear", scale: "row", fusion: "mean", theme: "auto"};

// Make every value one that exists, whatever the address said.
function settle() {
  const clamp = (value, least, most, otherwise) => Number.isInteger(+value) && +value >= least && +value <= most
    ? +value : otherwise;
  state.m = clamp(state.m, 0, models.length - 1, 0);
  model = models[state.m];
  state.i = clamp(state.i, 0, model.B - 1, 0);
  state.l = clamp(state.l, 0, model.L - 1, model.L - 1);
  state.h = clamp(state.h, 0, model.H - 1, 0);
  state.q = clamp(state.q, 0, model.N - 1, 0);
  state.k = clamp(state.k, 0, model.N - 1, -1);
  state.lock = clamp(state.lock, 0, 1, 0);
  state.overlay = clamp(state.overlay, 0, 100, 75);
  if (!tabs().includes(state.tab)) state.tab = "attention";
  if (state.tab === "positions" && !isPatch(state.q)) state.q = model.prefix.length;
  for (const [name, choices] of Object.entries(CHOICES))
    if (!choices.some(([value]) => value === state[name])) state[name] = choices[0][0];
}

let writing;
function set(changes) {
  Object.assign(state, changes);
  settle();
  clearTimeout(writing);                                        // browsers refuse more than a few addresses a second
  writing = setTimeout(() => history.replaceState(null, "", "#" + new URLSearchParams(state)), 200);
  render();
}

const readHash = () => Object.fromEntries([...new URLSearchParams(location.hash.slice(1))]
  .filter(([name]) => Object.hasOwn(state, name)));

// ---- what a map shows

const isPatch = token => token >= model.prefix.length;
const place = (token, of = model) => {
  const patch = token - of.prefix.length;
  return [Math.floor(patch / of.Gx), patch % of.Gx];
};
const nameOf = token => isPatch(token) ? `patch (${place(token).join(", ")})` : model.prefix[token];
const short = name => name.replace(/^the /, "");
const sentence = text => text[0].toUpperCase() + text.slice(1);

// What the stage shows of a model now: a value for each token, the value of the brightest colour, and on which scale.
function shown(of = model, l = state.l, h = state.h, q = state.q) {
  const {i, tab, direction, colours, scale, fusion} = state, logarithmic = colours === "log", P = of.prefix.length;
  if (tab === "positions") {
    const values = [...Array(P).fill(NaN), ...of.similarity(q - P)];
    return {values, level: value => (value - of.leastCosine) / (1 - of.leastCosine)};
  }
  const values = tab === "rollout" ? of.rollout(i, fusion)[l].slice(q * of.N, (q + 1) * of.N)
    : direction === "from" ? of.row(i, l, h, q) : of.column(i, l, h, q);
  const largest = scale === "all" && tab !== "rollout" ? of.largestOf(i) : Math.max(...values.slice(P));
  return {values, largest, level: value => onScale(value, largest, logarithmic)};
}

// The other token of the pair: the one chosen, or the one with the largest value.
const other = map => state.k >= 0 ? state.k : argmax(map.values);

// ---- pictures

// A canvas with one pixel for each value, in rows of `width`; colour(value) is [red, green, blue].
function paint(canvas, width, values, colour) {
  const pixels = new ImageData(width, values.length / width);
  values.forEach((value, n) => pixels.data.set([...colour(value), 255], 4 * n));
  [canvas.width, canvas.height] = [width, pixels.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// Image i of a model, at its own size.
function picture(of, i) {
  const {Sy, Sx, C} = of, numbers = of.data.pixels;
  const area = Sy * Sx, planes = [0, 1, 2].map(c => (i * C + (C === 3 ? c : 0)) * area);     // grey is three alike
  return paint(element("canvas"), Sx, range(area), n => planes.map(start => numbers[start + n]));
}

// An image with a map over it, the token asked about outlined in orange, the other in blue.
function drawStage(canvas, of, map, query, key, scale) {
  Object.assign(canvas.style, {aspectRatio: `${of.Sx} / ${of.Sy}`, maxWidth: `${40 * of.Sx / of.Sy}rem`});
  const width = Math.max(1, Math.round(canvas.getBoundingClientRect().width * devicePixelRatio));
  const height = Math.round(width * of.Sy / of.Sx), pen = Object.assign(canvas, {width, height}).getContext("2d");
  const P = of.prefix.length, edge = (n, count, size) => Math.round(n * size / count);
  const cell = token => {
    const [y, x] = place(token, of), left = edge(x, of.Gx, width), top = edge(y, of.Gy, height);
    return [left, top, edge(x + 1, of.Gx, width) - left, edge(y + 1, of.Gy, height) - top];
  };
  pen.imageSmoothingEnabled = of.Sx > 100;
  pen.drawImage(of.once(`picture ${state.i}`, () => picture(of, state.i)), 0, 0, width, height);
  if (map) {
    pen.globalAlpha = state.overlay / 100;
    for (let token = P; token < of.N; token++) {
      pen.fillStyle = `rgb(${colourAt(map.level(map.values[token]), scale)})`;
      pen.fillRect(...cell(token));
    }
    pen.globalAlpha = 1;
  }
  const outline = (token, colour, dashes) => {
    const [left, top, wide, high] = cell(token);
    const line = Math.min(Math.max(2, Math.min(wide, high) / 12), 4 * devicePixelRatio);
    pen.setLineDash([]);
    for (const [paintWith, thick] of [["#fff", line + 2], [colour, line]]) {
      Object.assign(pen, {strokeStyle: paintWith, lineWidth: thick});
      if (paintWith === colour) pen.setLineDash(dashes.map(part => part * line));
      pen.strokeRect(left + line / 2 + 1, top + line / 2 + 1, wide - line - 2, high - line - 2);
    }
  };
  if (key >= P && key !== query) outline(key, "#0072b2", [2, 1.5]);
  if (query >= P) outline(query, "#d55e00", []);
}

// The token under the pointer.
function tokenAt(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const along = (at, from, size, count) => Math.min(Math.max(Math.floor((at - from) / size * count), 0), count - 1);
  const y = along(event.clientY, box.top, box.height, model.Gy);
  return model.prefix.length + y * model.Gx + along(event.clientX, box.left, box.width, model.Gx);
}

// A button with a small map on it.
function thumbnail(label, onclick) {
  const canvas = element("canvas"), button = element("button", {type: "button", tabIndex: -1, "aria-label": label,
                                                                 title: label, onclick}, canvas);
  canvas.style.aspectRatio = `${model.Sx} / ${model.Sy}`;
  return {button, show(map, current) {
    paint(canvas, model.Gx, [...map.values.slice(model.prefix.length)], value => colourAt(map.level(value)));
    button.setAttribute("aria-pressed", current);
    button.tabIndex = current ? 0 : -1;
  }};
}

// ---- the views: each has a name, says whether there is something to see, and makes elements and what updates them

const heading = text => element("h2", {}, text);
const pictured = (label, listeners = {}) =>
  element("canvas", {className: "picture", role: "img", "aria-label": label, ...listeners});
const scrolling = child => element("div", {className: "scroll"}, child);
const soft = text => element("p", {className: "soft note"}, text);

const VIEWS = {
  attention: {name: "Attention", stage: true, heads: true, number: true, build(view) {
    const {L, H} = model, title = heading(""), matrix = element("div", {className: "matrix", role: "group",
                                                                        "aria-label": "All blocks and heads"});
    const size = Math.min(Math.max(30 / L, 1.75), 48 / H, 6), narrow = size < 3.5;
    matrix.style.gridTemplateColumns = `auto repeat(${H}, minmax(1.25rem, ${size}rem))`;
    matrix.append(element("span", {}, narrow ? "head" : ""),
                  ...range(H).map(h => element("span", {}, narrow ? `${h}` : `head ${h}`)));
    const thumbs = range(L).map(l => {
      const row = range(H).map(h => thumbnail(`block ${l}, head ${h}`, () => set({l, h})));
      matrix.append(element("span", {}, `block ${l}`), ...row.map(thumb => thumb.button));
      return row;
    });
    const chart = distances();
    view.append(title, element("div", {className: "beside"}, matrix, chart.figure));
    return () => {
      title.textContent = `${sentence(nameOf(state.q))} in all blocks and heads`;
      thumbs.forEach((row, l) => row.forEach((thumb, h) => thumb.show(shown(model, l, h),
                                                                      l === state.l && h === state.h)));
      chart.update();
    };
  }},

  rollout: {name: "Rollout", stage: true, fusion: true, build(view) {
    const matrix = element("div", {className: "matrix", role: "group", "aria-label": "After each block"});
    matrix.style.gridTemplateColumns = "repeat(auto-fill, minmax(4.5rem, 7rem))";
    const thumbs = range(model.L).map(l => thumbnail(`after block ${l}`, () => set({l})));
    matrix.append(...thumbs.map((thumb, l) => element("figure", {}, thumb.button,
                                                      element("figcaption", {}, `after block ${l}`))));
    view.append(heading("From block to block"), matrix, soft(
      "Rollout multiplies the maps of all blocks, each with the identity added for the residual stream: how much of " +
      "each patch can have reached the token. It leaves out values and MLPs. Source: Abnar and Zuidema 2020."));
    return () => thumbs.forEach((thumb, l) => thumb.show(shown(model, l), l === state.l));
  }},

  positions: {name: "Positions", stage: true, has: of => of.data.positions, build(view) {
    const {Gy, Gx} = model, dot = 4, gap = 3;                   // pixels of a value, and between two small maps
    const width = Gx * (dot * Gx + gap) - gap, height = Gy * (dot * Gy + gap) - gap;
    const values = Array(width * height).fill(NaN);
    for (const patch of range(Gy * Gx)) model.similarity(patch).forEach((cosine, n) => {
      const top = Math.floor(patch / Gx) * (dot * Gy + gap) + Math.floor(n / Gx) * dot;
      const left = patch % Gx * (dot * Gx + gap) + n % Gx * dot;
      for (const y of range(dot)) values.fill(cosine, (top + y) * width + left, (top + y) * width + left + dot);
    });
    const line = getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
    const canvas = pictured("For each patch, at its place, how similar its position embedding is to all others",
      {onmousemove: event => hover(tokenAt(event)), onclick: event => click(tokenAt(event))});
    paint(canvas, width, values,
          cosine => Number.isNaN(cosine) ? line : colourAt((cosine - model.leastCosine) / (1 - model.leastCosine)));
    canvas.style.maxWidth = `${36 * Math.min(1, width / height)}rem`;
    view.append(heading("Every patch’s position, compared with all others"), canvas, soft(
      "The cosine of position embeddings. Nothing tells the model that patches lie in a grid; where each small map " +
      "is brightest around its own place, training has found out."));
    return () => {};
  }},

  filters: {name: "Filters", build(view) {
    const [count, C, Py, Px] = model.arrays.filters.shape, area = Py * Px, codes = model.data.filters;
    const kept = model.shares.reduce((a, b) => a + b, 0);
    const tiles = range(count).map(n => {
      const at = (p, c) => codes[(n * C + (C === 3 ? c : 0)) * area + p];
      const canvas = pictured(`component ${n + 1}, ${percent(model.shares[n])} of the variance`);
      paint(canvas, Px, range(area), p => range(3).map(c => at(p, c)));
      return element("figure", {}, canvas, element("figcaption", {}, percent(model.shares[n])));
    });
    view.append(heading(`What the first layer looks for: ${many(count, "principal component")} of its filters, ` +
                        `${percent(kept)} of their variance`), element("div", {className: "tiles"}, ...tiles),
                soft("Grey is 0. After training on many images the first are planes, edges and slow waves."));
    return () => {};
  }},

  predictions: {name: "Predictions", stage: true, plain: true, build(view) {
    const title = heading(""), table = element("div", {className: "scroll"}), chart = element("div");
    view.append(title, table, heading("What it would say if it ended after each block (logit lens)"), chart, soft(
      "The last norm and the head read the tokens after every block. Source: nostalgebraist 2020."));
    return () => {
      const image = model.images[state.i], says = image.classes[0];
      title.replaceChildren("It says ", element("bdi", {}, says));
      if (image.label === says) title.append(", and is right");
      else if (image.label !== null) title.append(". It is ", element("bdi", {}, image.label));
      table.replaceChildren(probabilities(image));
      chart.replaceChildren(lens(image));
    };
  }},

  compare: {name: "Compare", stage: true, heads: true, has: () => models.length > 1, build(view) {
    const of = models[1 - state.m], same = of.Gy === model.Gy && of.Gx === model.Gx, table = scrolling("");
    const theirPicture = pictured("The same of the other model"), theirCaption = element("figcaption");
    const difference = pictured("The difference of the two maps"), scale = element("figcaption");
    const pictures = element("div", {className: "two"}, element("figure", {}, theirPicture, theirCaption));
    if (same) pictures.append(element("figure", {}, difference, scale));
    view.append(element("h2", {dir: "auto"}, `The same of ${of.name}`), pictures, soft(""), table);
    return () => {
      const l = Math.round(state.l / Math.max(1, model.L - 1) * (of.L - 1)), h = Math.min(state.h, of.H - 1);
      const q = counterpart(state.q, of), ours = shown(), theirs = shown(of, l, h, q);
      drawStage(theirPicture, of, theirs, q, -1);
      theirCaption.textContent = `Block ${l}, head ${h}; brightest: ${percent(theirs.largest)}`;
      if (same) {
        const P = model.prefix.length, shift = of.prefix.length - P;
        const values = ours.values.map((value, n) => value - theirs.values[n + shift]);
        const most = Math.max(...values.slice(P).map(Math.abs)) || 1;
        drawStage(difference, model, {values, level: value => 0.5 + value / most / 2}, state.q, -1, DIVERGING);
        scale.textContent = `Difference: orange where ${model.name} attends more, blue where less; ± ${percent(most)}`;
      }
      table.replaceChildren(comparison(of, l, h));
    };
  }},

  parts: {name: "Model", has: of => of.summary, build(view) {
    const [head, ...rows] = model.summary;
    view.append(scrolling(tableOf("The parts of the model", head, rows)));
    return () => {};
  }},

  mistakes: {name: "Mistakes", has: of => of.confusion, build(view) {
    const {right, of, mistakes, counts} = model.confusion;
    view.append(heading(`${percent(right / of)} of ${many(of, "image")} are right`));
    if (counts) view.append(scrolling(confusionTable(model.confusion)));
    if (mistakes.length) view.append(scrolling(tableOf("The commonest mistakes", ["it is", "taken for", "times"],
                                                       counts ? mistakes.slice(0, 5) : mistakes)));
    return () => {};
  }},
};
const tabs = () => Object.keys(VIEWS).filter(tab => !VIEWS[tab].has || VIEWS[tab].has(model));

function tableOf(caption, head, rows) {
  const aligned = column => rows.every(row => /^[\d<]/.test(row[column])) ? "figure" : "";
  const line = (kind, cells) => element("tr", {}, ...cells.map((cell, n) =>
    element(kind, {dir: "auto", className: aligned(n)}, String(cell))));
  return element("table", {}, element("caption", {}, caption), element("thead", {}, line("th", head)),
                 element("tbody", {}, ...rows.map(row => line("td", row))));
}

// Counts by class (rows) and prediction (columns); a cell's colour is its share of the class.
function confusionTable({classes, counts}) {
  const cell = (count, y) => {
    const share = count / counts[y].reduce((a, b) => a + b), made = element("td", {}, count ? String(count) : "·");
    if (count) Object.assign(made.style, {background: `rgb(${colourAt(Math.sqrt(share))})`,
                                          color: share > 0.3 ? "#000" : "#fff"});
    return made;
  };
  const named = name => element("th", {dir: "auto"}, name), line = (...cells) => element("tr", {}, ...cells);
  return element("table", {className: "counts"},
    element("caption", {}, "Row: what it is. Column: what it was taken for"),
    element("thead", {}, line(element("td"), ...classes.map(named))),
    element("tbody", {}, ...counts.map((row, y) => line(named(classes[y]), ...row.map(count => cell(count, y))))));
}

// A token of another model at the same place of the image.
function counterpart(token, of) {
  if (!isPatch(token)) return of.prefix.length ? Math.min(token, of.prefix.length - 1) : 0;
  const [y, x] = place(token), along = (n, count, into) => Math.floor((n + 0.5) / count * into);
  return of.prefix.length + along(y, model.Gy, of.Gy) * of.Gx + along(x, model.Gx, of.Gx);
}

function comparison(of, l, h) {
  const sides = [[model, state.l, state.h], [of, l, h]];
  const row = (name, value) => [name, ...sides.map(side => value(...side))];
  return tableOf("", ["", model.name, of.name], [
    row("prediction", m => m.images[state.i].classes[0]),
    row("its probability", m => percent(m.images[state.i].course[0].at(-1))),
    row("this head looks as far as", (m, l, h) => `${m.distance[l][h].toFixed(1)} pixels`),
    row("parameters", m => m.parameters.toLocaleString("en"))]);
}

// ---- charts

// An empty chart: lines at `levels` ([height from 0 to 1, text]) and below it the names of the places along it.
function chartOf(label, levels, places, below) {
  const x = n => 46 + (places.length > 1 ? n / (places.length - 1) : 0.5) * 410, y = height => 190 - height * 175;
  const svg = drawn("svg", {viewBox: "0 0 470 232", role: "img", "aria-label": label});
  for (const [height, text] of levels) svg.append(
    drawn("line", {class: "axis", x1: 36, x2: 466, y1: y(height), y2: y(height)}),
    drawn("text", {x: 30, y: y(height) + 4, "text-anchor": "end"}, text));
  const step = Math.ceil(places.length / 13);
  places.forEach((name, n) => n % step || svg.append(drawn("text", {x: x(n), y: 210, "text-anchor": "middle"}, name)));
  svg.append(drawn("text", {x: 466, y: 228, "text-anchor": "end"}, below));
  return {svg, x, y};
}

// Mean attention distance of every head over the depth.
function distances() {
  const {L, distance, uniform} = model, most = 1.2 * Math.max(uniform, ...distance.flat()) || 1;
  const words = distance.map((heads, l) => `block ${l}: ${heads.map(pixels => pixels.toFixed(1)).join(", ")}`);
  const {svg, x, y} = chartOf(`Mean attention distance of each head in pixels: ${words.join("; ")}`,
    ticks(most).map(tick => [tick / most, String(+tick.toPrecision(2))]), range(L).map(String), "block");
  svg.append(drawn("text", {x: 2, y: 4}, "pixels"),
             drawn("line", {class: "level", x1: 36, x2: 466, y1: y(uniform / most), y2: y(uniform / most)}));
  const dots = distance.map((heads, l) => heads.map((pixels, h) => {
    const dot = drawn("circle", {class: "dot", cx: x(l), cy: y(pixels / most), r: 5},
                      drawn("title", {}, `block ${l}, head ${h}: ${pixels.toFixed(1)} pixels`));
    dot.addEventListener("click", () => set({l, h}));
    svg.append(dot);
    return dot;
  }));
  const caption = element("figcaption");
  return {figure: element("figure", {}, heading("How far each head looks"), svg, caption), update() {
    const {l, h} = state;
    dots.flat().forEach(dot => dot.classList.remove("current"));
    dots[l][h].classList.add("current");
    svg.append(dots[l][h]);                                     // in front of the others
    caption.textContent = "Mean distance in pixels between a patch and those it attends to, over all images here. " +
      `Block ${l}, head ${h}: ${distance[l][h].toFixed(1)}. Dashed: attending to all alike, ${uniform.toFixed(1)}.`;
  }};
}

const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

function probabilities(image) {
  const rows = image.classes.map((name, n) => {
    const chip = element("span", {className: "bar"}), share = image.course[n].at(-1);
    Object.assign(chip.style, {background: LINES[n % LINES.length], width: `${8 * share}rem`, display: "block"});
    return element("tr", {}, element("td", {}, element("bdi", {}, name)), element("td", {}, percent(share)),
                   element("td", {}, chip));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function lens(image) {
  const words = image.course.map((course, n) => `${image.classes[n]} ${course.map(percent).join(", ")}`);
  const places = image.course[0].map((_, n) => n ? String(n - 1) : "none");
  const {svg, x, y} = chartOf(`Probabilities after each block: ${words.join("; ")}`,
                              [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]], places, "after block");
  image.course.forEach((course, n) => svg.append(drawn("polyline", {class: "course", stroke: LINES[n % LINES.length],
    points: course.map((share, l) => `${x(l)},${y(share)}`).join(" ")}, drawn("title", {}, image.classes[n]))));
  return svg;
}

// ---- this one number

function drawNumber(map) {
  const {i, l, h, q, direction} = state, panel = $("number");
  const [from, to] = direction === "from" ? [q, other(map)] : [other(map), q];
  const weight = model.weight(i, l, h, from, to);
  const title = heading(`This one number: ${nameOf(from)} pays ${percent(weight)} of its attention to ${
    from === to ? "itself" : nameOf(to)} (block ${l}, head ${h})`);
  const found = model.worked(i, l, h, from, to);
  panel.dataset.weight = weight;
  panel.dataset.worked = found ? found.weight : "";
  if (!found) {
    const [image, block] = model.kept.find(([image]) => image === i) || model.kept[0];
    panel.replaceChildren(title, element("p", {}, "To stay small, the file has queries and keys of some images and " +
      "blocks only. ", element("button", {type: "button", onclick: () => set({i: image, l: block})},
                               `Go to image ${image}, block ${block}`)));
    return;
  }
  const f = number => number.toFixed(3).replace("-", "−"), K = model.K;
  const step = (name, formula, value) => element("li", {}, name, element("b", {}, value),
                                                 element("span", {className: "small"}, formula));
  const strip = numbers => {
    const most = Math.max(...numbers.map(Math.abs)) || 1;
    const words = Array.from(numbers, value => value.toFixed(2)).join(", ");
    return paint(element("canvas", {role: "img", "aria-label": words}), K, [...numbers],
                 value => colourAt(0.5 + value / most / 2, DIVERGING));
  };
  const line = (name, numbers) => [element("dt", {}, name), element("dd", {}, strip(numbers))];
  panel.replaceChildren(title, element("ol", {className: "steps"},
    step("Query times key", `q · k, the sum of ${K} products, drawn below`, f(found.dot)),
    step("Scaled", `s = q · k / √${K}`, f(found.score)),
    step("Softmax", `exp(${f(found.score)} − ${f(found.largest)}) / Σ exp(s − ${f(found.largest)}) = ` +
      `${f(found.power)} / ${f(found.sum)}`, percent(found.weight)),
    step("Share of the value", `${percent(found.weight)} of a value of length ${f(found.length)}: its part of all ` +
      "lengths that arrive", percent(found.share))),
    element("dl", {className: "vectors"}, ...line("query q", found.query), ...line("key k", found.key),
            ...line("products", found.products)),
    soft("Blue is below 0, orange above; each strip has a scale of its own."));
}

// ---- the page

let built = "", update = () => {};

function render() {
  const {tab, i, l, h, q, m} = state, view = VIEWS[tab];
  Object.assign(document.body.dataset, state);
  if (state.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
  $("theme").textContent = isDark() ? "Light" : "Dark";
  const key = `${tab} ${m} ${isDark()}`;
  if (key !== built) {
    built = key;
    buildFrame();
    $("view").replaceChildren();
    update = view.build($("view"));
  }
  for (const [n, button] of [...$("images").children].entries()) button.setAttribute("aria-pressed", n === i);
  $("stage").hidden = !view.stage;
  $("main").classList.toggle("wide", !view.stage);
  $("number").hidden = !view.number;
  if (view.stage) drawMain(view);
  update();
  if (view.number) drawNumber(shown());
}

// Everything that changes only with the view and the model.
function buildFrame() {
  const view = VIEWS[state.tab], [Py, Px] = model.patch, round = size => +size.toFixed(1);
  const focused = document.activeElement.id;                    // it may be made again
  $("name").textContent = model.name;
  $("made-of").textContent = [`${many(model.L, "block")} of ${many(model.H, "head")}`,
    `${model.Gy} × ${model.Gx} patches of ${round(Py)} × ${round(Px)} pixels, (row, column) from (0, 0)`,
    ...model.prefix.map(short), many(model.parameters, "parameter")].join(", ");
  $("sides").hidden = models.length < 2;
  $("sides").replaceChildren(...models.map(({name}, m) => element("button", {type: "button", id: `side-${m}`,
    title: name, dir: "auto", "aria-pressed": m === state.m, onclick: () => set({m})}, name)));
  $("images").replaceChildren(...model.images.map(({name, label, classes: [says]}, i) => {
    const wrong = label !== null && label !== says, text = wrong ? `${says}, is ${label}` : says;
    const said = element("span", {className: wrong ? "wrong" : ""}, element("bdi", {}, says));
    if (wrong) said.append(", is ", element("bdi", {}, label));
    return element("button", {type: "button", title: `${name}: ${text}`, "aria-label": `image ${i}, ${name}: ${text}`,
      onclick: () => set({i})}, picture(model, i), said);
  }));
  $("tabs").replaceChildren(...tabs().map((tab, n) => element("button", {type: "button", role: "tab", id: `tab-${tab}`,
    "aria-selected": tab === state.tab, "aria-controls": "view", tabIndex: tab === state.tab ? 0 : -1,
    title: `key ${n + 1}`, onclick: () => set({tab})}, VIEWS[tab].name)));
  $("tabs").scrollLeft = $(`tab-${state.tab}`).offsetLeft - $("tabs").clientWidth / 2;       // on narrow screens
  $("view").setAttribute("aria-labelledby", `tab-${state.tab}`);
  const options = (id, choices) => $(id).replaceChildren(...choices.map(([value, text]) =>
    element("option", {value}, text)));
  options("block", range(model.L).map(l => [l, String(l)]));
  options("head", range(model.H).map(h => [h, String(h)]));
  for (const name of ["direction", "colours", "scale", "fusion"]) options(name, CHOICES[name]);
  $("prefix").replaceChildren(...model.prefix.map((name, token) => element("button", {type: "button",
    onmouseenter: () => hover(token), onclick: () => click(token)},
    element("span", {className: "swatch"}), short(name))));
  $("hint").hidden = !view.number;
  $("controls").hidden = view.plain || state.tab === "positions";
  for (const label of document.querySelectorAll(".for-heads")) label.hidden = !view.heads;
  for (const label of document.querySelectorAll(".for-fusion")) label.hidden = !view.fusion;
  if (focused && $(focused)) $(focused).focus();
}

// The image on the left, with what the view lays over it.
function drawMain(view) {
  const {tab, q, l, h, lock, direction} = state, map = view.plain ? null : shown();
  const shares = map && tab !== "positions", key = shares ? other(map) : -1;
  const asked = tab === "rollout" ? `Where ${nameOf(q)} comes from`
    : tab === "positions" ? `Positions like that of ${nameOf(q)}`
    : direction === "from" ? `Where ${nameOf(q)} looks` : `Who looks at ${nameOf(q)}`;
  $("question").textContent = view.plain ? model.images[state.i].name : asked;
  $("where").textContent = view.heads ? `block ${l}, head ${h}` : view.fusion ? `after block ${l}` : "";
  drawStage($("canvas"), model, map, view.plain ? -1 : q, key);
  $("prefix").hidden = view.plain || tab === "positions";
  [...$("prefix").children].forEach((button, token) => {
    button.className = token === q ? "is-query" : token === key ? "is-key" : "";
    if (shares) button.firstChild.style.background = `rgb(${colourAt(map.level(map.values[token]))})`;
  });
  $("legend").hidden = !map;
  if (map) paint($("ramp"), 256, range(256), n => colourAt(n / 255));
  for (const name of ["direction", "colours", "scale", "fusion", "overlay"]) $(name).value = state[name];
  [$("block").value, $("head").value] = [l, h];
  $("canvas").setAttribute("aria-label", `${asked}, ${$("where").textContent}. Arrow keys move, Enter locks.`);
  $("readout").textContent = "";
  if (!map) return;
  if (tab === "positions") {
    $("ends").textContent = `cosine ${model.leastCosine.toFixed(2).replace("-", "−")} to 1`;
    return;
  }
  const least = state.colours === "log" ? map.largest / 1000 : 0;
  $("ends").textContent = `${percent(least)} to ${percent(map.largest)}, ${least ? "logarithmic" : "linear"}`;
  const patches = 1 - map.values.slice(0, model.prefix.length).reduce((a, b) => a + b, 0);
  const rest = model.prefix.map((name, token) => `${short(name)} ${percent(map.values[token])}`).join(", ");
  const chosen = state.k >= 0 ? "Chosen" : tab === "attention" && direction === "to" ? "Most from" : "Most";
  $("readout").textContent = `${chosen}: ${key === q ? "itself" : nameOf(key)}, ${percent(map.values[key])}. ` +
    (direction === "from" || tab === "rollout" ? `All patches ${percent(patches)}${rest ? `; ${rest}` : ""}. ` : "") +
    (lock ? "Locked; Esc unlocks." : "");
}

const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => state.theme === "dark" || state.theme === "auto" && system.matches;

// ---- pointer and keys

function hover(token) {
  if (state.lock ? token !== state.k : token !== state.q) set(state.lock ? {k: token} : {q: token, k: -1});
}
const click = token => set(state.lock && token === state.q ? {lock: 0, k: -1} : {q: token, k: -1, lock: 1});

// The token next to one, some rows and columns on; above the first row stand the tokens that are no patches.
function beside(token, rows, columns) {
  const P = model.prefix.length, within = (n, count) => Math.min(Math.max(n, 0), count - 1);
  if (!isPatch(token)) return rows > 0 ? P : within(token + columns, P);
  const [y, x] = place(token);
  if (y + rows < 0) return P ? Math.min(x, P - 1) : token;
  return P + within(y + rows, model.Gy) * model.Gx + within(x + columns, model.Gx);
}

const next = name => {                                          // the next of the words of a setting
  const words = CHOICES[name].map(([word]) => word);
  set({[name]: words[(words.indexOf(state[name]) + 1) % words.length]});
};
const turn = (value, by, count) => (value + by + count) % count;

const KEYS = [                                                  // keys, what they do in words, what they do
  ["← ↑ → ↓", "another token", null],
  ["Shift ← ↑ → ↓", "the other token of the pair", null],
  ["Enter", "lock the token, or unlock it", () => click(state.q)],
  ["Esc", "unlock", () => set({lock: 0, k: -1})],
  ["[ ]", "block", by => set({l: turn(state.l, by, model.L)})],
  [", .", "head", by => set({h: turn(state.h, by, model.H)})],
  ["c", "class token, distillation token, a patch", () => set({q: !isPatch(state.q) ? state.q + 1 :
    model.prefix.length ? 0 : state.q, k: -1})],
  ["p n", "previous, next image", by => set({i: turn(state.i, by, model.B)})],
  ["1 … 8", "view", null],
  ["t", "attends to, or is attended by", () => next("direction")],
  ["l", "linear or logarithmic colours", () => next("colours")],
  ["s", "scale: this map’s own, or the whole image’s", () => next("scale")],
  ["f", "rollout: how heads are joined", () => next("fusion")],
  ["m", "the other model", () => set({m: turn(state.m, 1, models.length)})],
  ["d", "dark or light", () => set({theme: isDark() ? "light" : "dark"})],
  ["?", "this list", () => $("help").showModal()],
];
const ACTIONS = new Map(KEYS.flatMap(([keys, , act]) => act ? keys.split(" ").map((key, n) =>
  [key === "Esc" ? "Escape" : key, () => act(n ? 1 : -1)]) : []));
const ARROWS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || $("help").open) return;
  const on = event.target, arrow = ARROWS[event.key];
  if (on.matches("select, input") && (arrow || event.key.length === 1 && on.matches("select"))) return;
  if (event.key === "Enter" && on.matches("button, select")) return;
  if (arrow && on.matches("[role=tab]")) {
    if (!arrow[1]) return;
    const all = tabs();
    set({tab: all[turn(all.indexOf(state.tab), arrow[1], all.length)]});
    $(`tab-${state.tab}`).focus();
  } else if (arrow) {
    if (!VIEWS[state.tab].stage || VIEWS[state.tab].plain) return;         // there the arrows scroll
    if (event.shiftKey) set({k: beside(state.tab === "positions" ? state.q : other(shown()), ...arrow), lock: 1});
    else set({q: beside(state.q, ...arrow), k: -1});
  } else if (event.key === " " && on === $("canvas")) {
    click(state.q);
  } else if (/^[1-8]$/.test(event.key)) {
    const tab = tabs()[event.key - 1];
    if (tab) set({tab});
  } else if (ACTIONS.has(event.key)) {
    ACTIONS.get(event.key)();
  } else return;
  event.preventDefault();
}

function listen() {
  $("canvas").addEventListener("mousemove", event => VIEWS[state.tab].plain || hover(tokenAt(event)));
  $("canvas").addEventListener("click", event => VIEWS[state.tab].plain || click(tokenAt(event)));
  for (const name of ["direction", "colours", "scale", "fusion", "overlay"])
    $(name).addEventListener("input", event => set({[name]: event.target.value}));
  $("block").addEventListener("input", event => set({l: event.target.value}));
  $("head").addEventListener("input", event => set({h: event.target.value}));
  $("theme").addEventListener("click", () => set({theme: isDark() ? "light" : "dark"}));
  $("keys").addEventListener("click", () => $("help").showModal());
  $("help-keys").append(...KEYS.flatMap(([keys, text]) => [element("dt", {}, ...keys.split(" ").flatMap(key =>
    [element("kbd", {}, key), " "])), element("dd", {}, text)]));
  addEventListener("keydown", press);
  addEventListener("hashchange", () => set(readHash()));
  addEventListener("resize", render);
  system.addEventListener("change", render);
}

async function open() {
  const bytes = await bytesOf($("data").textContent, about.compressed);
  models = about.models.map(one => new Model(one, bytes));
  model = models[0];
  listen();
  $("loading").hidden = true;
  $("view").hidden = false;
  set(readHash());
  window.minivit = {models, set, state: () => ({...state}), opened: performance.now()};
}

open().catch(error => {
  $("loading").textContent = `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
});
