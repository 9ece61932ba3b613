// Reads what the page contains, and keeps what was chosen in the address.
const read = JSON.parse(document.getElementById("contents").textContent);
const tasks = read.tasks, charts = read.charts, params = read.params;
const $ = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "list") made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Other people's text: its direction does not affect what is around it.
const named = (text) => element("bdi", { textContent: text });

function digits(value, count = 6) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) {
    return value.toExponential(count - 1).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
  }
  return Number(value.toPrecision(count)).toLocaleString("en", { maximumFractionDigits: 20 })
    .replace("-", "−");
}

const whole = (value) => Number(value).toLocaleString("en");
const chartName = (chart) => chart.variant ? `${chart.metric} / ${chart.variant}` : chart.metric;

function duration(seconds) {
  if (seconds === 0) return "0";
  const [size, unit] = Math.abs(seconds) >= 172800 ? [86400, "d"] : Math.abs(seconds) >= 7200
    ? [3600, "h"] : Math.abs(seconds) >= 120 ? [60, "min"] : [1, "s"];
  return `${digits(seconds / size, 4)} ${unit}`;
}

function moment(seconds, step = 1) {
  const text = new Date(seconds * 1000).toISOString();
  return step >= 86400 ? text.slice(0, 10) : `${text.slice(5, 10)} ${text.slice(11, step < 60 ? 19 : 16)}`;
}

// Numbers as numbers: 1e-3 equals 0.001.
function asNumber(text) {
  return text !== null && text !== undefined && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text)
    ? Number(text) : null;
}

params.forEach((param) => {
  const of = new Map(param.tasks.map((task, at) => [task, param.values[param.at[at]]]));
  param.value = (task) => of.get(task);
  param.isNumeric = param.values.every((value) => asNumber(value) !== null);
});
charts.forEach((chart, number) => {
  chart.number = number;
  chart.place = new Map(chart.tasks.map((task, at) => [task, at]));
  chart.isSuspect = new Set(chart.suspect);
  chart.value = (task) => {
    const at = chart.place.get(task);
    if (at === undefined) return undefined;
    const value = chart.best[at];
    return value === null ? NaN : value;
  };
});

// Choices
const usual = {
  sort: "", down: "0", find: "", hide: "", show: "", metric: "", x: "iteration", logx: "0",
  logy: "0", smooth: "0", rest: "1", on: "", pin: "", sx: "", sy: "", by: "", band: "std",
};
const chosen = { ...usual };
function readAddress() {
  Object.assign(chosen, usual);
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key in usual) chosen[key] = value;
  }
}
let writing = 0;
function choose(changes) {
  Object.assign(chosen, changes);
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 150);
}
function writeAddress() {
  const different = Object.entries(chosen).filter(([key, value]) => value !== usual[key]);
  const text = new URLSearchParams(different).toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

// Styles: eight colours that colour-blind people can tell apart, then dashes.
const isDark = matchMedia("(prefers-color-scheme: dark)");
const colours = () => isDark.matches
  ? ["#56b4e9", "#e69f00", "#2fc79a", "#e58fc1", "#f0e442", "#ff8a4a", "#9db8ff", "#d0d0d0"]
  : ["#0072b2", "#b87800", "#007a5a", "#b0568a", "#2f9bd6", "#d55e00", "#6a5acd", "#222222"];
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const slots = new Map(); // task → number of its style

const style = (task) => {
  const slot = slots.get(task);
  const all = colours();
  return slot === undefined ? null
    : { colour: all[slot % all.length], dash: dashes[Math.floor(slot / all.length) % dashes.length] };
};

function show(task, isShown) {
  if (!isShown) slots.delete(task);
  else if (!slots.has(task)) {
    const taken = new Set(slots.values());
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    slots.set(task, slot);
  }
  choose({ on: slots.size ? [...slots].map(([one, slot]) => `${one}:${slot}`).join(".") : "none" });
}

function pinned() {
  const task = Number(chosen.pin);
  return chosen.pin !== "" && tasks[task] ? task : null;
}

// Columns: gzip in base64 to typed arrays; queries/report/encoding.py writes them.
function unpacked(id) {
  const packed = Uint8Array.from(atob($(id).textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function decode(id) {
  const bytes = await unpacked(id).arrayBuffer();
  const [n, points, xWidth, valueWidth, unit] = new Uint32Array(bytes, 0, 5);
  let at = 24;
  const column = (type, count) => {
    const part = new type(bytes.slice(at, at + count * type.BYTES_PER_ELEMENT));
    at += count * type.BYTES_PER_ELEMENT;
    return part;
  };
  const planes = (type, width) => {
    const from = new Uint8Array(bytes, at, points * width), to = new Uint8Array(points * width);
    for (let plane = 0; plane < width; plane++) {
      for (let i = 0; i < points; i++) to[i * width + plane] = from[plane * points + i];
    }
    at += points * width;
    return new type(to.buffer);
  };
  const [of, counts, stored, timed] = [0, 1, 2, 3].map(() => column(Uint32Array, n));
  const [xs, ts] = [0, 1].map(() => column(Float64Array, n));
  const steps = planes(xWidth === 8 ? Float64Array : Uint32Array, xWidth);
  const times = planes(Int32Array, 4);
  const values = planes(valueWidth === 8 ? Float64Array : Float32Array, valueWidth);
  const curves = [];
  for (let curve = 0, from = 0; curve < n; from += counts[curve], curve++) {
    const iteration = new Float64Array(counts[curve]);
    const clock = timed[curve] ? new Float64Array(counts[curve]) : null;
    for (let i = 0, x = xs[curve], t = 0; i < counts[curve]; i++) {
      iteration[i] = x += steps[from + i];
      t += times[from + i];
      if (clock) clock[i] = (ts[curve] + t * unit) / 1000;
    }
    curves.push({
      task: of[curve], iteration, clock, stored: stored[curve],
      value: values.subarray(from, from + counts[curve]),
    });
  }
  return curves;
}
