// The leaderboard: sorts, filters, and shows and hides columns.
const PAGE = 50;
let rowsShown = PAGE;

const columns = [
  { key: "project", title: "Project", text: (task) => tasks[task].project ?? "", isShown: read.projects > 1 },
  { key: "status", title: "Status", text: (task) => tasks[task].status ?? "", isShown: true },
  { key: "user", title: "User", text: (task) => tasks[task].user ?? "", isShown: false },
  { key: "tags", title: "Tags", text: (task) => tasks[task].tags.join(", "), isShown: false },
  { key: "created", title: "Created", text: (task) => tasks[task].created ?? "", isShown: false },
  { key: "id", title: "Task id", text: (task) => tasks[task].id, isShown: false },
  ...charts.map((chart, at) => ({
    key: `m${at}`, title: chartName(chart), chart, isShown: chart.isLeading,
    about: { max: "highest", min: "lowest", last: "last" }[chart.counted],
    number: chart.value,
  })),
  ...params.map((param, at) => ({
    key: `p${at}`, title: param.name, param, isShown: param.isLeading, about: "parameter",
    text: (task) => param.value(task) ?? "",
    number: param.isNumeric ? (task) => {
      const text = param.value(task);
      return text === undefined ? undefined : asNumber(text);
    } : undefined,
  })),
];
const taskColumn = { key: "task", title: "Task", text: (task) => tasks[task].name };
const columnOf = new Map([taskColumn, ...columns].map((column) => [column.key, column]));
const listed = (text) => new Set(text ? text.split(".") : []);

function isVisible(column) {
  return listed(chosen.show).has(column.key) || (column.isShown && !listed(chosen.hide).has(column.key));
}

function setVisible(column, isOn) {
  const showing = listed(chosen.show), hiding = listed(chosen.hide);
  showing.delete(column.key);
  hiding.delete(column.key);
  if (isOn && !column.isShown) showing.add(column.key);
  if (!isOn && column.isShown) hiding.add(column.key);
  choose({ show: [...showing].join("."), hide: [...hiding].join(".") });
  drawTable();
  drawRelations();
}

function usualSort() {
  const shown = columns.filter((column) => column.chart && column.isShown);
  const first = shown.find((column) => column.chart.counted !== "last") ?? shown[0];
  return first ? { key: first.key, isDown: first.chart.counted !== "min" } : { key: "task", isDown: false };
}

function sorting() {
  return columnOf.has(chosen.sort) ? { key: chosen.sort, isDown: chosen.down === "1" } : usualSort();
}

// A value that is missing, not a number or probably a NaN comes last, whatever the order.
function sorted(all) {
  const { key, isDown } = sorting(), column = columnOf.get(key), sign = isDown ? -1 : 1;
  const valued = (task) => {
    const value = column.number ? column.number(task) : column.text(task);
    const isLast = value === undefined || value === "" || value === null || Number.isNaN(value)
      || (column.chart && column.chart.isSuspect.has(task));
    return [isLast, value, task];
  };
  const order = (one, other) => one === other ? 0 : one < other ? -1 : 1;
  return all.map(valued)
    .sort((a, b) => a[0] - b[0] || (a[0] ? 0 : sign * order(a[1], b[1])) || a[2] - b[2])
    .map(([, , task]) => task);
}

let searched = null;
function found() {
  const words = chosen.find.toLowerCase().split(/\s+/).filter(Boolean);
  const everyone = tasks.map((_, task) => task);
  if (!words.length) return everyone;
  searched ??= tasks.map((task, at) => [
    task.id, task.name, task.project, task.status, task.user, ...task.tags,
    ...params.map((param) => param.value(at) === undefined ? "" : `${param.name}=${param.value(at)}`),
  ].join("\n").toLowerCase());
  return everyone.filter((task) => words.every((word) => searched[task].includes(word)));
}

function valueCell(column, task) {
  const value = column.number(task);
  const cell = element("td", { className: "n" });
  if (value === undefined) return cell.append(element("span", { className: "none", textContent: "–" })), cell;
  cell.append(element("data", { value: String(value), title: String(value), textContent: digits(value) }));
  if (column.chart.isSuspect.has(task)) {
    cell.append(element("span", {
      className: "mark", textContent: " NaN?",
      title: "a 0 among values far from 0: probably a NaN, which ClearML’s own client logs as 0",
    }));
  }
  const base = pinned();
  if (base !== null && base !== task) {
    const difference = value - column.chart.value(base);
    if (Number.isFinite(difference)) {
      const isBetter = column.chart.counted === "min" ? difference < 0 : difference > 0;
      const judged = column.chart.counted === "last" || difference === 0 ? "" : isBetter ? " good" : " bad";
      cell.append(element("span", {
        className: `delta${judged}`,
        textContent: `${difference > 0 ? "+" : ""}${digits(difference, 3)}`,
      }));
    }
  }
  return cell;
}

const swatch = (task) => swatchOf(style(task));
function swatchOf(look) {
  const drawn = element("canvas", { width: 44, height: 16, className: "swatch", ariaHidden: "true" });
  if (look) {
    const context = drawn.getContext("2d");
    context.scale(2, 2);
    context.strokeStyle = look.colour;
    context.lineWidth = 2.5;
    context.setLineDash(look.dash);
    context.beginPath();
    context.moveTo(0, 4);
    context.lineTo(22, 4);
    context.stroke();
  }
  return drawn;
}

function taskRow(task, visible) {
  const about = tasks[task], row = element("tr");
  const box = element("input", { type: "checkbox", checked: slots.has(task), ariaLabel: `Show the curves of ${about.name}` });
  box.addEventListener("change", () => { show(task, box.checked); refresh(); });
  const pin = element("button", {
    type: "button", className: "pin", textContent: "⚑", title: "Compare the others with this task",
    ariaLabel: `Use ${about.name} as the baseline`, ariaPressed: String(pinned() === task),
  });
  pin.addEventListener("click", () => {
    if (pinned() !== task) show(task, true);
    choose({ pin: pinned() === task ? "" : String(task) });
    refresh();
  });
  const open = element("button", {
    type: "button", className: "name", ariaExpanded: String(opened.has(task)), dir: "auto", textContent: about.name,
    title: "Parameters and details",
  });
  open.addEventListener("click", () => {
    if (!opened.delete(task)) opened.add(task);
    drawTable();
    document.querySelector(`[data-task="${task}"] .name`)?.focus();
  });
  row.dataset.task = task;
  if (pinned() === task) row.className = "pinned";
  const notes = [about.archived && "archived", about.status === "in_progress" && "still running",
    about.state !== "complete" && `not complete: ${about.state}`].filter(Boolean);
  const marks = notes.map((text) => element("span", { className: "mark", textContent: ` ${text}` }));
  row.append(
    element("td", { className: "pick" }, element("label", {}, box, swatch(task)), pin),
    element("th", { scope: "row" }, open, ...marks),
    ...visible.map((column) => column.chart ? valueCell(column, task)
      : element("td", { className: column.number ? "n" : "" }, named(column.text(task)))),
  );
  return row;
}

const opened = new Set();
function detailRow(task, width) {
  const about = tasks[task], pairs = element("dl", { className: "facts" });
  const add = (title, content) => pairs.append(element("dt", {}, named(title)), element("dd", {}, content));
  if (about.url) add("Web UI", element("a", { href: about.url, rel: "noreferrer noopener", textContent: "open in ClearML" }));
  add("Task id", about.id);
  add("Project", named(about.project ?? "none"));
  add("Status", `${about.status ?? "unknown"}, stored: ${about.state}`);
  if (about.user) add("User", named(about.user));
  if (about.tags.length) add("Tags", named(about.tags.join(", ")));
  if (about.created) add("Created", `${about.created} UTC`);
  for (const param of params) if (param.value(task) !== undefined) add(param.name, named(param.value(task)));
  for (const [name, value] of read.same) add(name, named(value));
  return element("tr", { className: "details" }, element("td", { colSpan: width }, pairs));
}

function heading(column) {
  const { key, isDown } = sorting(), isSorted = column.key === key;
  const button = element("button", { type: "button", title: column.title }, named(column.title));
  if (column.about && column.about !== "parameter") button.append(element("small", { textContent: ` ${column.about}` }));
  button.append(element("span", { className: "arrow", ariaHidden: "true", textContent: isSorted ? (isDown ? " ▼" : " ▲") : "" }));
  button.addEventListener("click", () => {
    const first = column.chart && column.chart.counted !== "min";
    choose({ sort: column.key, down: (isSorted ? !isDown : first) ? "1" : "0" });
    drawTable();
    document.querySelector(`[data-column="${column.key}"] button`)?.focus();
  });
  const made = element("th", { scope: "col", className: column.number ? "n" : "", ariaSort: isSorted ? (isDown ? "descending" : "ascending") : "none" }, button);
  made.dataset.column = column.key;
  return made;
}

function drawTable() {
  const visible = columns.filter(isVisible), all = sorted(found()), rows = all.slice(0, rowsShown);
  const head = element("tr", {}, element("th", { scope: "col", className: "pick" }, element("span", { className: "unseen", textContent: "Show the curves; baseline" })), heading(taskColumn), ...visible.map(heading));
  $("board").replaceChildren(
    element("caption", { className: "unseen", textContent: "Tasks with their best values and parameters; each heading sorts" }),
    element("thead", {}, head),
    element("tbody", {}, ...rows.flatMap((task) => [
      taskRow(task, visible), ...(opened.has(task) ? [detailRow(task, visible.length + 2)] : []),
    ])),
  );
  const base = pinned();
  $("board-note").replaceChildren(
    `${whole(rows.length)} of ${whole(all.length)} ${all.length === tasks.length ? "tasks" : "matching tasks"}. `,
    `${whole(slots.size)} with curves in colour.`,
    ...(base === null ? [] : [" Differences are from ", named(tasks[base].name), "."]),
  );
  $("board-more").hidden = rows.length === all.length;
}

// Hundreds of boxes, which are made when the menu opens.
function drawColumnMenu() {
  if (!$("columns").parentElement.open) return;
  const group = (title, some) => some.length ? [element("fieldset", {}, element("legend", { textContent: title }),
    ...some.map((column) => {
      const box = element("input", { type: "checkbox", checked: isVisible(column) });
      box.dataset.key = column.key;
      box.addEventListener("change", () => setVisible(column, box.checked));
      return element("label", {}, box, " ", named(column.title));
    }))] : [];
  $("columns").replaceChildren(
    ...group("Task", columns.filter((column) => !column.chart && !column.param)),
    ...group("Values", columns.filter((column) => column.chart)),
    ...group("Parameters that vary", columns.filter((column) => column.param)),
  );
}

// Without a choice the first ten of the usual order have colours; the others are grey.
const FIRST = 10;
function startShown() {
  slots.clear();
  if (chosen.on === "none") return;
  if (chosen.on) {
    for (const part of chosen.on.split(".")) {
      const [task, slot] = part.split(":").map(Number);
      if (tasks[task] && Number.isInteger(slot) && slot >= 0) slots.set(task, slot);
    }
    return;
  }
  const kept = { sort: chosen.sort, down: chosen.down };
  chosen.sort = "";
  const best = sorted(tasks.map((_, task) => task)).slice(0, FIRST);
  Object.assign(chosen, kept);
  best.forEach((task, slot) => slots.set(task, slot));
}
