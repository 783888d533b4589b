/* The opportunity grid. Rows come as columns; what changed is put in place, so that sort, filters, scroll and
 * selection are those of the user. While the pointer is over the rows nothing changes its place. */
(function () {
  "use strict";

  const MINUS = "\u2212", THIN = "\u2009";
  const known = value => value !== null && value !== undefined && Number.isFinite(value);

  function plain(value, decimals) {
    if (!known(value)) return "";
    const text = Math.abs(value).toFixed(decimals);
    const [whole, part] = text.split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
    const negative = value < 0 && Number(text) !== 0;
    return (negative ? MINUS : "") + grouped + (part ? "." + part : "");
  }
  function signed(value, decimals) {
    const text = plain(value, decimals);
    return known(value) && value > 0 && Number(value.toFixed(decimals)) !== 0 ? "+" + text : text;
  }
  // As layouts/format.py writes ages.
  function age(value) {
    if (!known(value)) return "";
    const seconds = Math.max(value, 0), whole = Math.round(seconds), two = n => String(n).padStart(2, "0");
    if (seconds < 9.95) return seconds.toFixed(1) + " s";
    if (whole < 120) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " m " + two(whole % 60) + " s";
    if (whole < 86400) return Math.floor(whole / 3600) + " h " + two(Math.floor(whole % 3600 / 60)) + " m";
    return Math.floor(whole / 86400) + " d " + two(Math.floor(whole % 86400 / 3600)) + " h";
  }

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    bps: value => signed(value, 1),
    whole: value => plain(value, 0),
    money: value => plain(value, Math.abs(value) < 1000 ? 2 : 0),
    age,
    breakEven: params => params.data && params.data.never ? "never" : params.value === 0 ? "at once" : plain(params.value, params.value < 100 ? 1 : 0),
    ages: row => [row.buyAge, row.sellAge].map(value => plain(value, value < 9.95 ? 1 : 0)).join(" / "),
    signColour: value => ({color: !known(value) ? "" : value > 0.04 ? "var(--plus)" : value < -0.04 ? "var(--minus)" : ""}),
    fell: (params, field) => Boolean(params.data && params.data.change && params.data.change[field] < 0),
    // Unknown figures go last in either direction.
    numberOrder: (a, b, nodeA, nodeB, descending) => {
      if (!known(a) || !known(b)) return (known(a) ? -1 : known(b) ? 1 : 0) * (descending ? -1 : 1);
      return a - b;
    },
    // Whatever the sort: what may be traded stands first, then what my terms refuse, then what a test refuses; each
    // group but the first under its heading.
    byGroup: params => {
      const rank = node => node.data.group * 2 + (node.data.heading ? 0 : 1);
      const sorted = params.nodes.slice().sort((a, b) => rank(a) - rank(b));  // stable: inside a group the order holds
      sorted.forEach((node, i) => { params.nodes[i] = node; });
    },
    perpscopeTheme: theme => theme.withParams({
      backgroundColor: "var(--bg-0)", foregroundColor: "var(--text-1)", headerBackgroundColor: "var(--bg-0)",
      headerTextColor: "var(--text-2)", headerFontWeight: 500, headerFontSize: 12, fontSize: 13,
      fontFamily: "var(--font)", borderColor: "var(--line)", rowBorder: {color: "var(--line)"},
      headerRowBorder: {color: "var(--line-2)"}, wrapperBorder: false, browserColorScheme: "inherit", wrapperBorderRadius: 0, borderRadius: 3,
      rowHoverColor: "var(--wash)", selectedRowBackgroundColor: "var(--select)", oddRowBackgroundColor: "var(--bg-0)",
      headerColumnResizeHandleColor: "transparent", cellHorizontalPadding: 10, accentColor: "var(--accent)",
      menuBackgroundColor: "var(--bg-3)", tooltipBackgroundColor: "var(--bg-3)", tooltipTextColor: "var(--text-1)",
      inputBackgroundColor: "var(--bg-0)", pinnedColumnBorder: {color: "var(--line-2)"}, chromeBackgroundColor: "var(--bg-1)",
      valueChangeValueHighlightBackgroundColor: "var(--flash-up)", focusShadow: "none",
    }),
  });

  const React = window.React;
  const mark = group => ["icon icon-check ok-mark", "shape-none", "shape shape-degraded"][group];
  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    Verdict: props => React.createElement("span", {className: "verdict-cell"},
      React.createElement("span", {className: mark(props.data.group), "aria-hidden": "true"}), props.value),
    GroupHeading: props => React.createElement("div", {className: "group-heading"},
      React.createElement("span", {className: mark(props.data.group), "aria-hidden": "true"}), props.data.heading,
      React.createElement("span", {className: "fig"}, props.data.verdict)),
  });

  const held = new WeakMap();  // grid api -> {rows by id, waiting data}

  function rowsOf(columns) {
    const names = Object.keys(columns);
    return columns.id.map((_, i) => {
      const row = {};
      for (const name of names) row[name] = columns[name][i];
      return row;
    });
  }

  // Where the pointer is, or where the keyboard is: both want the rows to stay.
  const pointedAt = element => element.querySelector(".ag-body:hover, .ag-center-cols-viewport:hover") !== null;

  function settle(api) {
    const state = held.get(api);
    if (!state) return;
    if (state.waiting) {
      const data = state.waiting;
      state.waiting = null;
      put(api, state, data, false);
    }
    api.refreshClientSideRowModel("filter");
  }

  // A phone shows cards instead of the grid: the same rows, the same selection.
  const narrow = window.matchMedia("(max-width: 720px)");
  const text = (tag, name, words) => Object.assign(document.createElement(tag), {className: name, textContent: words});

  function showCards(api, data) {
    const list = document.getElementById("opportunities-cards");
    if (!list) return;
    const rows = narrow.matches ? rowsOf(data.columns).sort((a, b) => a.group - b.group || !a.heading - !b.heading) : [];
    list.replaceChildren(...rows.slice(0, 80).map(row => {
      if (row.heading) return text("div", "group-heading", row.heading + " " + row.verdict);
      const card = text("button", "card" + ["", " idle", " refused"][row.group], "");
      const net = text("span", "fig net " + (row.group === 2 ? "" : row.net > 0.04 ? "plus" : row.net < -0.04 ? "minus" : ""), signed(row.net, 1) + " ");
      net.append(text("small", "", "bps"));
      const route = text("span", "route", row.buy);
      route.append(text("span", "icon icon-arrow-right", ""), text("span", "sr", " to "), row.sell);
      const facts = text("span", "facts-line", ""), verdict = text("span", "verdict-cell", "");
      const fact = (word, value) => { if (value) facts.append(text("span", "hint", word + " "), text("span", "fig", value), " "); };
      fact("capacity", plain(row.capacity, 0));
      fact("alive", age(row.alive));
      verdict.append(text("span", mark(row.group), ""), row.verdict);
      card.append(text("b", "", row.symbol), net, route, verdict, facts);
      card.addEventListener("click", () => api.getRowNode(row.id)?.setSelected(true, true));
      return card;
    }));
  }

  function put(api, state, data, keepPlaces) {
    const rows = rowsOf(data.columns), ids = new Set(data.columns.id);
    const add = [], update = [], remove = [];
    for (const row of rows) {
      const before = state.rows.get(row.id);
      if (!before) {
        add.push(row);
        continue;
      }
      row.change = {};
      let same = true;
      for (const name in row) {
        if (name === "change" || row[name] === before[name]) continue;
        same = false;
        if (typeof row[name] === "number") row.change[name] = Math.sign(row[name] - before[name]);
      }
      if (same && !before.gone) continue;
      update.push(row);
    }
    for (const [id, row] of state.rows) if (!ids.has(id)) remove.push(row);
    if (keepPlaces) {
      // Rows that left are dimmed where they stand until the pointer leaves; new ones wait.
      const gone = remove.filter(row => !row.gone).map(row => ({...row, gone: true}));
      for (const row of gone) state.rows.set(row.id, row);
      for (const row of update) state.rows.set(row.id, row);
      if (update.length || gone.length) api.applyTransaction({update: update.concat(gone)});
      state.waiting = data;
      return;
    }
    for (const row of add) state.rows.set(row.id, row);
    for (const row of update) state.rows.set(row.id, row);
    for (const row of remove) state.rows.delete(row.id);
    api.applyTransaction({add, update, remove});
    api.refreshClientSideRowModel("filter");
  }

  // Enter opens a row; while the drawer is open, it follows the arrows.
  const drawerOpen = () => document.querySelector(".drawer.open") !== null;
  let closesSeen = 0, closed = null, closedAt = 0, touched = 0;  // the row closed last; the user's last gesture
  for (const gesture of ["pointerdown", "keydown"]) {
    document.addEventListener(gesture, event => { if (event.key !== "Escape") touched = Date.now(); }, true);
  }
  let closing = false;  // from the wish to close until the next row is opened: focus that goes back opens nothing

  function followKeys(api) {
    const choose = node => { if (node && !node.data.heading && !node.isSelected()) node.setSelected(true, true); };
    api.addEventListener("cellKeyDown", told => { if (told.event.key === "Enter") choose(told.node); });
    api.addEventListener("cellFocused", told => {
      if (told.rowIndex !== null && drawerOpen() && !closing) choose(api.getDisplayedRowAtIndex(told.rowIndex));
    });
  }

  // Beside the drawer there is room for the pinned columns, gross, capacity and verdict.
  const WIDE = ["fees", "notional", "profit", "carry", "breakEven", "alive", "age"];
  const makeRoom = (gridId, open) =>
    window.dash_ag_grid.getApiAsync(gridId).then(api => { if (!api.isDestroyed()) api.setColumnsVisible(WIDE, !open); });

  // Panels below chips and figures: one at a time; closed by Escape, by a click elsewhere.
  const opened = new Set();
  const panels = () => [...document.querySelectorAll("details.pop[open]")];
  const close = panel => { panel.open = false; opened.delete(panel.dataset.opens); };
  document.addEventListener("click", event => {
    for (const panel of panels()) if (!panel.contains(event.target)) close(panel);
  });
  document.addEventListener("keydown", event => {
    const open = panels();
    if (event.key !== "Escape" || !open.length) return;
    for (const panel of open) {
      close(panel);
      if (panel.contains(document.activeElement)) panel.querySelector("summary").focus();
    }
    event.stopImmediatePropagation();
  }, true);

  // The drawer's parts are made anew at every tick: what was open or focused is opened and focused again, before paint.
  // The click counts, not the toggle event, which comes later and maybe to a part that a tick has replaced.
  let focused = null;
  document.addEventListener("click", event => {
    const part = event.target.closest("[data-opens] > summary")?.parentElement;
    if (part) opened[part.open ? "delete" : "add"](part.dataset.opens);
  }, true);
  document.addEventListener("focusin", event => { focused = event.target.closest("[data-opens]")?.dataset.opens || null; });
  // A press that began on a part which a tick has replaced since is no click for the browser, but it is one for the user.
  let pressed = null;
  document.addEventListener("pointerdown", event => { pressed = event.target.closest("[data-opens] > summary"); });
  document.addEventListener("pointerup", event => {
    const now = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-opens] > summary");
    if (pressed && now && !pressed.isConnected && pressed.parentElement.dataset.opens === now.parentElement.dataset.opens) {
      now.click();
    }
  });
  function restore(drawer) {
    for (const part of drawer.querySelectorAll("[data-opens]")) {
      if (opened.has(part.dataset.opens)) part.open = true;
      if (part.dataset.opens === focused && document.activeElement === document.body) {
        part.querySelector("summary").focus({preventScroll: true});
      }
    }
  }

  async function toClipboard(words) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(words);
    const area = Object.assign(document.createElement("textarea"), {value: words});  // plain http: the old way
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("the browser does not let this page write to the clipboard");
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscopeGrid: {
      async copy(clicks, words, buttonId) {
        const said = await toClipboard(words || "").then(() => "Copied", () => "Not allowed");
        setTimeout(() => window.dash_clientside.set_props(buttonId, {children: "Copy as text"}), 2500);
        return said;
      },
      async apply(data, gridId) {
        if (!data) return window.dash_clientside.no_update;
        const api = await window.dash_ag_grid.getApiAsync(gridId);
        const element = document.getElementById(gridId);
        if (!element || api.isDestroyed()) return window.dash_clientside.no_update;
        let state = held.get(api);
        if (!state) {
          state = {rows: new Map(), waiting: null, key: data.key};
          held.set(api, state);
          element.addEventListener("mouseleave", () => { if (!api.isDestroyed()) settle(api); });
          followKeys(api);
          const drawer = document.querySelector(".opportunities .drawer");
          new MutationObserver(() => restore(drawer)).observe(drawer, {childList: true, subtree: true});
        }
        // Another filter or source is asked for by the user: it is applied at once.
        const asked = state.key !== data.key;
        state.key = data.key;
        state.waiting = null;
        put(api, state, data, !asked && pointedAt(element));
        showCards(api, data);
        return String(data.columns.id.length);
      },
      select(rows, closes, gridId, selected) {
        // A tick that comes with the click is named first, so the clicks are counted.
        const wish = (closes || 0) > closesSeen;
        closesSeen = closes || 0;
        if (wish) {
          closing = true;
          closed = selected;
          closedAt = Date.now();
          window.dash_ag_grid.getApiAsync(gridId).then(api => {
            const node = api.getSelectedNodes()[0];
            api.deselectAll();
            // Focus goes back to where it came from.
            if (node && node.rowIndex !== null) api.setFocusedCell(node.rowIndex, "symbol");
          });
          makeRoom(gridId, false);
          return [null, "drawer"];
        }
        const found = rows && rows.length ? rows[0] : null;
        if (found && found.heading) {
          window.dash_ag_grid.getApiAsync(gridId).then(api => api.deselectAll());
          return [window.dash_clientside.no_update, window.dash_clientside.no_update];
        }
        const row = found ? found.id : null;
        if (row && row === closed && touched < closedAt) {
          // A tick was on its way with the selection of before; nobody has asked for the row again.
          window.dash_ag_grid.getApiAsync(gridId).then(api => api.deselectAll());
          return [window.dash_clientside.no_update, window.dash_clientside.no_update];
        }
        if (row === selected) return [window.dash_clientside.no_update, window.dash_clientside.no_update];
        closing = !row;
        makeRoom(gridId, Boolean(row));
        return [row, row ? "drawer open" : "drawer"];
      },
    },
  });
})();
