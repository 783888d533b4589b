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
  function price(params) {
    const value = params.value;
    if (!known(value)) return "";
    const decimals = params.data.decimals;
    return plain(value, known(decimals) ? Math.min(decimals, 12) : Math.max(0, 5 - Math.floor(Math.log10(Math.abs(value)))));
  }

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    bps: value => signed(value, 1),
    whole: value => plain(value, 0),
    money: value => plain(value, Math.abs(value) < 1000 ? 2 : 0),
    coins: value => plain(value, value >= 1e5 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : value >= 1 ? 3 : 5),
    ages: row => [row.buyAge, row.sellAge].map(value => plain(value, value < 9.95 ? 1 : 0)).join(" / "),
    price,
    signColour: value => ({color: !known(value) ? "" : value > 0.04 ? "var(--plus)" : value < -0.04 ? "var(--minus)" : ""}),
    fell: (params, field) => Boolean(params.data && params.data.change && params.data.change[field] < 0),
    // Unknown figures go last in either direction.
    numberOrder: (a, b, nodeA, nodeB, descending) => {
      if (!known(a) || !known(b)) return (known(a) ? -1 : known(b) ? 1 : 0) * (descending ? -1 : 1);
      return a - b;
    },
    // Whatever the sort: a refused pair never stands above one that may be traded.
    refusedLast: params => {
      const nodes = params.nodes.slice();
      const parts = [nodes.filter(n => n.data.group === 0), nodes.filter(n => n.data.group !== 0)];
      let at = 0;
      for (const part of parts) for (const node of part) params.nodes[at++] = node;
    },
    perpscopeTheme: theme => theme.withParams({
      backgroundColor: "var(--bg-0)", foregroundColor: "var(--text-1)", headerBackgroundColor: "var(--bg-0)",
      headerTextColor: "var(--text-2)", headerFontWeight: 500, headerFontSize: 12, fontSize: 13,
      fontFamily: "var(--font)", borderColor: "var(--line)", rowBorder: {color: "var(--line)"},
      headerRowBorder: {color: "var(--line-2)"}, wrapperBorder: false, wrapperBorderRadius: 0, borderRadius: 3,
      rowHoverColor: "var(--wash)", selectedRowBackgroundColor: "var(--select)", oddRowBackgroundColor: "var(--bg-0)",
      headerColumnResizeHandleColor: "transparent", cellHorizontalPadding: 10, accentColor: "var(--accent)",
      menuBackgroundColor: "var(--bg-3)", tooltipBackgroundColor: "var(--bg-3)", tooltipTextColor: "var(--text-1)",
      inputBackgroundColor: "var(--bg-0)", pinnedColumnBorder: {color: "var(--line-2)"}, chromeBackgroundColor: "var(--bg-1)",
      valueChangeValueHighlightBackgroundColor: "var(--flash-up)", focusShadow: "none",
    }),
  });

  const React = window.React;
  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    Verdict: props => {
      const refused = props.data.group === 1, good = Boolean(props.data.actionable);
      const mark = refused ? "shape shape-degraded" : good ? "icon icon-check ok-mark" : "shape-none";
      return React.createElement("span", {className: "verdict-cell"},
        React.createElement("span", {className: mark, "aria-hidden": "true"}), props.value);
    },
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
    list.replaceChildren(...(narrow.matches ? rowsOf(data.columns).slice(0, 60) : []).map(row => {
      const card = text("button", "card" + (row.group ? " refused" : ""), "");
      const net = text("span", "fig net " + (row.net > 0 && !row.group ? "plus" : ""), signed(row.net, 1) + " ");
      net.append(text("small", "", "bps"));
      card.append(text("b", "", row.symbol), net, text("span", "dim", row.buy + " to " + row.sell),
        text("span", "fig dim", row.group ? row.verdict : "size " + plain(row.notional, 0)));
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

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscopeGrid: {
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
        const triggered = window.dash_clientside.callback_context.triggered_id;
        if (triggered && triggered !== gridId) {
          window.dash_ag_grid.getApiAsync(gridId).then(api => {
            const node = api.getSelectedNodes()[0];
            api.deselectAll();
            // Focus goes back to where it came from.
            if (node && node.rowIndex !== null) api.setFocusedCell(node.rowIndex, "symbol");
          });
          return [null, "drawer"];
        }
        const row = rows && rows.length ? rows[0].id : null;
        if (row === selected) return [window.dash_clientside.no_update, window.dash_clientside.no_update];
        return [row, row ? "drawer open" : "drawer"];
      },
    },
  });
})();
