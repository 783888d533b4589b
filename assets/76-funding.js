/* The grid of funding rates. A cell comes as a short text: APR | interval | next settlement | rate | state | age. */
(function () {
  "use strict";

  const MINUS = "\u2212", THIN = "\u2009";
  // Of the last table, and when this browser got it. Server and browser clocks are never compared.
  let told = {now: 0, limit: 100, titles: {}}, toldAt = 0;
  let sorted = null;

  const element = (...parts) => window.React.createElement(...parts);
  const cell = value => {
    const [apr, hours, next, rate, state, age] = (value || "").split("|");
    return {apr: apr ? Number(apr) : null, hours, next: next ? Number(next) : null, rate, state: state || "", age};
  };
  const now = () => told.now + (performance.now() - toldAt) / 1000;

  function signed(text) {
    const value = Number(text), figure = text.replace("-", "");
    const [whole, part] = figure.split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN) + (part ? "." + part : "");
    return Number(figure) === 0 ? grouped : (value < 0 ? MINUS : "+") + grouped;
  }
  function left(seconds) {
    const whole = Math.max(Math.round(seconds), 0);
    if (whole < 120) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " m";
    if (whole < 86400) return Math.floor(whole / 3600) + " h " + String(Math.floor(whole % 3600 / 60)).padStart(2, "0") + " m";
    return Math.floor(whole / 86400) + " d " + String(Math.floor(whole % 86400 / 3600)).padStart(2, "0") + " h";
  }
  const clock = seconds => new Date(seconds * 1000).toISOString().slice(11, 16);
  const interval = hours => hours === "c" ? "cont." : hours + " h";

  const hrefOf = symbol => "/spreads?symbol=" + encodeURIComponent(symbol);
  function go(event, href) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    fundingTip: params => {
      if (params.node.rowPinned || !params.value) return "";
      const {hours, next, rate, state, age} = cell(params.value);
      const where = params.data.symbol + " on " + (told.titles[params.colDef.field] || params.colDef.field);
      const parts = [where];
      if (state === "n") parts.push("no rate has arrived");
      else if (state === "u") parts.push(signed(rate) + " % per interval; how often is not known, so it is neither annualised nor ranked");
      else parts.push(signed(rate) + " % per " + (hours === "c" ? "8 h, accrued without pause" : hours + " h"));
      if (next !== null) {
        const seconds = next - now();
        parts.push(seconds > 0 ? "settles at " + clock(next) + " UTC, in " + left(seconds) : "was due at " + clock(next) + " UTC");
      }
      if (state === "s") parts.push("last heard " + age + " ago");
      return parts.join("; ");
    },
    // What is not known goes last in either direction.
    fundingOrder: (a, b, descending) => {
      const [x, y] = [cell(a).apr, cell(b).apr];
      if (x === null || y === null) return ((x === null ? 1 : 0) - (y === null ? 1 : 0)) * (descending ? -1 : 1);
      return x - y;
    },
  });

  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    FundingSymbol: props => {
      if (props.node.rowPinned) return element("span", {className: "hint"}, props.value);
      const href = hrefOf(props.value);
      return element("a", {href, className: "row-name", onClick: event => go(event, href), title: props.value},
        props.value.slice(0, props.value.lastIndexOf("-")));
    },
    FundingCell: props => {
      if (props.node.rowPinned) {
        const head = props.value || {};
        return element("span", {className: "fund-head" + (head.note && head.note !== "continuous" ? " err" : "")}, head.text || "");
      }
      if (props.value === null || props.value === undefined) return null;
      const {apr, hours, state, age} = cell(props.value);
      if (state === "n") return element("span", {className: "fund unknown"}, "no rate");
      if (state === "u") return element("span", {className: "fund unknown"}, "interval ?");
      const step = Math.max(-5, Math.min(5, Math.round(apr / told.limit * 5)));
      const heat = state === "s" ? "hatch" : "heat-" + (step > 0 ? "p" : step < 0 ? "m" : "") + Math.abs(step);
      const often = hours === "1" || hours === "2" ? " often" : hours === "4" ? " four" : "";
      return element("span", {className: "fund " + heat},
        element("span", {className: "every" + often}, interval(hours)),
        element("span", {className: "apr"}, signed(apr.toFixed(Math.abs(apr) < 1000 ? 1 : 0))),
        state === "s" && element("span", {className: "sr"}, ", stale " + age));
    },
  });

  // Enter on a cell, or a double click, opens the symbol.
  const opening = new WeakSet();
  function watchKeys(api) {
    if (opening.has(api)) return;
    opening.add(api);
    const open = ({event, data, node}) => { if (event && !node.rowPinned) go(event, hrefOf(data.symbol)); };
    api.addEventListener("cellDoubleClicked", open);
    api.addEventListener("cellKeyDown", params => { if (params.event.key === "Enter") open(params); });
  }

  const held = new WeakMap();  // grid api -> {key, ids shown, rows waiting for the pointer to leave}

  function rowsOf(columns) {
    const names = Object.keys(columns);
    return columns.id.map((_, i) => Object.fromEntries(names.map(name => [name, columns[name][i]])));
  }
  function lay(api, state, rows) {
    state.waiting = null;
    state.ids = new Set(rows.map(row => row.id));
    api.setGridOption("rowData", rows);
    api.refreshClientSideRowModel("filter");
  }
  // While the pointer is over the rows their figures change and their places do not, unless the user asks for others.
  function put(api, element, data) {
    let state = held.get(api);
    if (!state) {
      state = {key: null, ids: new Set(), waiting: null};
      held.set(api, state);
      element.addEventListener("mouseleave", () => { if (state.waiting && !api.isDestroyed()) lay(api, state, state.waiting); });
    }
    const rows = rowsOf(data.columns), pointedAt = state.key === data.key && element.querySelector(".ag-body:hover");
    state.key = data.key;
    if (!pointedAt) return lay(api, state, rows);
    api.applyTransaction({update: rows.filter(row => state.ids.has(row.id))});
    state.waiting = rows;
  }

  function heads(data) {
    const row = {id: "next", symbol: "settles in"};
    for (const exchange of data.exchanges) {
      const {next, note} = data.heads[exchange];
      row[exchange] = {note, text: note || (next ? left(next - data.now) : "")};
    }
    return [row];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscopeFunding: {
      async apply(data, sort, gridId) {
        if (!data) return window.dash_clientside.no_update;
        const api = await window.dash_ag_grid.getApiAsync(gridId);
        const grid = document.getElementById(gridId);
        if (!grid || api.isDestroyed()) return window.dash_clientside.no_update;
        told = data;
        toldAt = performance.now();
        watchKeys(api);
        const hidden = api.getColumns().map(column => column.getColId())
          .filter(name => !["symbol", "widest", "volume"].includes(name) && !data.exchanges.includes(name));
        const visible = data.exchanges.filter(name => api.getColumn(name) && !api.getColumn(name).isVisible());
        const hide = hidden.filter(name => api.getColumn(name).isVisible());
        if (hide.length) api.setColumnsVisible(hide, false);
        if (visible.length) api.setColumnsVisible(visible, true);
        // A new choice sorts; what the user did at a column's head stays until then.
        if (sort && (sorted === null || sorted.api !== api || sorted.by !== sort)) {
          sorted = {api, by: sort};
          api.applyColumnState({state: [{colId: sort, sort: sort === "symbol" ? "asc" : "desc"}], defaultState: {sort: null}});
        }
        api.setGridOption("pinnedTopRowData", heads(data));
        put(api, grid, data);
        return String(data.columns.id.length);
      },
    },
  });
})();
