// One point per task: a parameter or value against another one.
const numeric = [...charts.map((chart, at) => [`m${at}`, columnOf.get(`m${at}`)]),
  ...params.map((param, at) => [`p${at}`, columnOf.get(`p${at}`)])];

function fillScatter() {
  const options = () => numeric.map(([key, column]) => element("option", { value: key, textContent: column.title }));
  $("sx").replaceChildren(...options());
  $("sy").replaceChildren(...options());
  const first = params.findIndex((param) => param.isLeading);
  if (numeric.length) {
    $("sx").value = first >= 0 ? `p${first}` : numeric[0][0];
    $("sy").value = (columns.find((column) => column.chart && column.isShown) ?? numeric[0][1]).key;
  }
}

// A numeric parameter is an axis of numbers; any other has one place per value.
function axisOf(column, some) {
  if (column.number) {
    const values = some.map((task) => column.number(task));
    const finite = values.filter((value) => Number.isFinite(value));
    const isLog = column.param && finite.length > 2 && finite.every((value) => value > 0)
      && Math.max(...finite) / Math.min(...finite) >= 100;
    return { values, isLog, labels: null };
  }
  const texts = some.map((task) => column.text(task));
  const labels = [...new Set(texts.filter((text) => text !== ""))].sort();
  return { values: texts.map((text) => text === "" ? undefined : labels.indexOf(text)), isLog: false, labels };
}

let scatter = null;
function drawScatter() {
  scatter?.destroy();
  scatter = null;
  const across = columnOf.get($("sx").value), up = columnOf.get($("sy").value), holder = $("scatter");
  if (!across || !up || !holder.clientWidth) return;
  const everyone = tasks.map((_, task) => task), xs = axisOf(across, everyone), ys = axisOf(up, everyone);
  const some = everyone.filter((task) => Number.isFinite(xs.values[task]) && Number.isFinite(ys.values[task])
    && !(up.chart?.isSuspect.has(task)) && !(across.chart?.isSuspect.has(task)));
  const range = (axis) => axis.labels ? [-0.5, axis.labels.length - 0.5]
    : padded(some.reduce(([low, high], task) => [Math.min(low, axis.values[task]), Math.max(high, axis.values[task])], [Infinity, -Infinity]), axis.isLog, 0.05);
  const labels = (axis) => (_plot, splits) => splits.map((value) => value === null ? null : axis.labels
    ? (Number.isInteger(value) ? (axis.labels[value] ?? "").slice(0, 12) : null) : digits(value, 5));
  const look = { stroke: ink(), grid: { stroke: line(), width: 1 }, ticks: { stroke: line(), width: 1 }, font: "12px system-ui, sans-serif" };
  const whole_ = (axis) => axis.labels ? { incrs: [1, 2, 5, 10, 20, 50, 100] } : {};
  scatter = new uPlot({
    width: holder.clientWidth, height: 320, legend: { show: false }, padding: [10, 26, 0, 0],
    cursor: { show: false },
    scales: {
      x: { time: false, distr: xs.isLog ? 3 : 1, range: () => range(xs) },
      y: { distr: ys.isLog ? 3 : 1, range: () => range(ys) },
    },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [
      { ...look, values: labels(xs), space: xs.labels ? 90 : 60, ...whole_(xs) },
      { ...look, values: labels(ys), size: 84, ...whole_(ys) },
    ],
    hooks: { draw: [(plot) => {
      const scale = devicePixelRatio, order = [...some].sort((a, b) => slots.has(a) - slots.has(b));
      for (const task of order) {
        const x = plot.valToPos(xs.values[task], "x", true), y = plot.valToPos(ys.values[task], "y", true);
        plot.ctx.fillStyle = style(task)?.colour ?? faint();
        plot.ctx.globalAlpha = slots.has(task) ? 1 : 0.6;
        plot.ctx.beginPath();
        plot.ctx.arc(x, y, (slots.has(task) ? 5 : 3.5) * scale, 0, 7);
        plot.ctx.fill();
        if (task === pinned()) { plot.ctx.strokeStyle = ink(); plot.ctx.lineWidth = 2 * scale; plot.ctx.stroke(); }
      }
      plot.ctx.globalAlpha = 1;
    }] },
  }, [[0, 1], [0, 1]], holder);
  const left = tasks.length - some.length;
  $("scatter-note").textContent = `${whole(some.length)} tasks${left ? `; not shown: ${whole(left)} without a number in one of the two` : ""}`;
  holder.ariaLabel = `${across.title} across, ${up.title} up, ${$("scatter-note").textContent}`;
}
