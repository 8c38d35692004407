"use strict";
// Shows the words of a mark on hovering, tapping and with the arrow keys, and sorts the table of cameras.
(() => {
  const tip = document.getElementById("tip");

  function show(chart, mark, spoken) {
    chart.querySelectorAll(".on").forEach((other) => other.classList.remove("on"));
    mark.classList.add("on");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const at = mark.getBoundingClientRect();
    const middle = at.left + at.width / 2;
    const left = Math.min(Math.max(8, middle - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 8;
    const below = Math.min(at.bottom + 8, window.innerHeight - tip.offsetHeight - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : below}px`;
    if (spoken) chart.querySelector(".spoken").textContent = mark.dataset.tip;
  }

  function hide(chart) {
    chart.querySelectorAll(".on").forEach((mark) => mark.classList.remove("on"));
    tip.hidden = true;
  }

  for (const chart of document.querySelectorAll("[data-chart]")) {
    const marks = [...chart.querySelectorAll("[data-tip]")];
    const columns = Number(chart.dataset.columns || 1);
    let current = -1;
    const point = (event) => {
      const mark = event.target.closest("[data-tip]");
      if (mark) { current = marks.indexOf(mark); show(chart, mark, false); } else { hide(chart); }
    };
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(chart); });
    chart.addEventListener("blur", () => hide(chart));
    chart.addEventListener("keydown", (event) => {
      const steps = {
        ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -marks.length, End: marks.length,
      };
      if (event.key === "Escape") { hide(chart); return; }
      if (!(event.key in steps) || !marks.length) return;
      event.preventDefault();
      current = current < 0 ? 0 : Math.min(marks.length - 1, Math.max(0, current + steps[event.key]));
      show(chart, marks[current], true);
    });
  }
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  for (const table of document.querySelectorAll("[data-sortable]")) {
    const heads = [...table.querySelectorAll("th[data-sort]")];
    for (const head of heads) {
      head.tabIndex = 0;
      head.setAttribute("aria-sort", "none");
      const sort = () => {
        const column = Number(head.dataset.sort);
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        const value = (row) => row.cells[column].dataset.value;
        rows.sort((a, b) => (column ? value(a) - value(b) : value(a).localeCompare(value(b), "en", { numeric: true })));
        table.tBodies[0].append(...(down ? rows.reverse() : rows));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
      });
    }
  }
})();
