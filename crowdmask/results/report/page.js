"use strict";
// Adds the cells of the chosen cameras and time up, and shows every figure, chart and table of the page from the sums.
(() => {
  const Z = 1.959963984540054, UNTIMED = -1, ROWS_SHOWN = 60, BUILT_AT_ONCE = 500, MOST_ROWS = 2000, NBSP = "\u00a0";
  const $ = (id) => document.getElementById(id);
  const tip = $("tip");

  // ---- words

  const formats = [0, 1, 2].map((places) => new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
  const number = (value, places = 0) => formats[places].format(value);
  const percent = (rate, places = 1) => {
    if (rate === null) return "–";
    const least = 10 ** -(places + 2);  // a rate that is not whole is never shown as 0 or 100
    const shown = rate === 0 || rate === 1 ? rate : Math.min(Math.max(rate, least), 1 - least);
    return `${(100 * shown).toFixed(places)}${NBSP}%`;
  };
  const interval = (sum) => {
    const ends = sum.interval;
    return ends ? `${percent(ends[0]).replace(/\D*$/, "")} to ${percent(ends[1])}` : "–";
  };
  const duration = (seconds) => {
    let left = Math.round(seconds);
    const parts = [];
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
      const count = Math.floor(left / size);
      left -= count * size;
      if (count || (unit === "s" && !parts.length)) parts.push(`${number(count)}${NBSP}${unit}`);
      if (parts.length === 2 || (parts.length && !count)) break;
    }
    return parts.join(" ");
  };
  const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
  const cameraName = (name) => name || "no camera";

  // ---- sums

  function wilson(p, n) {
    if (p === null || n <= 0) return null;
    const shrink = 1 + Z * Z / n, centre = (p + Z * Z / (2 * n)) / shrink;
    const half = Z / shrink * Math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    return [p === 0 ? 0 : Math.max(0, centre - half), p === 1 ? 1 : Math.min(1, centre + half)];
  }

  class Sum {
    constructor(table) { this.n = {}; this.table = table; this.expected = 0; this.cameras = new Set(); }
    get(name) { return this.n[name] || 0; }
    get words() { return this.table.words; }
    people(share) {  // those who are for the compliance, against it, or all
      return this.words.reduce((sum, word, i) => sum + (!share || this.table.shares[i] === share ? this.get(`people_${word}`) : 0), 0);
    }
    get judgedPeople() { return this.people("for") + this.people("against"); }
    get peopleRate() { return this.judgedPeople > 0 ? this.people("for") / this.judgedPeople : null; }
    get peopleInterval() { return wilson(this.peopleRate, this.judgedPeople); }
    get judged() { return this.get("for_ms") + this.get("against_ms"); }
    get byPeople() { return this.table.weighted === "people"; }
    get rate() { return this.byPeople ? this.peopleRate : this.timeRate; }
    get timeRate() { return this.judged > 0 ? this.get("for_ms") / this.judged : null; }
    get inView() { return this.get("recorded_ms") > 0 ? this.get("against_ms") / this.get("recorded_ms") : null; }
    get coverage() { return this.expected > 0 ? Math.min(1, this.get("covered_s") / this.expected) : null; }
    get effective() {
      const trials = this.get("trials_u") / 1e6;
      return this.factor === null || this.factor === undefined
        ? Math.min(trials, this.get("blocks_c") / 100) : trials * this.factor;
    }
    get interval() { return this.byPeople ? this.peopleInterval : wilson(this.timeRate, this.effective); }
    // unmasked people per minute recorded, or unmasked faces in view
    get worst() {
      if (!this.byPeople) return this.inView;
      if (this.table.mode === "periods") return this.people("against");  // for how long was recorded is not kept
      return this.get("recorded_ms") > 0 ? this.people("against") / (this.get("recorded_ms") / 60000) : null;
    }
    // what the rate counts, by word
    get counted() { return this.words.map((word) => [word, this.get(this.byPeople ? `people_${word}` : word)]); }
  }

  class Table {
    constructor(data, words) {
      Object.assign(this, data);
      this.words = words;
      this.fields = Object.keys(data.cells).filter((name) => name !== "camera" && name !== "bucket");
    }
    factor(cameras) { return cameras.length === 1 ? this.factors[cameras[0]] : this.overall; }
    add(cells, index, sum) {
      for (const name of this.fields) {
        if (name === "peak" || name === "most") sum.n[name] = Math.max(sum.get(name), cells[name][index]);
        else sum.n[name] = sum.get(name) + cells[name][index];
      }
    }
    // sums of the cells that are chosen, by a key; null leaves a cell out
    group(choice, key, cells = this.cells) {
      const sums = new Map();
      for (let i = 0; i < cells.camera.length; i++) {
        if (!choice.cameras.has(cells.camera[i]) || !choice.holds(cells.bucket[i])) continue;
        const at = key(cells.camera[i], cells.bucket[i]);
        if (at === null) continue;
        let sum = sums.get(at);
        if (!sum) sums.set(at, sum = new Sum(this));
        sum.cameras.add(cells.camera[i]);
        this.add(cells, i, sum);
      }
      return sums;
    }
    length(bucket) { return this.buckets.end[bucket] - this.buckets.start[bucket]; }
  }

  class Choice {
    constructor(table, cameras, from, to) {
      this.table = table; this.cameras = cameras; this.from = from; this.to = to;
      this.whole = from === null && to === null;
      this.inside = table.buckets.start.map((start, i) => {
        const at = table.mode === "seconds" ? start : table.buckets.local[i];
        return (from === null || at >= from) && (to === null || at < to);
      });
    }
    holds(bucket) { return bucket === UNTIMED ? this.whole : this.inside[bucket]; }
    get list() { return [...this.cameras].sort((a, b) => a - b); }
    get seconds() {
      return this.inside.reduce((sum, inside, i) => sum + (inside ? this.table.length(i) : 0), 0);
    }
  }

  function total(table, choice) {
    const sum = table.group(choice, () => 0).get(0) || new Sum(table);
    sum.factor = table.factor(choice.list);
    sum.expected = choice.seconds * choice.cameras.size;
    return sum;
  }

  function overTime(table, choice) {
    const sums = table.group(choice, (_, bucket) => (bucket === UNTIMED ? null : bucket));
    const factor = table.factor(choice.list);
    return table.buckets.start.map((_, i) => i).filter((i) => choice.inside[i]).map((i) => {
      const sum = sums.get(i) || new Sum(table);
      sum.factor = factor;
      sum.expected = table.length(i) * choice.cameras.size;
      return { bucket: i, sum };
    });
  }

  function byCamera(table, choice) {
    const sums = table.group(choice, (camera) => camera), seconds = choice.seconds;
    return choice.list.map((camera) => {
      const sum = sums.get(camera) || new Sum(table);
      sum.factor = table.factors[camera];
      sum.expected = seconds;
      return { camera, sum };
    });
  }

  // ---- elements

  const SVG = "http://www.w3.org/2000/svg";
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  function shape(tag, attributes, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // columns: [head, cell(row) -> text, value(row) for sorting and CSV, kind]
  function fill(table, columns, rows, foot = null) {
    const state = table.sorting || { column: null, down: false };
    const ordered = [...rows];
    if (state.column !== null && columns[state.column]) {
      const value = columns[state.column][2];
      ordered.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : (x ?? -1) - (y ?? -1);
      });
      if (state.down) ordered.reverse();
    }
    const heads = columns.map(([head], i) => {
      const cell = element("th", { scope: "col", tabindex: "0",
        "aria-sort": state.column !== i ? "none" : state.down ? "descending" : "ascending" }, head);
      const sort = () => {
        table.sorting = { column: i, down: state.column === i && !state.down };
        fill(table, columns, rows, foot);
      };
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
      });
      return cell;
    });
    const line = (row) => element("tr", {}, ...columns.map(([head, cell, , kind], i) => {
      const made = i === 0 ? element("th", { scope: "row" }) : element("td", { class: kind || "number" });
      const content = cell(row);
      made.append(content instanceof Node ? content : String(content));
      return made;
    }));
    const left = ordered.length - MOST_ROWS;
    table.draw = () => {
      table.draw = null;
      table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...ordered.slice(0, MOST_ROWS).map(line),
        ...(left > 0 ? [element("tr", {}, element("td", { class: "more-rows", colspan: columns.length }, `and ${plural(left, "row")} more: sort by another column, or download all as CSV`))] : [])),
      ...(foot ? [element("tfoot", {}, line(foot))] : []));
    };
    const details = table.closest("details");  // thousands of rows that nobody looks at would make each choice slow
    if (ordered.length > BUILT_AT_ONCE && details && !details.open) table.replaceChildren(); else table.draw();
    table.csv = () => [columns.map(([head]) => head), ...[...ordered, ...(foot ? [foot] : [])].map(
      (row) => columns.map(([, , value]) => value(row)))];
  }

  const column = (head, value, places = 0) => [head, (row) => (value(row) === null ? "–" : number(value(row), places)), value];
  const counts = (table) => table.words.map((word) => column(word[0].toUpperCase() + word.slice(1),
    (row) => row.sum.get(table.weighted === "people" ? `people_${word}` : word)));
  const lowest = (row) => (row.sum.interval ? row.sum.interval[0] : null);
  const highest = (row) => (row.sum.interval ? row.sum.interval[1] : null);
  const measures = (table) => [
    ["Wore a mask", (row) => percent(row.sum.rate), (row) => row.sum.rate, "rate"],
    ...(table.weighted === "frames" ? [] : [["95 % low", (row) => percent(row.sum.interval ? lowest(row) : null), lowest],
      ["95 % high", (row) => percent(row.sum.interval ? highest(row) : null), highest]]),
    ...(table.weighted === "people" ? [column("People", (row) => row.sum.people()), ...counts(table),
      ...(table.mode === "periods" ? [] : [column("Most at once", (row) => row.sum.get("most"))])] : counts(table)),
    ...(table.followed && table.weighted !== "people" ? [column("People in videos", (row) => row.sum.people()),
      column("of them unmasked", (row) => row.sum.people("against"))] : []),
    column(table.mode === "periods" ? "Unmasked per frame" : "Unmasked in view", (row) => row.sum.inView, 2),
    ...(table.weighted === "people" ? [column("Sightings", (row) => row.sum.get("faces"))] : []),
    column("Frames", (row) => row.sum.get("frames")),
    ...(table.mode === "periods" ? [] : [column("Most unmasked at once", (row) => row.sum.get("peak")),
      ["Recorded", (row) => percent(row.sum.coverage, 0), (row) => row.sum.coverage]]),
  ];

  function bar(sum) {
    if (sum.rate === null) return "";
    const drawn = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": interval(sum) },
      shape("rect", { class: "ground", width: 100, height: 10 }), shape("rect", { class: "value", width: 100 * sum.rate, height: 10 }));
    const ends = sum.interval;
    if (ends) drawn.append(shape("path", { class: "whisker", d: `M${100 * ends[0]} 5H${100 * ends[1]}` }));
    return drawn;
  }

  // ---- the chart

  function niceCeiling(most) {
    if (!(most > 0)) return 1;
    const size = 10 ** Math.floor(Math.log10(most));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * size).find((step) => step >= most * 0.999999);
  }

  function panel(title, axis, size, ...marks) {
    const scale = element("div", { class: "scale", "aria-hidden": "true" },
      ...axis.map(([at, text]) => element("span", { style: `bottom:${100 * at}%` }, text)));
    const drawn = shape("svg", { viewBox: `0 0 ${size} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...axis.map(([at]) => shape("path", { class: "grid", d: `M0 ${100 - 100 * at}H${size}` })), ...marks);
    return element("div", { class: "panel" }, element("h3", {}, title), scale, drawn);
  }

  function runs(rows, holds, breaks) {
    const found = [];
    rows.forEach((row, i) => {
      if (!holds(row)) return;
      const last = found[found.length - 1];
      if (last && last[last.length - 1] === i - 1 && !breaks.has(i)) last.push(i); else found.push([i]);
    });
    return found;
  }

  function steps(rows, value, y, breaks, kind) {
    return runs(rows, (row) => value(row) !== null, breaks).map((run) => shape("path", { class: kind,
      d: `M${run[0]} ${y(value(rows[run[0]]))}` + run.map((i) => `V${y(value(rows[i]))}H${i + 1}`).join("") }));
  }

  function drawChart(table, rows, other) {
    const chart = $("chart");
    if (!rows.length) { chart.replaceChildren(element("p", { class: "none" }, "There is nothing with a time to show.")); return; }
    const { start, end } = table.buckets;
    const breaks = new Set(rows.map((_, i) => i).filter((i) => i && start[rows[i].bucket] !== end[rows[i - 1].bucket]));
    const lows = rows.map(lowest).filter((low) => low !== null).concat(rows.map((row) => row.sum.rate).filter((rate) => rate !== null));
    const floor = Math.max(...[0, 0.2, 0.4, 0.6, 0.8].filter((at) => at <= Math.min(1, ...lows)));
    const y = (rate) => (100 - 100 * Math.max(0, (rate - floor) / (1 - floor))).toFixed(2);
    const band = runs(rows, (row) => row.sum.interval !== null, breaks).map((run) => shape("path", { class: "band",
      d: `M${run[0]} ${y(highest(rows[run[0]]))}` + run.map((i) => `V${y(highest(rows[i]))}H${i + 1}`).join("")
        + [...run].reverse().map((i) => `V${y(lowest(rows[i]))}H${i}`).join("") + "Z" }));
    const marks = [...band, ...steps(rows, (row) => row.sum.rate, y, breaks, "line")];
    const most = Math.max(0, ...rows.map((row) => row.sum.worst || 0), ...(other || []).map((row) => (row && row.sum.worst) || 0));
    const ceiling = niceCeiling(most), h = (value) => (100 - 100 * value / ceiling).toFixed(2);
    const bars = shape("path", { class: "bars", d: rows.map((row, i) =>
      (row.sum.worst ? `M${i + 0.1} 100V${h(row.sum.worst)}h.8V100` : "")).join("") });
    const beside = [[], []];
    if (other) {
      const pairs = other.map((row) => row || { sum: new Sum(table) });
      beside[0] = steps(pairs, (row) => row.sum.rate, y, breaks, "line other");
      beside[1] = steps(pairs, (row) => row.sum.worst, h, breaks, "line other");
    }
    const lines = () => [...breaks].map((i) => shape("path", { class: "break", d: `M${i} 0V100` }));
    const cover = shape("svg", { viewBox: `0 0 ${rows.length} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...rows.map((row, i) => [i, row.sum.coverage || 0]).filter(([, share]) => share > 0)
        .map(([i, share]) => shape("rect", { x: i, y: 0, width: 1.02, height: 100, "fill-opacity": share.toFixed(2) })));
    const places = ceiling >= 10 ? 0 : ceiling >= 1 ? 1 : 2;
    chart.replaceChildren(
      panel(table.weighted === "frames" ? "Wore a mask" : "Wore a mask, with its 95 % interval",
        [floor, (1 + floor) / 2, 1].map((at) => [(at - floor) / (1 - floor), percent(at, 0)]), rows.length, ...marks, ...beside[0], ...lines()),
      panel({ people: `People without a mask${table.mode === "periods" ? "" : ", per minute recorded"}`, frames: "Unmasked faces per frame", time: "Unmasked in view, per minute recorded" }[table.weighted],
        [0, 0.5, 1].map((at) => [at, number(at * ceiling, at ? places : 0)]), rows.length, bars, ...beside[1], ...lines()),
      ...(table.mode === "periods" ? [] : [element("div", { class: "panel strip" }, element("h3", {}, "Recorded"), cover)]),
      element("div", { class: "hits" }, ...rows.map((row) => element("i", { "data-tip": tipOf(table, row) }))),
      ...[[12, "for-wide"], [38, "for-narrow"]].map(([room, kind]) => timeAxis(table, rows, room, kind)),
      element("output", { class: "spoken", "aria-live": "polite" }));
  }

  function tipOf(table, row) {
    const { sum } = row, lines = [table.buckets.words[row.bucket]];
    if (!sum.get("frames")) return [...lines, "no frames"].join("\n");
    lines.push(`${percent(sum.rate)} wore a mask` + (sum.interval ? ` (${interval(sum)})` : ""));
    const counted = sum.counted.map(([word, n]) => `${number(n)} ${word}`).join(", ");
    lines.push(sum.byPeople ? `${plural(sum.people(), "person", "people")} came: ${counted}` : counted);
    lines.push(`${number(sum.inView || 0, 2)} unmasked in view` + (sum.get("peak") ? `, at most ${number(sum.get("peak"))}` : ""));
    lines.push(`${plural(sum.get("frames"), "frame")}` + (sum.coverage !== null ? `, ${percent(sum.coverage, 0)} recorded` : ""));
    return lines.join("\n");
  }

  function ticks(table, rows) {
    const { local, start, end, words } = table.buckets, most = 7;
    if (table.mode === "seconds") {
      const every = Math.ceil(rows.length / most);
      return rows.map((_, i) => i).filter((i) => i % every === 0).map((i) => [i, [words[rows[i].bucket].split(" to ")[0]]]);
    }
    const minutes = (i) => { const text = local[rows[i].bucket]; return Number(text.slice(11, 13)) * 60 + Number(text.slice(14, 16)); };
    const all = rows.map((_, i) => i), width = (end[rows[0].bucket] - start[rows[0].bucket]) / 60;
    let found = all;
    if (width < 1440) {
      const step = [1, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440].find((size) => {
        const at = all.filter((i) => minutes(i) % size === 0);
        return size >= width && at.length >= 2 && at.length <= most;
      });
      found = all.filter((i) => minutes(i) % (step || 1440) === 0);
      if (!found.length) found = [0];
    }
    const every = Math.ceil(found.length / most), years = new Set(rows.map((row) => local[row.bucket].slice(0, 4))).size > 1;
    let before = "";
    return found.filter((_, k) => k % every === 0).map((i) => {
      const text = local[rows[i].bucket], day = text.slice(0, 10), lines = width < 1440 ? [text.slice(11)] : [];
      if (day !== before) lines.push(new Date(`${day}T12:00:00Z`).toLocaleDateString("en-GB",
        { weekday: "short", day: "numeric", month: "short", ...(years ? { year: "numeric" } : {}), timeZone: "UTC" }));
      before = day;
      return [i, lines];
    });
  }

  function timeAxis(table, rows, room, kind) {
    const axis = element("div", { class: `times ${kind}`, "aria-hidden": "true" });
    let taken = 0;
    for (const [i, lines] of ticks(table, rows)) {
      const at = 100 * i / rows.length, last = at > 100 - room;
      if (at - (last ? room : 0) < taken) continue;
      taken = at + (last ? 0 : room);
      const tick = element("span", { class: `tick${last ? " last" : ""}`, style: `left:${at}%` });
      lines.forEach((line, k) => tick.append(...(k ? [element("br")] : []), line));
      axis.append(tick);
    }
    return axis;
  }

  // ---- heat maps

  const LEVELS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5];
  const level = (share) => LEVELS.filter((limit) => share >= limit).length;

  function legend() {
    return element("p", { class: "legend" }, `under${NBSP}2${NBSP}%`, ...[0, 1, 2, 3, 4, 5, 6].map((i) => element("i", { class: `s${i}` })),
      `50${NBSP}% and more unmasked`, element("i", { class: "cell" }), "no face judged");
  }

  function heat(map, heads, sums, name) {
    const cells = [element("b")];
    for (let hour = 0; hour < 24; hour++) cells.push(element("b", { class: "hour" }, String(hour)));
    heads.forEach((head, row) => {
      cells.push(element("b", { class: "day" }, head));
      for (let hour = 0; hour < 24; hour++) {
        const sum = sums.get(row * 24 + hour), share = sum && sum.rate !== null ? 1 - sum.rate : null;
        const words = `${head}, ${String(hour).padStart(2, "0")}:00 to ${String(hour + 1).padStart(2, "0")}:00\n`
          + (!sum || !sum.get("frames") ? "no frames" : `${percent(share)} unmasked\n`
            + sum.counted.map(([word, n]) => `${number(n)} ${word}`).join(", "));
        cells.push(element("i", { class: share === null ? "cell" : `cell s${level(share)}`, "data-tip": words },
          share === null ? "" : String(Math.round(100 * share))));
      }
    });
    map.replaceChildren(element("h3", {}, name), element("div", { class: "week" }, ...cells), legend(),
      element("output", { class: "spoken", "aria-live": "polite" }));
  }

  function drawHours(table, choice, cameraRows) {
    const folded = table.hours.camera.length > 0, cells = folded ? table.hours : table.cells;
    const { hour, weekday } = table.buckets;
    const within = folded ? { cameras: choice.cameras, holds: () => true } : choice;
    const hourOf = (bucket) => (folded ? bucket % 24 : bucket === UNTIMED ? null : hour[bucket]);
    const note = folded && !choice.whole ? "Over the whole time: with buckets this wide the hours of a part of it are not kept." : "Unmasked, in percent";
    if ($("hours-map")) {
      const sums = table.group(within, (camera, bucket) => (hourOf(bucket) === null ? null : camera * 24 + hourOf(bucket)), cells);
      const worst = [...cameraRows].filter((row) => row.sum.rate !== null).sort((a, b) => a.sum.rate - b.sum.rate);
      const shown = (worst.length > ROWS_SHOWN ? worst.slice(0, ROWS_SHOWN) : cameraRows).map((row) => row.camera).sort((a, b) => a - b);
      const placed = new Map();
      shown.forEach((camera, row) => { for (let h = 0; h < 24; h++) { const sum = sums.get(camera * 24 + h); if (sum) placed.set(row * 24 + h, sum); } });
      const more = worst.length > ROWS_SHOWN ? ` (the ${ROWS_SHOWN} cameras with the lowest rates of ${worst.length}; the table has all)` : "";
      heat($("hours-map"), shown.map((camera) => cameraName(table.cameras[camera])), placed, note + more);
      const listed = [...sums.entries()].sort((a, b) => a[0] - b[0]).map(([key, sum]) => {
        sum.factor = table.factors[Math.floor(key / 24)];
        return { camera: Math.floor(key / 24), hour: key % 24, sum };
      });
      fill($("hours-table"), [["Camera", (row) => cameraName(table.cameras[row.camera]), (row) => cameraName(table.cameras[row.camera])],
        ["Hour", (row) => `${String(row.hour).padStart(2, "0")}:00`, (row) => row.hour],
        ...measures(table).filter(([head]) => head !== "Recorded")], listed);
    }
    if ($("week-map")) {
      const sums = table.group(within, (_, bucket) => (folded ? bucket : bucket === UNTIMED ? null : weekday[bucket] * 24 + hour[bucket]), cells);
      heat($("week-map"), ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], sums, note);
    }
  }

  // ---- headline and the rest

  function headline(table, sum, other) {
    const beside = (text) => (other ? element("dd", { class: "more other-words" }, text()) : "");
    const card = (kind, title, value, more, compared) => element("div", { class: `card ${kind}` }, element("dt", {}, title),
      element("dd", {}, value), element("dd", { class: "more" }, more), beside(compared));
    const time = table.mode !== "periods", byPeople = table.weighted === "people";
    const faces = table.words.map((word) => `${number(sum.get(word))} ${word}`).join(", ");
    const persons = table.words.map((word) => `${number(sum.get(`people_${word}`))} ${word}`).join(", ");
    const shown = (sums) => (sums.get("most") ? `, at least ${number(sums.get("most"))}` : "");
    const here = table.followed ? [card("people", byPeople ? "People" : "People in videos", number(sum.people()),
      `${persons}; each counts once in a recording` + (byPeople ? time ? `; at least ${number(sum.get("most"))}, who were there at once` : ""
        : `; ${percent(sum.peopleRate)} of the judged ones wore a mask (${sum.peopleInterval ? `${percent(sum.peopleInterval[0]).replace(/\D*$/, "")} to ${percent(sum.peopleInterval[1])}` : "–"})`),
      () => `beside ${number(other.people())}${byPeople ? shown(other) : ""}`)] : [];
    $("headline").replaceChildren(
      card("compliance", "Wore a mask", percent(sum.rate), sum.rate === null ? "nobody judged"
        : byPeople ? `of ${plural(sum.judgedPeople, "judged person", "judged people")}; 95 % interval ${interval(sum)}`
        : time ? `of the judged faces, by time in view; 95 % interval ${interval(sum)}` : "of the judged faces, frame by frame; no interval",
        () => `beside ${percent(other.rate)} (${interval(other)})`),
      ...(byPeople ? here : []),
      card("unmasked", time ? "Unmasked in view" : "Unmasked per frame", sum.inView === null ? "–" : number(sum.inView, 2),
        time ? `faces at a time, on average over each camera's recording; at most ${number(sum.get("peak"))} in one frame` : "on average",
        () => `beside ${other.inView === null ? "–" : number(other.inView, 2)}`),
      card("faces", "Sightings", number(sum.get("faces")), `${faces}; the same face counts anew in each frame` + (byPeople ? `; ${time ? "by time in view" : "frame by frame"} ${percent(sum.timeRate)} wore a mask` : ""), () => `beside ${number(other.get("faces"))}`),
      card("frames", time ? "Recorded" : "Frames", time ? duration(sum.get("recorded_ms") / 1000) : number(sum.get("frames")),
        plural(sum.get("frames"), "frame") + (time && table.mode === "clock" && sum.coverage !== null ? `; ${percent(sum.coverage, 0)} of the cameras' time` : ""),
        () => `beside ${time ? duration(other.get("recorded_ms") / 1000) : number(other.get("frames"))}`),
      ...(byPeople ? [] : here));
  }

  // Newcombe's interval of a difference of rates, out of the intervals of both
  function difference(a, b) {
    if (a.rate === null || b.rate === null || !a.interval || !b.interval) return null;
    const d = a.rate - b.rate, [la, ua] = a.interval, [lb, ub] = b.interval;
    return [d, d - Math.hypot(a.rate - la, ub - b.rate), d + Math.hypot(ua - a.rate, b.rate - lb)];
  }

  function drawBeside(table, choice, other, otherChoice) {
    const rows = [{ name: "all chosen", a: total(table, choice), b: total(other, otherChoice) }];
    const theirs = new Map(byCamera(other, otherChoice).map((row) => [other.cameras[row.camera], row.sum]));
    for (const { camera, sum } of byCamera(table, choice)) {
      rows.push({ name: cameraName(table.cameras[camera]), a: sum, b: theirs.get(table.cameras[camera]) || new Sum(table) });
    }
    const signed = (value) => (value === null ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(100 * value).toFixed(1)}${NBSP}pp`);
    const part = (i) => (row) => { const found = difference(row.a, row.b); return found ? found[i] : null; };
    fill($("beside-table"), [["Camera", (row) => row.name, (row) => row.name],
      ["Wore a mask here", (row) => percent(row.a.rate), (row) => row.a.rate], ["there", (row) => percent(row.b.rate), (row) => row.b.rate],
      ["Difference", (row) => signed(part(0)(row)), part(0)], ["95 % low", (row) => signed(part(1)(row)), part(1)], ["95 % high", (row) => signed(part(2)(row)), part(2)],
      ["Unmasked in view here", (row) => (row.a.inView === null ? "–" : number(row.a.inView, 2)), (row) => row.a.inView],
      ["there", (row) => (row.b.inView === null ? "–" : number(row.b.inView, 2)), (row) => row.b.inView]], rows);
  }

  // sums of each zone or line by camera, in the order of the names
  function byPlace(table, choice, { names, cells }) {
    const sums = new Map(), fields = Object.keys(cells).filter((name) => !["camera", "bucket", "place"].includes(name));
    for (let i = 0; i < cells.camera.length; i++) {
      const camera = cells.camera[i], place = cells.place[i], key = place * table.cameras.length + camera;
      if (!choice.cameras.has(camera)) continue;
      if (!sums.has(key)) sums.set(key, { name: names[place], camera, sum: new Sum(table) });
      if (!choice.holds(cells.bucket[i])) continue;
      const { n } = sums.get(key).sum;
      for (const field of fields) n[field] = field === "longest_ms" ? Math.max(n[field] || 0, cells[field][i]) : (n[field] || 0) + cells[field][i];
    }
    return [...sums.keys()].sort((a, b) => a - b).map((key) => sums.get(key));
  }

  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  const seconds = (ms) => (ms === null ? "–" : duration(ms / 1000));
  const named = (table, head) => [[head, (row) => row.name, (row) => row.name],
    ...(table.cameras.length > 1 ? [[table.mode === "seconds" ? "Recording" : "Camera", (row) => cameraName(table.cameras[row.camera]), (row) => cameraName(table.cameras[row.camera]), "text"]] : [])];

  function drawPlaces(table, choice) {
    const words = table.words, share = (sum, wanted, before) => words.reduce((all, word, i) => all + (table.shares[i] === wanted ? sum.get(before + word) : 0), 0);
    const rate = (sum, before) => { const judged = share(sum, "for", before) + share(sum, "against", before); return judged ? share(sum, "for", before) / judged : null; };
    if ($("zones-table")) {
      const before = table.followed ? "people_" : "", people = (row) => row.sum.people();
      const end = (i) => (row) => (row.sum.peopleInterval ? row.sum.peopleInterval[i] : null);
      const mean = (row) => (people(row) ? row.sum.get("dwell_ms") / people(row) : null), longest = (row) => (people(row) ? row.sum.get("longest_ms") : null);
      const followed = (...columns) => (table.followed ? columns : []), stays = (...columns) => (table.mode === "periods" ? [] : followed(...columns));
      fill($("zones-table"), [...named(table, "Zone"), ...followed(column("People", people)),
        ["Wore a mask", (row) => percent(rate(row.sum, before)), (row) => rate(row.sum, before), "rate"],
        ...followed(["95 % low", (row) => percent(end(0)(row)), end(0)], ["95 % high", (row) => percent(end(1)(row)), end(1)]),
        ...stays(["Stayed on average", (row) => seconds(mean(row)), (row) => (mean(row) === null ? null : mean(row) / 1000)]),
        ...words.map((word) => column(capital(word), (row) => row.sum.get(before + word))),
        ...stays(column("Visits", (row) => row.sum.get("visits")),
          ["Longest stay", (row) => seconds(longest(row)), (row) => (longest(row) === null ? null : longest(row) / 1000)]),
        column("Sightings", (row) => words.reduce((sum, word) => sum + row.sum.get(word), 0))], byPlace(table, choice, table.zones));
    }
    if ($("lines-table")) {
      const rows = byPlace(table, choice, table.lines).flatMap((row) => ["in", "out"].map((way) => ({ ...row, way })));
      const at = (row, word) => row.sum.get(`${row.way}_${word}`), crossed = (row) => rate(row.sum, `${row.way}_`);
      fill($("lines-table"), [...named(table, "Line"), ["Way", (row) => row.way, (row) => row.way, "text"],
        column("People", (row) => words.reduce((sum, word) => sum + at(row, word), 0)),
        ["Wore a mask", (row) => percent(crossed(row)), crossed, "rate"],
        ...words.map((word) => column(capital(word), (row) => at(row, word)))], rows);
    }
  }

  function drawMoments(table, choice) {
    const names = new Set(choice.list.map((camera) => table.cameras[camera]));
    const figures = [...document.querySelectorAll(".moments figure")];
    const { start, end } = table.buckets;
    for (const figure of figures) {
      const at = Number(figure.dataset.at), bucket = start.findIndex((from, i) => at >= from && at < end[i]);
      figure.hidden = !names.has(figure.dataset.camera) || !choice.holds(bucket < 0 ? UNTIMED : bucket);
    }
    const worst = figures.filter((figure) => figure.closest("#moments"));
    $("no-moments").hidden = !worst.length || worst.some((figure) => !figure.hidden);
  }

  // what lies as far from the other data's first midnight as from ours
  function aligned(table, other) {
    const midnight = (data) => { const text = data.buckets.local[0] || ""; return data.mode === "seconds" || !text ? data.buckets.start[0] || 0
      : data.buckets.start[0] - Number(text.slice(11, 13)) * 3600 - Number(text.slice(14, 16)) * 60; };
    const shift = midnight(other) - midnight(table);
    const at = new Map(other.buckets.start.map((start, i) => [start - shift, i]));
    return table.buckets.start.map((start) => (at.has(start) ? at.get(start) : null));
  }

  function show(tables, choice) {
    const [table, other] = tables;
    let otherChoice = null, sums = null, rows = null;
    if (other) {
      const names = new Set(choice.list.map((camera) => table.cameras[camera]));
      const cameras = new Set(other.cameras.map((_, i) => i).filter((i) => names.has(other.cameras[i])));
      otherChoice = new Choice(other, cameras, null, null);
      if (!choice.whole) {
        const places = aligned(table, other), kept = new Set(places.filter((_, i) => choice.inside[i]));
        otherChoice.inside = other.buckets.start.map((_, i) => kept.has(i));
        otherChoice.whole = false;
      }
      sums = total(other, otherChoice);
      const series = new Map(overTime(other, otherChoice).map((row) => [row.bucket, row]));
      rows = aligned(table, other).filter((_, i) => choice.inside[i]).map((i) => (i === null ? null : series.get(i) || null));
    }
    const series = overTime(table, choice), cameras = byCamera(table, choice);
    headline(table, total(table, choice), sums);
    drawChart(table, series, rows);
    fill($("time-table"), [["Time", (row) => table.buckets.words[row.bucket], (row) => table.buckets.local[row.bucket] || table.buckets.start[row.bucket]],
      ...measures(table)], series);
    const measured = measures(table);
    fill($("cameras-table"), [[table.mode === "seconds" ? "Recording" : "Camera", (row) => (row.total ? "all chosen" : cameraName(table.cameras[row.camera])),
      (row) => (row.total ? "all chosen" : cameraName(table.cameras[row.camera]))], measured[0],
    ["", (row) => bar(row.sum), (row) => row.sum.rate, "bar"], ...measured.slice(1)], cameras,
    cameras.length > 1 ? { total: true, sum: total(table, choice) } : null);
    drawPlaces(table, choice);
    drawHours(table, choice, cameras);
    if (other) drawBeside(table, choice, other, otherChoice);
    drawMoments(table, choice);
  }

  // ---- the choice

  function filters(tables, redraw) {
    const [table] = tables, form = $("filter"), list = $("cameras-list");
    const boxes = table.cameras.map((name, i) => element("input", { type: "checkbox", value: i, checked: "" }));
    list.replaceChildren(...boxes.map((box, i) => element("label", {}, box, ` ${cameraName(table.cameras[i])}`)));
    const clock = table.mode !== "seconds", ends = [$("from"), $("to")], { local, start, end } = table.buckets;
    for (const input of ends) {
      input.type = clock ? "datetime-local" : "number";
      if (clock && local.length) { input.min = local[0]; input.step = 60; }
      if (!clock) { input.min = 0; input.placeholder = "s"; }
    }
    const change = () => {
      const cameras = new Set(boxes.filter((box) => box.checked).map((box) => Number(box.value)));
      const [from, to] = ends.map((input) => (input.value === "" ? null : clock ? input.value.slice(0, 16) : Number(input.value)));
      const names = [...cameras].map((i) => cameraName(table.cameras[i])), all = cameras.size === table.cameras.length;
      $("chosen").textContent = all ? "all" : cameras.size > 3 ? `${cameras.size} of ${table.cameras.length}` : names.join(", ") || "none";
      const said = [...(all ? [] : [`cameras ${names.slice(0, 12).join(", ")}${names.length > 12 ? " …" : ""}`]),
        ...(from === null ? [] : [`from ${String(from).replace("T", " ")}${clock ? "" : " s"}`]), ...(to === null ? [] : [`to ${String(to).replace("T", " ")}${clock ? "" : " s"}`])];
      $("selection").hidden = !said.length;
      $("selection").textContent = said.length ? `Shown: ${said.join(", ")}. Whole buckets of time that begin in it.` : "";
      redraw(new Choice(table, cameras, from, to));
    };
    form.addEventListener("change", change);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => { setTimeout(() => { boxes.forEach((box) => { box.checked = true; }); find(""); change(); }, 0); });
    const find = (text) => boxes.forEach((box) => { box.parentElement.hidden = !box.parentElement.textContent.toLowerCase().includes(text.toLowerCase()); });
    $("find").addEventListener("input", (event) => find(event.target.value));
    const tick = (checked) => () => { boxes.forEach((box) => { if (!box.parentElement.hidden) box.checked = checked; }); change(); };
    $("all").addEventListener("click", tick(true));
    $("none").addEventListener("click", tick(false));
    form.hidden = false;
    change();
  }

  // ---- what can be asked: tips, pictures, downloads

  function showTip(chart, mark, spoken) {
    chart.querySelectorAll(".on").forEach((other) => other.classList.remove("on"));
    mark.classList.add("on");
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const at = mark.getBoundingClientRect(), middle = at.left + at.width / 2;
    const left = Math.min(Math.max(8, middle - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 8, below = Math.min(at.bottom + 8, window.innerHeight - tip.offsetHeight - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : below}px`;
    if (spoken) chart.querySelector(".spoken").textContent = mark.dataset.tip;
  }
  function hideTip(chart) {
    chart.querySelectorAll(".on").forEach((mark) => mark.classList.remove("on"));
    tip.hidden = true;
  }
  for (const chart of document.querySelectorAll("[data-chart]")) {
    const columns = Number(chart.dataset.columns || 1);
    let current = -1;
    const point = (event) => {
      const mark = event.target.closest("[data-tip]");
      if (mark) { current = [...chart.querySelectorAll("[data-tip]")].indexOf(mark); showTip(chart, mark, false); } else hideTip(chart);
    };
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hideTip(chart); });
    chart.addEventListener("blur", () => hideTip(chart));
    chart.addEventListener("keydown", (event) => {
      const marks = [...chart.querySelectorAll("[data-tip]")];
      const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -marks.length, End: marks.length };
      if (event.key === "Escape") { hideTip(chart); return; }
      if (!(event.key in moves) || !marks.length) return;
      event.preventDefault();
      current = current < 0 ? 0 : Math.min(marks.length - 1, Math.max(0, current + moves[event.key]));
      showTip(chart, marks[current], true);
    });
  }
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  const dialog = $("large");
  let opened = null;
  const visible = () => [...opened.closest(".moments").children].filter((figure) => !figure.hidden && figure.querySelector("img"));
  function open(figure) {
    opened = figure;
    const picture = figure.querySelector("img");
    $("large-picture").src = picture.src;
    $("large-picture").alt = picture.alt;
    $("large-words").innerText = figure.querySelector("figcaption").innerText;
    $("large-path").textContent = figure.dataset.path;
    $("copy").textContent = "Copy path";
    if (!dialog.open) dialog.showModal();
  }
  const go = (by) => { const all = visible(); if (all.length) open(all[(all.indexOf(opened) + by + all.length) % all.length]); };
  for (const figure of document.querySelectorAll(".moments figure")) {
    const button = figure.querySelector("button.open");
    if (button) button.addEventListener("click", () => open(figure));
  }
  dialog.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => go(Number(button.dataset.go))));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") go(1);
    if (event.key === "ArrowLeft") go(-1);
  });
  $("close").addEventListener("click", () => dialog.close());
  $("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText($("large-path").textContent); } catch {  // not allowed in a file: the old way
      const range = document.createRange();
      range.selectNodeContents($("large-path"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    $("copy").textContent = "Copied";
  });

  function csvOf(table) {
    if (table.csv) return table.csv();
    return [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  }
  function csvText(rows) {
    const cell = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;  // no formula in a spreadsheet
      return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => {
      const table = details.open && details.querySelector("table");
      if (table && table.draw) table.draw();
    });
  }
  for (const button of document.querySelectorAll("[data-download]")) {
    button.addEventListener("click", () => {
      const table = $(button.dataset.download), text = csvText(csvOf(table));
      const link = element("a", { href: URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" })), download: `${table.dataset.csv}.csv` });
      button.dataset.made = text;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  // ---- begin

  function begin(text) {
    const found = JSON.parse(text);
    const tables = [found.data, found.against].filter(Boolean).map((data) => new Table(data, found.words));
    if (new Set(tables.map((table) => table.weighted)).size > 1) tables.forEach((table) => { table.weighted = table.weighted === "people" ? "time" : table.weighted; });
    filters(tables, (choice) => show(tables, choice));
    document.documentElement.dataset.ready = "true";
  }
  const source = $("data");
  if ("packed" in source.dataset) {
    const bytes = Uint8Array.from(atob(source.textContent), (letter) => letter.charCodeAt(0));
    new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text().then(begin);
  } else begin(source.textContent);
})();
