// Connects the controls with what they change.
function refresh() {
  drawTable();
  if (chosen.rest === "1") redrawAll(); else rebuildAll();
  drawRelations();
}

// Drawn when they come into view: their size needs the layout of the complete page.
let areRelationsSeen = false, areRelationsDrawn = false;
function drawRelations() {
  areRelationsDrawn = areRelationsSeen;
  if (!areRelationsSeen) return;
  if (!$("sx").options.length) fillScatter();
  for (const key of ["sx", "sy"]) if (columnOf.has(chosen[key])) $(key).value = chosen[key];
  drawScatter();
  drawParallel();
}
new IntersectionObserver(([entry]) => {
  areRelationsSeen = entry.isIntersecting;
  if (areRelationsSeen && !areRelationsDrawn) drawRelations();
}, { rootMargin: "400px" }).observe($("relations"));

function bind(id, key, then, event = "input") {
  const control = $(id), isBox = control.type === "checkbox";
  control.addEventListener(event, () => {
    choose({ [key]: isBox ? (control.checked ? "1" : "0") : control.value });
    then();
  });
}

function fillControls() {
  for (const [id, key] of [["find", "find"], ["metric", "metric"], ["x", "x"], ["smooth", "smooth"], ["by", "by"], ["band", "band"]]) {
    if (chosen[key] !== "" || ["find", "metric"].includes(id)) $(id).value = chosen[key];
  }
  for (const id of ["logx", "logy", "rest"]) $(id).checked = chosen[id] === "1";
  $("smooth-value").textContent = chosen.smooth;
}

function everything() {
  fillControls();
  startShown();
  drawColumnMenu();
  drawTable();
  drawGroups();
  layOut();
  drawRelations();
}

let waiting = 0;
const soon = (then) => () => { clearTimeout(waiting); waiting = setTimeout(then, 120); };

bind("find", "find", soon(() => { rowsShown = PAGE; drawTable(); }));
bind("metric", "metric", soon(layOut));
bind("x", "x", () => { drawGroups(); rebuildAll(); });
bind("logx", "logx", rebuildAll);
bind("logy", "logy", rebuildAll);
bind("rest", "rest", rebuildAll);
bind("by", "by", () => { drawGroups(); rebuildAll(); }, "change");
bind("band", "band", rebuildAll, "change");
bind("smooth", "smooth", () => { $("smooth-value").textContent = chosen.smooth; rebuildAll(); });
bind("sx", "sx", drawRelations, "change");
bind("sy", "sy", drawRelations, "change");
$("columns").parentElement.addEventListener("toggle", drawColumnMenu);
$("board-more").addEventListener("click", () => { rowsShown += PAGE; drawTable(); });
$("none").addEventListener("click", () => { slots.clear(); choose({ on: "none" }); refresh(); });
$("best").addEventListener("click", () => {
  slots.clear();
  sorted(found()).slice(0, FIRST).forEach((task) => show(task, true));
  refresh();
});
$("reset").addEventListener("click", () => { for (const drawn of live.values()) if (drawn.plot) fit(drawn); });
addEventListener("hashchange", () => { readAddress(); everything(); });
isDark.addEventListener("change", () => { drawTable(); drawGroups(); rebuildAll(); drawRelations(); });
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; rebuildAll(); drawRelations(); } });
addEventListener("beforeprint", () => {
  areRelationsSeen = true;
  drawRelations();
  for (const one of document.querySelectorAll("details")) one.open = true; });

readGiven().then(() => {
  if (given) usual.by = "given";
  readAddress();
  fillGroupings();
  everything();
  document.documentElement.dataset.ready = "1";
});
