/* The Instruments grid: all symbols come once for a listing; what is asked for is picked out here, without a server. */
(function () {
  "use strict";

  const ANY = "any", QUARANTINE = "quarantine", CARDS = 80, THIN = "\u2009";
  const MARKS = [null, ["starting", "not trading"], ["degraded", "in doubt"], ["closed", "not paired"]];
  let held = {key: null, rows: []};

  const grouped = count => String(count).replace(/\B(?=(\d{3})+$)/g, THIN);

  function rowsOf(columns) {
    const names = Object.keys(columns);
    const exchanges = names.filter(name => columns[name + "_mark"]);
    return columns.id.map((id, i) => {
      const row = {};
      for (const name of names) row[name] = columns[name][i];
      // What the search looks through: our symbol and every exchange's own id.
      row.text = [id, ...exchanges.map(name => row[name] || "")].join(" ").toLowerCase();
      return row;
    });
  }

  // A cell whose id stays but whose mark has changed would not be drawn again by itself.
  const watched = new WeakSet();
  async function drawMarks(gridId) {
    const api = await window.dash_ag_grid.getApiAsync(gridId);
    if (watched.has(api)) return;
    watched.add(api);
    api.addEventListener("rowDataUpdated", () => { if (!api.isDestroyed()) api.refreshCells({force: true}); });
  }

  const has = (words, wanted) => !wanted || wanted === ANY || words.split(" ").includes(wanted);

  const narrow = window.matchMedia("(max-width: 720px)");
  const text = (tag, name, words) => Object.assign(document.createElement(tag), {className: name, textContent: words});

  function showCards(rows, gridId) {
    const list = document.getElementById("instruments-cards");
    if (!list) return;
    list.replaceChildren(...(narrow.matches ? rows.slice(0, CARDS) : []).map(row => {
      const card = text("button", "card", "");
      card.append(text("b", "", row.id), text("span", "fig", row.count + (row.count === 1 ? " exchange" : " exchanges")),
        text("span", "dim", [row.class, row.kind].join(" ").replaceAll(" ", ", ")),
        text("span", "dim", row.pairing.replaceAll(" ", ", ")));
      card.addEventListener("click", async () => {
        const api = await window.dash_ag_grid.getApiAsync(gridId);
        api.getRowNode(row.id)?.setSelected(true, true);
      });
      return card;
    }));
    if (narrow.matches && rows.length > CARDS) {
      list.append(text("div", "hint note", "and " + grouped(rows.length - CARDS) + " more: search for a symbol"));
    }
  }

  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    Listing: props => {
      if (!props.value) return null;
      const mark = MARKS[props.data[props.colDef.field + "_mark"]];
      const element = window.React.createElement;
      return element("span", {
        className: mark ? "listing marked" : "listing", title: mark ? props.value + ", " + mark[1] : props.value,
      },
        mark && element("span", {className: "shape shape-" + mark[0], "aria-hidden": "true"}),
        element("span", {className: "id"}, props.value),
        mark && element("span", {className: "sr"}, ", " + mark[1]));
    },
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscopeInstruments: {
      filter(data, quarantined, search, family, assetClass, pairing, status, least, gridId) {
        const no = window.dash_clientside.no_update;
        if (!data) return [no, no, no, no, no];
        if (held.key !== data.key) held = {key: data.key, rows: rowsOf(data.columns)};
        const words = (search || "").trim().toLowerCase(), few = Number(least) || 1;
        const rows = held.rows.filter(row => row.count >= few && (!words || row.text.includes(words))
          && (!family || family === ANY || row.family === family)
          && (pairing === QUARANTINE ? (quarantined || []).includes(row.id) : has(row.pairing, pairing))
          && has(row.class, assetClass) && has(row.status, status));
        drawMarks(gridId);
        showCards(rows, gridId);
        const count = grouped(rows.length) + " of " + grouped(held.rows.length) + " symbols";
        const empty = held.rows.length ? "No symbol passes these filters." : "No exchange has given its listing yet.";
        return [rows, rows.map(row => row.id), count, empty, rows.length ? "empty hidden" : "empty"];
      },
      select(rows, closes, gridId, selected) {
        const no = window.dash_clientside.no_update;
        const triggered = window.dash_clientside.callback_context.triggered_id;
        if (triggered && triggered !== gridId) {
          window.dash_ag_grid.getApiAsync(gridId).then(api => {
            const node = api.getSelectedNodes()[0];
            api.deselectAll();
            if (node && node.rowIndex !== null) api.setFocusedCell(node.rowIndex, "id");
          });
          return [null, "instrument-pane"];
        }
        // A filter that hides the selected row leaves its details open.
        const row = rows && rows.length ? rows[0].id : null;
        return row === null || row === selected ? [no, no] : [row, "instrument-pane open"];
      },
    },
  });
})();
