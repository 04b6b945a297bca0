"use strict";
(() => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const themes = read("themes");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const button = document.getElementById("theme");
  const name = () => { button.textContent = dark() ? "light" : "dark"; };

  // Columns to rows: the page holds each figure's data once, a list a column, words as places in a list.
  function rows(packed) {
    const names = Object.keys(packed.columns);
    return Array.from({ length: packed.length }, (_, i) => {
      const row = {};
      for (const key of names) {
        const column = packed.columns[key];
        row[key] = column.words ? column.words[column.places[i]] ?? null : column[i];
      }
      return row;
    });
  }

  // What vegaEmbed draws of a figure's data, in the light or the dark theme.
  function chartOf(held, night) {
    let text = JSON.stringify(held.chart);
    if (night) for (const [light, other] of Object.entries(held.night)) text = text.replaceAll(`"${light}"`, `"${other}"`);
    const chart = JSON.parse(text);
    for (const [key, packed] of Object.entries(held.rows)) (chart.datasets ??= {})[key] = rows(packed);
    return chart;
  }

  const embed = (element, chart, night, renderer) => vegaEmbed(element, chart, {
    actions: false, mode: "vega-lite", config: night ? themes.dark : themes.light, renderer,
    tooltip: { disableDefaultStyle: true },
  });

  // Below NARROW pixels views stand below each other, with legends under them; MARGIN is a first guess of what axes take,
  // STRIP the width up to which a view beside another one is part of it (the bars of a ranking).
  const NARROW = 640, MARGIN = 64, STRIP = 200, LEAST = 120;
  const children = (part) => [...["layer", "hconcat", "vconcat", "concat"].flatMap((key) => part[key] ?? []), part.spec]
    .filter((child) => child && typeof child === "object");
  // Whether positions are pixels of the picture (images, networks): such a view cannot be made narrower.
  const bare = ({ encoding }) => encoding?.x?.axis === null && encoding.y?.axis === null;
  const placed = (part) => bare(part) || (part.layer ?? []).some(placed);
  const widthOf = (part) => (typeof part.width === "number" ? part.width : Math.max(0, ...children(part).map(widthOf)));

  function setWidth(part, width) {
    if (typeof part.width === "number" && !placed(part)) {
      const square = Math.abs(part.height - part.width) <= 0.02 * part.width;
      part.width = Math.max(LEAST, Math.round(width));
      if (square) part.height = part.width;
    }
  }

  // Every view at most so wide; side by side only what belongs together.
  function stacked(part, room, margin) {
    const wide = room - margin;
    if (part.hconcat) {
      const strips = part.hconcat.filter((child) => widthOf(child) <= STRIP);
      if (strips.length < part.hconcat.length - 1) {
        part.vconcat = part.hconcat;
        delete part.hconcat;
      } else {
        const beside = strips.reduce((sum, child) => sum + widthOf(child), 0);
        for (const child of part.hconcat) stacked(child, strips.includes(child) ? room : room - beside, margin);
        return part;
      }
    }
    if (part.columns) part.columns = 1;
    if (part.width > wide) setWidth(part, wide);
    for (const channel of Object.values(part.encoding ?? {})) {
      if (channel?.legend?.orient) Object.assign(channel.legend, legendFor(channel, room));
    }
    for (const child of children(part)) stacked(child, room, margin);
    return part;
  }

  function legendFor(channel, room) {
    const longest = Math.max(0, ...(channel.scale?.domain ?? []).map((name) => String(name).length));
    const columns = Math.max(1, Math.min(4, Math.floor(room / (7 * longest + 52))));
    return { orient: "bottom", direction: "vertical", columns, labelLimit: room / columns - 44, titleLimit: room };
  }

  // Every view so much narrower.
  function shrunk(part, share) {
    setWidth(part, part.width * share);
    for (const child of children(part)) shrunk(child, share);
    return part;
  }

  // The chart as wide as there is room, axes and legends included; what cannot be laid out anew is scaled by the style.
  async function fitted(target, held) {
    const room = target.clientWidth, chart = () => chartOf(held, dark());
    let shown = null;
    const show = async (one) => {
      shown?.finalize();
      shown = await embed(target.firstElementChild, one, dark(), held.renderer);
      const picture = target.querySelector("svg.marks, canvas.marks");
      return parseFloat(picture.style.width) || Number(picture.getAttribute("width"));
    };
    if (room < NARROW) {
      const over = await show(stacked(chart(), room, MARGIN)) - room;
      if (over > 0 || over < -24) await show(stacked(chart(), room, MARGIN + over));
      return shown;
    }
    const whole = await show(chart());
    if (whole > room) {
      const share = room / whole, then = await show(shrunk(chart(), share));
      if (then > room && then < whole) await show(shrunk(chart(), share - (then - room) * (1 - share) / (whole - then)));
    }
    return shown;
  }

  async function draw(script) {
    const target = script.previousElementSibling;
    const { view } = await fitted(target, JSON.parse(script.textContent));
    slide(target, view);
    target.dataset.drawn = "yes";
  }

  // Without zoom and without the points that only show under the pointer: a file has none.
  function still(part) {
    if (Array.isArray(part)) part.forEach(still);
    else if (part && typeof part === "object") {
      if (part.layer) part.layer = part.layer.filter((layer) => layer.encoding?.opacity?.condition?.param !== "hover");
      if (part.params) part.params = part.params.filter((param) => param.name !== "hover" && param.name !== "zoom");
      for (const [key, inner] of Object.entries(part)) if (key !== "datasets" && key !== "values") still(inner);
    }
    return part;
  }

  // A figure as a file, in the light theme; a PNG of twice the size.
  async function save(button) {
    const held = JSON.parse(button.closest("figure").querySelector("script.chart").textContent);
    const { kind, name } = button.dataset;
    const { view, finalize } = await embed(document.createElement("div"), still(chartOf(held, false)), false, "svg");
    const link = document.createElement("a");
    link.download = `${name}.${kind}`;
    link.href = kind === "svg"
      ? URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" })) : await view.toImageURL("png", 2);
    link.click();
    finalize();
  }
  for (const button of document.querySelectorAll(".files button")) button.addEventListener("click", () => save(button));

  // A figure's slider: beside it the step it stands for, and a button that moves it from end to end in six seconds.
  function slide(target, view) {
    const slider = target.querySelector(".vega-bind input[type=range]");
    if (!slider) return;
    const button = document.createElement("button"), said = document.createElement("span");
    slider.nextElementSibling.replaceWith(said);  // which told the slider's place
    let timer = null;
    const tell = () => { said.textContent = view.signal("reached").toLocaleString("en-US"); };
    const show = (sign, name) => { button.textContent = sign; button.setAttribute("aria-label", name); };
    const rest = () => { clearInterval(timer); timer = null; show("▶", "play"); };
    const move = (place) => { slider.value = place; slider.dispatchEvent(new Event("input")); };
    const onward = () => {
      if (!slider.isConnected || slider.value === slider.max) rest(); else move(Number(slider.value) + 1);
    };
    button.type = "button";
    button.addEventListener("click", () => {
      if (timer !== null) { rest(); return; }
      if (slider.value === slider.max) move(0);
      timer = setInterval(onward, 6000 / slider.max);
      show("❚❚", "pause");
    });
    slider.addEventListener("pointerdown", rest);
    slider.setAttribute("aria-label", "the step up to which the paths are shown");
    slider.closest(".vega-bind").prepend(button);
    view.addSignalListener("reached", tell);
    tell();
    rest();
  }

  // Vega, which the page holds compressed; a script of its own once it is unpacked.
  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("vega").textContent), (sign) => sign.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(plain).text();
    document.head.append(script);
  }
  const unpacked = document.getElementById("vega") ? unpack() : null;  // a page without figures has none

  // What is on the screen first, then the rest from top to bottom, so that a reader waits for one figure at most and
  // printing finds all of them; the browser can paint and scroll between two. A newer call ends an older one.
  let turn = 0;
  async function drawAll() {
    const own = ++turn;
    name();
    const waiting = new Set(document.querySelectorAll("script.chart"));
    const onScreen = ({ previousElementSibling: { parentElement } }) => {
      const { top, bottom } = parentElement.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    };
    while (waiting.size && own === turn) {
      const script = [...waiting].find(onScreen) ?? [...waiting][0];
      waiting.delete(script);
      try {
        await unpacked;
        await draw(script);
      } catch (failure) {
        console.error(failure);
        script.previousElementSibling.firstElementChild.textContent = "This figure could not be drawn: " + failure.message;
      }
      await new Promise((resume) => { setTimeout(resume); });
    }
  }

  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("fallline-theme", root.dataset.theme); } catch { /* a page from disk may have no storage */ }
    drawAll();
  });
  system.addEventListener("change", () => { if (!root.dataset.theme) drawAll(); });

  // A screen that was turned, or a window made narrower: the figures are laid out anew.
  let width = root.clientWidth, resting = null;
  addEventListener("resize", () => {
    clearTimeout(resting);
    resting = setTimeout(() => {
      if (Math.abs(root.clientWidth - width) < 24 || Math.min(root.clientWidth, width) > 1100) return;
      width = root.clientWidth;
      drawAll();
    }, 250);
  });
  try { const kept = localStorage.getItem("fallline-theme"); if (kept) root.dataset.theme = kept; } catch { /* as above */ }

  for (const more of document.querySelectorAll("button.more")) {
    const rest = () => more.previousElementSibling.querySelectorAll("tr.rest");
    const closed = more.textContent;
    more.addEventListener("click", () => {
      const open = more.classList.toggle("open");
      for (const row of rest()) row.classList.toggle("shown", open);
      more.textContent = open ? "Show fewer" : closed;
    });
  }

  // On a phone the verdict stays beside the name, whatever the table is scrolled to.
  for (const head of document.querySelectorAll("#results th")) {
    if (head.textContent !== "verdict") continue;
    for (const { cells } of head.closest("table").rows) cells[head.cellIndex]?.classList.add("verdict");
  }

  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.addEventListener("click", () => {
      const table = head.closest("table"), body = table.tBodies[0], place = head.cellIndex;
      const up = head.getAttribute("aria-sort") !== "ascending";
      const heads = head.parentElement.cells;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = ({ cells }) => {
        const { dataset, textContent } = cells[place];
        return dataset.v ?? (textContent === "–" ? "" : textContent);
      };
      const rank = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = head.dataset.sort === "n" ? Number(x) - Number(y) : x.localeCompare(y);
        return up ? order : -order;
      };
      const all = [...body.rows], shown = all.filter((row) => !row.classList.contains("rest")).length;
      const open = table.closest(".scroll").nextElementSibling?.classList.contains("open");
      all.sort(rank).forEach((row, i) => {
        row.classList.toggle("rest", i >= shown);
        row.classList.toggle("shown", i >= shown && Boolean(open));
        body.append(row);
      });
    });
  }
  drawAll().then(() => { root.dataset.ready = "yes"; });
})();
