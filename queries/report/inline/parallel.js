// Parallel coordinates: an axis per parameter that is in the table, then the value of the scatter plot.
function drawParallel() {
  const holder = $("parallel"), up = columnOf.get($("sy").value);
  const axes = [...columns.filter((column) => column.param && isVisible(column)), ...(up ? [up] : [])];
  holder.replaceChildren();
  if (axes.length < 2) { $("parallel-note").textContent = "Show parameters in the leaderboard to compare them here."; return; }
  const everyone = tasks.map((_, task) => task), width = Math.max(holder.clientWidth, axes.length * 120), height = 300;
  const scale = devicePixelRatio, canvas = element("canvas", { width: width * scale, height: height * scale });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  holder.append(canvas);
  const context = canvas.getContext("2d"), top = 44, bottom = height - 24;
  context.scale(scale, scale);
  context.font = "12px system-ui, sans-serif";
  const drawn = axes.map((column, at) => {
    const axis = axisOf(column, everyone);
    const isMarked = (task) => column.chart?.isSuspect.has(task);
    const finite = everyone.filter((task) => Number.isFinite(axis.values[task]) && !isMarked(task)).map((task) => axis.values[task]);
    const place = (value) => axis.isLog ? Math.log10(value) : value;
    const low = finite.reduce((least, value) => Math.min(least, value), Infinity);
    const high = finite.reduce((most, value) => Math.max(most, value), -Infinity);
    const y = (task) => !Number.isFinite(axis.values[task]) || isMarked(task) ? null : low === high ? (top + bottom) / 2
      : bottom - (bottom - top) * (place(axis.values[task]) - place(low)) / (place(high) - place(low));
    return { column, axis, low, high, y, x: 60 + at * (width - 120) / (axes.length - 1) };
  });
  const complete = everyone.filter((task) => drawn.every((one) => one.y(task) !== null));
  const trace = (task, colour, thickness, alpha, dash) => {
    Object.assign(context, { strokeStyle: colour, lineWidth: thickness, globalAlpha: alpha });
    context.setLineDash(dash);
    context.beginPath();
    drawn.forEach((one, at) => at ? context.lineTo(one.x, one.y(task)) : context.moveTo(one.x, one.y(task)));
    context.stroke();
  };
  for (const task of complete) if (!slots.has(task)) trace(task, faint(), 1, 0.5, []);
  for (const task of complete) if (slots.has(task)) trace(task, style(task).colour, 2, 1, style(task).dash);
  const base = pinned();
  if (base !== null && complete.includes(base)) trace(base, ink(), 3, 1, []);
  Object.assign(context, { globalAlpha: 1, strokeStyle: ink(), fillStyle: ink(), textAlign: "center", lineWidth: 1 });
  context.setLineDash([]);
  const short = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  for (const { column, axis, low, high, x } of drawn) {
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, bottom);
    context.stroke();
    const label = (value) => axis.labels ? short(axis.labels[value] ?? "", 16) : digits(value, 4);
    context.font = "600 12px system-ui, sans-serif";
    context.fillText(short(column.title, 17), x, 14);
    context.font = "12px system-ui, sans-serif";
    if (low > high) continue;
    context.fillText(label(high), x, top - 8);
    if (low !== high) context.fillText(label(low), x, bottom + 16);
  }
  const left = tasks.length - complete.length;
  $("parallel-note").textContent = `${whole(complete.length)} tasks, the ${axes.length} axes from the lowest to the highest value`
    + (left ? `; not shown: ${whole(left)} without a value on one of them` : "");
  holder.ariaLabel = `Parallel coordinates of ${axes.map((column) => column.title).join(", ")}: ${$("parallel-note").textContent}`;
}
