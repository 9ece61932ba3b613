// Curves of groups of tasks: the mean and a band at each step, as `query curve --by` defines them.
const MOST_GROUPS = 32; // colours times dashes
const PARTS = 100;

// Groupings: all tasks, a field, a parameter that varies, or all parameters that vary but one.
function groupingsOf() {
  const varying = params.map((_, at) => at).filter((at) => new Set(params[at].kinds).size > 1
    || params[at].tasks.length < tasks.length);
  const titles = { project: "project", user: "user", tag: "tag", status: "status", type: "type" };
  return [
    ["", "no group: single tasks"], ...(given ? [["given", `${given.by} (over all points)`]] : []), ["all", "all tasks"],
    ...Object.keys(titles).filter((name) => read.groupings[name]).map((name) => [name, titles[name]]),
    ...varying.map((at) => [`p${at}`, params[at].name, "a hyperparameter"]),
    ...(read.everyParam && varying.length > 1 ? varying.map((at) => [`e${at}`, `all parameters except ${params[at].name}`, "all but one"]) : []),
  ];
}

// The shortest text of each value of a parameter, by its number.
function spellings(param) {
  const found = new Map();
  param.kinds.forEach((kind, at) => {
    const text = param.values[param.at[at]], before = found.get(kind);
    if (before === undefined || text.length < before.length || (text.length === before.length && text < before)) found.set(kind, text);
  });
  return found;
}

function byParam(param) {
  const texts = spellings(param), of = new Map(param.tasks.map((task, at) => [task, param.kinds[at]]));
  return tasks.map((_, task) => {
    const kind = of.get(task) ?? null;
    return [{ id: String(kind), label: kind === null ? "(none)" : texts.get(kind) || "(empty)" }];
  });
}

// Groups of tasks whose other parameters are equal are named by those in which the groups differ.
function byOthers(left) {
  const used = params.filter((param, at) => at !== left);
  const kindOf = used.map((param) => new Map(param.tasks.map((task, at) => [task, param.kinds[at] ?? "NULL"])));
  const told = used.map((param, at) => ({ param, of: kindOf[at], texts: spellings(param) }))
    .filter(({ of }) => new Set(tasks.map((_, task) => of.get(task))).size > 1)
    .sort((a, b) => new Set(b.of.values()).size - new Set(a.of.values()).size);
  return tasks.map((_, task) => [{
    id: JSON.stringify(kindOf.map((of) => of.get(task) ?? null)),
    label: told.slice(0, 3).map(({ param, of, texts }) => {
      const kind = of.get(task);
      const text = kind === undefined ? "(none)" : kind === "NULL" ? "NULL" : texts.get(kind) || "(empty)";
      return `${param.name.split("/").pop()}=${text}`;
    }).join(" · ") + (told.length > 3 ? " …" : "") || "all tasks",
  }]);
}

// Means over all points that the command computed (--by), which a page of thinned curves cannot.
let given = null;
async function readGiven() {
  if ($("means")) given = await unpacked("means").json();
}

function givenView(drawn) {
  const { notes, chart } = drawn;
  if (chosen.x !== "iteration") {
    notes.push(`means by ${given.by} are across iterations; curves of tasks are shown`);
    return;
  }
  const column = (values) => Float64Array.from(values, (value) => value ?? NaN);
  drawn.isGrouped = true;
  drawn.view = given.charts[chart.number].map(({ group, x, mean, low, high, n, of }) => {
    const y = column(mean);
    return { key: `g${group}`, name: given.groups[group][0], look: groupStyle(group), x: column(x), y, raw: y, low: column(low), high: column(high), n, size: of };
  });
  notes.push(`means over all points, in equal parts of the iterations of each group; the band is ${given.band}`);
  if (Number(chosen.smooth)) notes.push("not smoothed");
}

let grouped = null;
function groupsNow() {
  if (grouped?.by === chosen.by) return grouped;
  if (chosen.by === "given" && given) {
    const all = given.groups.map(([name, size]) => ({ name, tasks: { length: size } }));
    grouped = { by: chosen.by, all, ofTask: new Map(), total: given.total };
    return grouped;
  }
  const at = Number(chosen.by.slice(1)), field = read.groupings[chosen.by];
  const isParam = /^[pe]\d+$/.test(chosen.by) && params[at];
  const of = chosen.by === "all" ? tasks.map(() => [{ id: "", label: "all tasks" }])
    : field ? field.of.map((some) => some.map((number) => ({ id: String(number), label: field.labels[number] ?? "(none)" })))
      : isParam ? (chosen.by[0] === "p" ? byParam(params[at]) : byOthers(at)) : null;
  if (!of) { grouped = { by: chosen.by, all: [], ofTask: new Map(), total: 0 }; return grouped; }
  const found = new Map();
  of.forEach((some, task) => some.forEach(({ id, label }) => {
    if (!found.has(id)) found.set(id, { id, label, tasks: [] });
    found.get(id).tasks.push(task);
  }));
  const order = (a, b) => {
    const [one, other] = [asNumber(a.label), asNumber(b.label)];
    if (one !== null && other !== null) return one - other;
    return (other !== null) - (one !== null) || (a.label < b.label ? -1 : a.label > b.label ? 1 : 0);
  };
  const sortedGroups = [...found.values()].sort(order), all = sortedGroups.slice(0, MOST_GROUPS);
  const seenLabels = new Map();
  for (const group of all) {
    const n = (seenLabels.get(group.label) ?? 0) + 1;
    seenLabels.set(group.label, n);
    group.name = n > 1 ? `${group.label} (${n})` : group.label;
  }
  const ofTask = new Map();
  all.forEach((group, number) => group.tasks.forEach((task) => { if (!ofTask.has(task)) ofTask.set(task, number); }));
  grouped = { by: chosen.by, all, ofTask, total: sortedGroups.length };
  return grouped;
}

const groupStyle = (number) => ({
  colour: colours()[number % 8], dash: dashes[Math.floor(number / 8) % dashes.length],
});

// One value per task and step. A step is an iteration, or else one of 100 equal parts of the range of
// x of the group, in which a task has the mean of its finite values.
function steppedRuns(curves) {
  if (chosen.x === "iteration") {
    return { runs: curves.map((curve) => ({ place: curve.x, value: curve.y })), low: null };
  }
  const usable = curves.filter((curve) => curve.x.length);
  const first = Math.min(...usable.map((curve) => curve.x[0]));
  const last = Math.max(...usable.map((curve) => curve.x[curve.x.length - 1]));
  const part = (x) => first === last ? 0 : Math.min(PARTS - 1, Math.floor((x - first) / (last - first) * PARTS));
  const low = new Float64Array(PARTS).fill(Infinity), high = new Float64Array(PARTS).fill(-Infinity);
  const at = new Float64Array(PARTS).fill(Infinity);
  const runs = usable.map(({ x, y }) => {
    const place = [], value = [];
    for (let i = 0; i < x.length;) {
      const here = part(x[i]);
      let sum = 0, n = 0;
      for (; i < x.length && part(x[i]) === here; i++) {
        at[here] = Math.min(at[here], x[i]);
        if (!Number.isFinite(y[i])) continue;
        n += 1;
        sum += (y[i] - sum) / n;
        low[here] = Math.min(low[here], y[i]);
        high[here] = Math.max(high[here], y[i]);
      }
      place.push(here);
      value.push(n ? sum : NaN);
    }
    return { place, value };
  });
  return { runs, low, high, at };
}

// A tree of sums over the tasks: the figures of a step are those of its root. A task that changes is
// followed by log2(tasks) nodes computed anew, so that no error adds up from step to step.
function tree(size) {
  let width = 1;
  while (width < size) width *= 2;
  const make = () => new Float64Array(2 * width);
  const n = make(), mean = make(), squares = make(), low = make(), high = make();
  const set = (leaf, value) => {
    let node = width + leaf;
    const has = Number.isFinite(value);
    n[node] = has ? 1 : 0;
    mean[node] = low[node] = high[node] = has ? value : 0;
    for (node >>= 1; node >= 1; node >>= 1) {
      const a = 2 * node, b = a + 1;
      n[node] = n[a] + n[b];
      if (!n[a] || !n[b]) {
        const from = n[a] ? a : b;
        mean[node] = mean[from]; squares[node] = squares[from]; low[node] = low[from]; high[node] = high[from];
        continue;
      }
      const away = mean[b] - mean[a];
      mean[node] = mean[a] * (n[a] / n[node]) + mean[b] * (n[b] / n[node]);
      squares[node] = squares[a] + squares[b] + away * away * (n[a] * n[b] / n[node]);
      low[node] = Math.min(low[a], low[b]);
      high[node] = Math.max(high[a], high[b]);
    }
  };
  return { set, n, mean, squares, low, high };
}

const isAcrossMetric = () => /^m\d+$/.test(chosen.x);

// The curve of a group; a task without a point at a step has its latest earlier value, and is in no
// step before its first and after its last point. Across a metric nothing is carried: a task may be
// anywhere between two of its points there.
function meanCurve(curves) {
  const { runs, low, high, at } = steppedRuns(curves);
  const total = runs.reduce((sum, run) => sum + run.place.length, 0);
  const places = new Float64Array(total);
  let filled = 0, most = 0;
  for (const run of runs) {
    places.set(run.place, filled);
    filled += run.place.length;
    for (const value of run.value) if (Number.isFinite(value) && Math.abs(value) > most) most = Math.abs(value);
  }
  const steps = [...new Set(places.sort())], scale = most > 0 ? 2 ** Math.max(-1000, Math.floor(Math.log2(most))) : 1;
  const starts = new Uint32Array(steps.length + 1), stepOf = runs.map((run) => new Uint32Array(run.place.length));
  runs.forEach((run, number) => {
    for (let i = 0, step = 0; i < run.place.length; i++) {
      while (steps[step] !== run.place[i]) step += 1;
      stepOf[number][i] = step;
      starts[step + 1] += 1;
    }
  });
  for (let step = 0; step < steps.length; step++) starts[step + 1] += starts[step];
  const next = starts.slice(0, -1), who = new Uint32Array(total), values = new Float64Array(total);
  const ending = steps.map(() => null);
  runs.forEach((run, number) => {
    stepOf[number].forEach((step, i) => { who[next[step]] = number; values[next[step]++] = run.value[i]; });
    const ends = isAcrossMetric() ? stepOf[number] : stepOf[number].slice(-1);
    for (const end of ends) if (end + 1 < steps.length) (ending[end + 1] ??= []).push(number);
  });
  const sums = tree(runs.length), root = 1, column = () => new Float64Array(steps.length).fill(NaN);
  const made = { x: column(), y: column(), low: column(), high: column(), n: new Uint32Array(steps.length), size: runs.length };
  for (let step = 0; step < steps.length; step++) {
    ending[step]?.forEach((number) => sums.set(number, NaN));
    for (let i = starts[step]; i < starts[step + 1]; i++) sums.set(who[i], values[i] / scale);
    made.x[step] = at ? at[steps[step]] : steps[step];
    const n = made.n[step] = sums.n[root];
    if (!n) continue;
    const [least, largest] = [sums.low[root] * scale, sums.high[root] * scale];
    made.y[step] = least === largest ? least : sums.mean[root] * scale;
    if (chosen.band === "minmax") {
      made.low[step] = low ? Math.min(least, low[steps[step]]) : least;
      made.high[step] = high ? Math.max(largest, high[steps[step]]) : largest;
    } else if (n > 1) {
      const reach = least === largest ? 0 : Math.sqrt(sums.squares[root] / (n - 1)) * scale;
      made.low[step] = made.y[step] - reach;
      made.high[step] = made.y[step] + reach;
    }
  }
  return made;
}

// Replaces the curves of a chart by those of groups. If points are left out, a mean would be wrong: then
// the curves of the tasks have the colours of their groups.
function groupView(drawn) {
  const { all, ofTask, total } = groupsNow(), { view, notes } = drawn;
  if (chosen.by === "given" && given) {
    givenView(drawn);
    return;
  }
  if (total > all.length) notes.push(`${all.length} of ${whole(total)} groups are shown: there are no more colours`);
  const thinned = view.filter((curve) => curve.isThinned).length;
  if (thinned) {
    notes.push(`no means: the page does not include every point of ${whole(thinned)} curves, and a mean of some points would be wrong. `
      + "The curves of tasks have the colours of their groups; a report of fewer tasks or metrics, or with more --points, has every point, and one with --by has means");
    drawn.view = view.filter((curve) => ofTask.has(curve.task)).map((curve) => ({ ...curve, look: groupStyle(ofTask.get(curve.task)) }));
    return;
  }
  const curveOf = new Map(view.map((curve) => [curve.task, curve]));
  drawn.isGrouped = true;
  drawn.view = all.flatMap((group, number) => {
    const some = group.tasks.map((task) => curveOf.get(task)).filter((curve) => curve?.x.length);
    if (!some.length) return [];
    const made = meanCurve(some);
    return [{ ...made, raw: made.y, key: `g${number}`, name: group.name, look: groupStyle(number) }];
  });
  notes.push(`the band is ${chosen.band === "minmax" ? "the lowest to the highest value of any task" : "one standard deviation below to one above the mean; a single task has none"}`);
  if (!isAcrossMetric()) notes.push("a task without a point at a step counts with its latest earlier value");
  if (chosen.x !== "iteration") notes.push(`each task counts with its mean in each of ${PARTS} equal parts of the axis`);
}

function drawGroups() {
  const areTasks = chosen.by === "given" && given && chosen.x !== "iteration"; // see givenView
  const { all, total } = chosen.by && !areTasks ? groupsNow() : { all: [], total: 0 };
  $("groups").replaceChildren(...all.map((group, number) => element("li", {}, swatchOf(groupStyle(number)), " ", named(group.name),
    element("small", { textContent: ` ${whole(group.tasks.length)} ${group.tasks.length === 1 ? "task" : "tasks"}` }))));
  $("groups-note").textContent = !chosen.by ? "" : areTasks ? `Means by ${given.by} are across iterations: curves of tasks are shown.` : !total ? "This report has no such grouping."
    : `Means are over all tasks of this report, whether they are chosen in the leaderboard or not.${total > all.length ? ` The first ${all.length} of ${whole(total)} groups are shown.` : ""}`;
  $("band").disabled = !chosen.by || chosen.by === "given";
  $("rest").disabled = Boolean(chosen.by);
}

function fillGroupings() {
  const parts = new Map();
  for (const [value, title, part = ""] of groupingsOf()) {
    if (!parts.has(part)) parts.set(part, part ? element("optgroup", { label: part }) : document.createDocumentFragment());
    parts.get(part).append(element("option", { value, textContent: title }));
  }
  $("by").replaceChildren(...parts.values());
  $("x").append(element("optgroup", { label: "the latest value of" }, ...charts.filter((chart) => chart.block)
    .map((chart) => element("option", { value: `m${chart.number}`, textContent: chartName(chart) }))));
}
