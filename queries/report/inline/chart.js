// Charts: uPlot has axes, scales, zoom and cursor; the curves are drawn here, because each has its
// own x. Only charts that are in view are drawn.
const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
const line = () => getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
const faint = () => getComputedStyle(document.documentElement).getPropertyValue("--faint").trim();
const live = new Map(); // number of a chart → what is drawn of it
const TIMES = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400,
  172800, 432000, 864000, 2592000, 8640000, 31536000];
let hovered = null;

const isDrawable = (value, isLog) => Number.isFinite(value) && (!isLog || value > 0);
const isLogX = () => chosen.logx === "1", isLogY = () => chosen.logy === "1";

// The first point at or after x.
function place(xs, x) {
  let low = 0, high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

const isOn = (curve) => curve.look !== undefined || slots.has(curve.task);
const lookOf = (curve) => curve.look ?? style(curve.task);
const visible = (drawn) => drawn.view.filter((curve) => isOn(curve) || chosen.rest === "1");

function extent(drawn, from = -Infinity, to = Infinity) {
  const range = { x: [Infinity, -Infinity], y: [Infinity, -Infinity] };
  const grow = (pair, value) => { if (value < pair[0]) pair[0] = value; if (value > pair[1]) pair[1] = value; };
  for (const curve of visible(drawn)) {
    const { x: xs, y: ys, low, high } = curve;
    for (let i = 0; i < xs.length; i++) {
      if (xs[i] < from || xs[i] > to || !isDrawable(xs[i], isLogX())) continue;
      if (isDrawable(ys[i], isLogY())) { grow(range.x, xs[i]); grow(range.y, ys[i]); }
      if (low && isDrawable(low[i], isLogY())) grow(range.y, low[i]);
      if (high && isDrawable(high[i], isLogY())) grow(range.y, high[i]);
    }
  }
  return range;
}

function padded([low, high], isLog, share) {
  if (!(low <= high)) return isLog ? [1, 10] : [0, 1];
  if (low === high) {
    if (isLog) return [low / 2, high * 2];
    const more = Math.abs(low) * 0.1 || 1;
    return [low - more, high + more];
  }
  if (isLog) {
    const more = Math.max((high / low) ** share, 1.0001);
    return [low / more, high * more];
  }
  return [low - (high - low) * share, high + (high - low) * share];
}

function fit(drawn) {
  const { x, y } = extent(drawn);
  const [left, right] = padded(x, isLogX(), x[0] === x[1] ? 0.04 : 0);
  const [low, high] = padded(y, isLogY(), 0.05);
  drawn.plot.batch(() => {
    drawn.plot.setScale("x", { min: left, max: right });
    drawn.plot.setScale("y", { min: low, max: high });
  });
  drawn.isZoomed = false;
}

function stroke(plot, curve, look, width, alpha) {
  const { ctx, bbox } = plot, { x: xs, y: ys } = curve;
  const { min, max } = plot.scales.x, scale = devicePixelRatio;
  const from = Math.max(0, place(xs, min) - 1), to = Math.min(xs.length, place(xs, max) + 2);
  const isColoured = look.dash !== null, marks = [];
  ctx.strokeStyle = ctx.fillStyle = look.colour;
  ctx.globalAlpha = alpha;
  ctx.lineWidth = width * scale;
  ctx.lineJoin = "round";
  ctx.setLineDash((look.dash ?? []).map((length) => length * scale));
  ctx.beginPath();
  let isDown = false;
  for (let i = from; i < to; i++) {
    if (!isDrawable(ys[i], isLogY()) || !isDrawable(xs[i], isLogX())) {
      isDown = false;
      if (!Number.isFinite(ys[i]) && !curve.low) marks.push(i); // of a group: no task has a value
      continue;
    }
    const x = plot.valToPos(xs[i], "x", true), y = plot.valToPos(ys[i], "y", true);
    if (isDown) ctx.lineTo(x, y); else ctx.moveTo(x, y);
    const isAlone = !isDown && (i + 1 >= to || !isDrawable(ys[i + 1], isLogY()));
    if (isAlone || (isColoured && !curve.low && to - from <= 40)) {
      ctx.fillRect(x - 2 * scale, y - 2 * scale, 4 * scale, 4 * scale);
    }
    isDown = true;
  }
  ctx.stroke();
  if (!isColoured) return;
  ctx.setLineDash([]);
  ctx.lineWidth = 2 * scale;
  for (const i of marks) { // a cross for NaN or no number, a triangle for an infinity
    const x = plot.valToPos(xs[i], "x", true), size = 4 * scale;
    const y = ys[i] === Infinity ? bbox.top + size : bbox.top + bbox.height - size;
    ctx.beginPath();
    if (Number.isNaN(ys[i])) {
      ctx.moveTo(x - size, y - size); ctx.lineTo(x + size, y + size);
      ctx.moveTo(x - size, y + size); ctx.lineTo(x + size, y - size);
    } else {
      const up = ys[i] > 0 ? 1 : -1;
      ctx.moveTo(x - size, y + up * size); ctx.lineTo(x + size, y + up * size);
      ctx.lineTo(x, y - up * size); ctx.closePath();
    }
    ctx.stroke();
  }
}

// The band of a group: a filled area, interrupted where there is none.
function fillBand(plot, curve) {
  const { ctx, bbox } = plot, { x: xs, low, high } = curve, bottom = bbox.top + bbox.height;
  const y = (value) => isLogY() && !(value > 0) ? bottom : plot.valToPos(value, "y", true);
  ctx.fillStyle = curve.look.colour;
  ctx.globalAlpha = 0.18;
  for (let i = 0; i < xs.length;) {
    if (!Number.isFinite(low[i]) || !Number.isFinite(high[i]) || !isDrawable(xs[i], isLogX())) { i += 1; continue; }
    const from = i;
    while (i < xs.length && Number.isFinite(low[i]) && Number.isFinite(high[i])) i += 1;
    ctx.beginPath();
    for (let at = from; at < i; at++) ctx.lineTo(plot.valToPos(xs[at], "x", true), y(high[at]));
    for (let at = i - 1; at >= from; at--) ctx.lineTo(plot.valToPos(xs[at], "x", true), y(low[at]));
    if (i === from + 1) ctx.rect(plot.valToPos(xs[from], "x", true) - 2, y(high[from]), 4, y(low[from]) - y(high[from]));
    ctx.fill();
  }
}

function drawCurves(plot, drawn) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const some = visible(drawn), grey = { colour: faint(), dash: null };
  const alone = some.some(isOn) ? 0.55 : 1;
  if (drawn.isGrouped) for (const curve of some) fillBand(plot, curve);
  for (const curve of some) if (!isOn(curve)) stroke(plot, curve, grey, 1, alone);
  for (const curve of some) {
    if (isOn(curve) && (curve.task === undefined || curve.task !== pinned()) && curve.key !== hovered) {
      stroke(plot, curve, lookOf(curve), drawn.isGrouped ? 2.25 : 1.75, hovered === null ? 1 : 0.6);
    }
  }
  const base = pinned() === null ? undefined : some.find((curve) => curve.task === pinned());
  if (base) stroke(plot, base, { colour: ink(), dash: [] }, 3, 1);
  const top = some.find((curve) => curve.key === hovered && curve !== base);
  if (top) stroke(plot, top, lookOf(top) ?? { colour: ink(), dash: [] }, 3, 1);
  ctx.restore();
}

function xLabels(plot, splits, _axis, _space, step) {
  return splits.map((value) => value === null ? null : chosen.x === "clock" ? moment(value, step)
    : chosen.x === "since" ? duration(value) : digits(value, 5));
}

function options(drawn, width) {
  const isTime = ["since", "clock"].includes(chosen.x) && !isLogX();
  const axis = { stroke: ink(), grid: { stroke: line(), width: 1 }, ticks: { stroke: line(), width: 1 }, font: "12px system-ui, sans-serif" };
  const logLabels = (label) => (plot, splits, ...more) => label(plot, splits.map((value) => value === null
    || (plot.scales.y.max / plot.scales.y.min > 50 && !/^[1]0*$/.test(value.toExponential().split("e")[0].replace(".", ""))) ? null : value), ...more);
  const yLabels = (_plot, splits) => splits.map((value) => value === null ? null : digits(value, 5));
  return {
    width, height: 240, legend: { show: false }, padding: [10, 26, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: true, uni: 30, setScale: false } },
    scales: {
      x: { time: false, distr: isLogX() ? 3 : 1, auto: false, range: (_plot, low, high) => [low, high] },
      y: { distr: isLogY() ? 3 : 1, auto: false, range: (_plot, low, high) => [low, high] },
    },
    series: [{}, { show: true, paths: () => null, points: { show: false } }],
    axes: [
      { ...axis, values: xLabels, space: chosen.x === "clock" ? 100 : 70, ...(isTime ? { incrs: TIMES } : {}) },
      {
        ...axis, values: isLogY() ? logLabels(yLabels) : yLabels,
        size: (plot, values) => {
          const context = plot.ctx;
          context.save();
          context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
          const longest = Math.max(20, ...(values ?? []).map((text) => context.measureText(text ?? "").width));
          context.restore();
          return Math.ceil(longest / devicePixelRatio) + 18;
        },
      },
    ],
    hooks: {
      draw: [(plot) => drawCurves(plot, drawn)],
      setSelect: [(plot) => zoomTo(drawn, plot.select)],
      setCursor: [(plot) => { if (drawn.isPointed) point(drawn, plot.cursor); }],
    },
  };
}

function zoomTo(drawn, box) {
  const { plot } = drawn;
  if (box.width < 4 && box.height < 4) return;
  const isHigh = box.height < plot.over.clientHeight - 1 && box.height > 0;
  const isWide = box.width < plot.over.clientWidth - 1 && box.width > 0;
  plot.batch(() => {
    const left = plot.posToVal(box.left, "x"), right = plot.posToVal(box.left + box.width, "x");
    if (isWide) plot.setScale("x", { min: left, max: right });
    if (isHigh) {
      plot.setScale("y", { min: plot.posToVal(box.top + box.height, "y"), max: plot.posToVal(box.top, "y") });
    } else {
      const [low, high] = padded(extent(drawn, left, right).y, isLogY(), 0.05);
      plot.setScale("y", { min: low, max: high });
    }
  });
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  drawn.isZoomed = true;
}

// The point of a curve that is nearest to x, or null if the curve is elsewhere.
function nearest(curve, x) {
  const xs = curve.x;
  if (!xs.length) return null;
  if (xs.length > 1 && (x < xs[0] || x > xs[xs.length - 1])) return null;
  const at = place(xs, x);
  if (at === 0) return 0;
  if (at === xs.length) return at - 1;
  return x - xs[at - 1] <= xs[at] - x ? at - 1 : at;
}

function point(drawn, cursor) {
  if (cursor.left === null || cursor.left < 0) { unpoint(); return; }
  const { plot } = drawn, x = plot.posToVal(cursor.left, "x");
  let best = null, distance = Infinity;
  for (const curve of visible(drawn)) {
    const at = nearest(curve, x);
    if (at === null || !isDrawable(curve.y[at], isLogY())) continue;
    const away = Math.abs(plot.valToPos(curve.y[at], "y") - cursor.top) + (isOn(curve) ? 0 : 12);
    if (away < distance) [best, distance] = [curve.key, away];
  }
  const isNew = hovered !== best;
  hovered = best;
  for (const other of live.values()) {
    if (!other.plot) continue;
    if (other !== drawn) {
      const left = other.plot.valToPos(x, "x");
      const isInside = left >= 0 && left <= other.plot.over.clientWidth;
      other.plot.setCursor({ left: isInside ? left : -10, top: isInside ? 0 : -10 }, false);
    }
    readOut(other, x);
    if (isNew) other.plot.redraw(false, false);
  }
}

function unpoint() {
  if (hovered === null) return;
  hovered = null;
  for (const drawn of live.values()) {
    if (!drawn.plot) continue;
    drawn.plot.setCursor({ left: -10, top: -10 }, false);
    drawn.out.textContent = "";
    drawn.plot.redraw(false, false);
  }
}

function readOut(drawn, x) {
  const curve = drawn.view.find((one) => one.key === hovered);
  const at = curve ? nearest(curve, x) : null;
  if (at === null) { drawn.out.textContent = hovered === null ? "" : "no point here"; return; }
  const across = acrossChart();
  const where = chosen.x === "clock" ? moment(curve.x[at]) : chosen.x === "since"
    ? duration(curve.x[at]) : across ? `${digits(curve.x[at], 5)} of ${chartName(across)}` : whole(curve.x[at]);
  if (drawn.isGrouped) {
    const band = Number.isFinite(curve.low[at]) ? ` (${digits(curve.low[at], 4)} to ${digits(curve.high[at], 4)})` : "";
    drawn.out.replaceChildren(
      element("strong", { textContent: digits(curve.y[at], 5) }), `${band} at ${where}, n = ${whole(curve.n[at])} of ${whole(curve.size)}  `,
      swatchOf(curve.look), " ", named(curve.name),
    );
    return;
  }
  const raw = Number(chosen.smooth) ? ` (not smoothed: ${digits(curve.raw[at], 5)})` : "";
  drawn.out.replaceChildren(
    element("strong", { textContent: digits(curve.y[at], 5) }), ` at ${where}${raw}  `,
    swatchOf(lookOf(curve)), " ", named(tasks[curve.task].name),
  );
}

async function draw(figure, chart) {
  const number = chart.number;
  if (live.has(number)) return;
  const drawn = { curves: [], view: [], others: null, out: figure.querySelector(".out"), figure, chart };
  live.set(number, drawn);
  drawn.curves = await curvesOf(chart);
  await build(drawn);
}

async function build(drawn) {
  const across = acrossChart(), turn = drawn.turn = (drawn.turn ?? 0) + 1;
  const others = across && new Map((await curvesOf(across)).map((curve) => [curve.task, curve]));
  // It left the view, or is built again, while the other metric was decoded.
  if (live.get(drawn.chart.number) !== drawn || drawn.turn !== turn) return;
  drawn.others = others;
  viewed(drawn);
  const holder = drawn.figure.querySelector(".plot");
  drawn.plot?.destroy();
  drawn.plot = new uPlot(options(drawn, holder.clientWidth), [[0, 1], [0, 1]], holder);
  const over = drawn.plot.over;
  over.addEventListener("mouseenter", () => { drawn.isPointed = true; });
  over.addEventListener("mouseleave", () => { drawn.isPointed = false; unpoint(); });
  over.addEventListener("dblclick", () => fit(drawn));
  fit(drawn);
  describe(drawn);
  drawn.figure.dataset.drawn = "1";
}

function describe(drawn) {
  const some = drawn.curves, chart = drawn.chart, notes = [...drawn.notes];
  const thinnedCurves = some.filter(isThinned);
  if (Number(chosen.smooth) && thinnedCurves.length) {
    notes.push(`smoothed over the points included here, which are the extremes of ${whole(thinnedCurves.length)} thinned curves: the average may be off`);
  }
  if (isLogY() || isLogX()) {
    const lost = drawn.view.reduce((sum, curve) => sum + curve.raw.reduce((n, y, i) => n
      + (Number.isFinite(y) && ((isLogY() && !(y > 0)) || (isLogX() && !(curve.x[i] > 0)))), 0), 0);
    if (lost) notes.push(`${whole(lost)} points at or below 0 have no place on a logarithmic axis`);
  }
  if (chart.odd) notes.push(`${whole(chart.odd)} values are not finite${drawn.isGrouped ? " and in no mean" : ": × is NaN or no number, △ ▽ infinity"}`);
  if (chart.included < chart.points) notes.push(`${whole(chart.included)} of ${whole(chart.points)} points included`);
  drawn.figure.querySelector(".note").textContent = notes.join("; ");
  const holder = drawn.figure.querySelector(".plot");
  const shown = drawn.isGrouped ? `means of ${whole(drawn.view.length)} groups` : `curves of ${whole(drawn.view.length)} tasks`;
  holder.ariaLabel = `${chartName(chart)}: ${shown}. Keys: arrow left and right `
    + "move, plus and minus zoom, 0 shows everything.";
}

function drop(number) {
  const drawn = live.get(number);
  if (!drawn) return;
  live.delete(number);
  drawn.plot?.destroy();
  delete drawn.figure.dataset.drawn;
}

function byKey(chart, event) {
  const drawn = live.get(chart.number);
  if (!drawn?.plot) return;
  const { plot } = drawn, { min, max } = plot.scales.x, width = max - min;
  if (event.key === "0") fit(drawn);
  else if (["+", "=", "-"].includes(event.key)) {
    const more = event.key === "-" ? width / 2 : -width / 4;
    const ratio = (max / min) ** (event.key === "-" ? 0.5 : -0.25);
    plot.setScale("x", isLogX() ? { min: min / ratio, max: max * ratio } : { min: min - more, max: max + more });
    drawn.isZoomed = true;
  } else if (event.key.startsWith("Arrow") && /Left|Right/.test(event.key)) {
    const step = plot.over.clientWidth / 50 * (event.key === "ArrowLeft" ? -1 : 1);
    drawn.key = Math.min(plot.over.clientWidth, Math.max(0, (drawn.key ?? 0) + step));
    plot.setCursor({ left: drawn.key, top: 0 }, false);
    point(drawn, { left: drawn.key, top: 0 });
  } else return;
  event.preventDefault();
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const chart = charts[Number(entry.target.dataset.chart)];
    if (entry.isIntersecting) draw(entry.target, chart); else drop(chart.number);
  }
}, { rootMargin: "400px" });

function layOut() {
  let matches = () => true;
  $("metric").setCustomValidity("");
  try {
    const pattern = new RegExp(chosen.metric, "i");
    matches = (chart) => pattern.test(chartName(chart)) || pattern.test(`${chart.metric}/${chart.variant}`);
  } catch {
    $("metric").setCustomValidity("not a valid regular expression");
  }
  $("metric").ariaInvalid = String(!$("metric").validity.valid);
  const some = charts.filter((chart) => chart.block && matches(chart));
  watcher.disconnect();
  [...live.keys()].forEach(drop);
  $("charts").replaceChildren(...some.map((chart) => {
    const holder = element("div", { className: "plot", tabIndex: 0, role: "img", ariaLabel: chartName(chart) });
    holder.addEventListener("keydown", (event) => byKey(chart, event));
    const figure = element("figure", {},
      element("figcaption", {}, element("h3", {}, named(chartName(chart))), element("p", { className: "out" })),
      holder, element("p", { className: "note" }));
    figure.dataset.chart = chart.number;
    watcher.observe(figure);
    return figure;
  }));
  $("metric-note").textContent = `${whole(some.length)} of ${whole(charts.filter((chart) => chart.block).length)} charts`;
}

function redrawAll() {
  for (const drawn of live.values()) {
    if (!drawn.plot) continue;
    drawn.plot.redraw(false, false);
    describe(drawn);
  }
}
const rebuildAll = () => { for (const drawn of live.values()) if (drawn.plot) build(drawn); };
