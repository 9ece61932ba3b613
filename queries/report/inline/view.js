// What a chart shows of its curves: their x, which may be another metric, and their smoothed values.
// The exponential moving average as TensorBoard draws it; what is not finite does not affect others.
function smoothed(values, weight) {
  const made = new Float64Array(values.length);
  let sum = 0, rest = 1;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) { made[i] = values[i]; continue; }
    sum = sum * weight + (1 - weight) * values[i];
    rest *= weight;
    made[i] = sum / (1 - rest);
  }
  return made;
}

const curvesOf = (chart) => chart.curves ??= decode(`block${chart.number}`);
const isThinned = (curve) => curve.iteration.length < curve.stored;

// The chart whose values are the x axis, or null.
function acrossChart() {
  const chart = /^m\d+$/.test(chosen.x) ? charts[Number(chosen.x.slice(1))] : null;
  return chart?.block ? chart : null;
}

// Each point gets the latest value of the other curve at or before its iteration; points before the
// first one, or where it is not finite, have no place.
function paired(curve, other) {
  const places = [], xs = [];
  for (let i = 0, at = -1; i < curve.iteration.length; i++) {
    while (at + 1 < other.iteration.length && other.iteration[at + 1] <= curve.iteration[i]) at += 1;
    if (at >= 0 && Number.isFinite(other.value[at])) { places.push(i); xs.push(other.value[at]); }
  }
  const order = places.map((_, at) => at).sort((a, b) => xs[a] - xs[b] || a - b);
  const pick = (column) => column && Float64Array.from(order, (at) => column[places[at]]);
  return {
    x: Float64Array.from(order, (at) => xs[at]), raw: pick(curve.value),
    iteration: pick(curve.iteration), clock: pick(curve.clock),
  };
}

// What is drawn of a curve, or null if it has no x.
function along(curve, others) {
  const made = { task: curve.task, key: curve.task, isThinned: isThinned(curve) };
  if (others) {
    const other = others.get(curve.task);
    if (!other || isThinned(other)) return null;
    Object.assign(made, paired(curve, other));
    if (!made.x.length) return null;
  } else {
    const { iteration, clock, value } = curve;
    if (chosen.x !== "iteration" && !clock) return null;
    const x = chosen.x === "clock" ? clock : chosen.x === "since"
      ? curve.since ??= clock.map((time) => time - clock[0]) : iteration;
    Object.assign(made, { x, raw: value, iteration, clock });
  }
  const weight = Number(chosen.smooth) || 0;
  made.y = weight ? smoothed(made.raw, weight) : made.raw;
  return made;
}

// Computes what a chart shows, and what its readers must know.
function viewed(drawn) {
  const { curves, others } = drawn, across = acrossChart(), notes = [];
  const view = curves.map((curve) => along(curve, others)).filter(Boolean);
  const left = curves.length - view.length;
  if (left && across) {
    const thinned = curves.filter((curve) => others.has(curve.task) && isThinned(others.get(curve.task))).length;
    const rest = left - thinned;
    if (thinned) notes.push(`${whole(thinned)} curves are not shown: the page does not include every point of ${chartName(across)}, so the value at an iteration is not known`);
    if (rest) notes.push(`${whole(rest)} curves are not shown: their tasks have no ${chartName(across)} to pair with`);
  } else if (left) notes.push(`${whole(left)} curves without times are not shown`);
  if (across && view.length) notes.push(`each point is at the latest value of ${chartName(across)} at its iteration`);
  drawn.view = view;
  drawn.notes = notes;
  drawn.isGrouped = false;
  if (chosen.by) groupView(drawn);
}
