/* The Episodes grid: open rows come with every tick, closed ones when they change; here they become one table. Under
 * the pointer no row changes its place: what is new waits until it leaves. */
(function () {
  "use strict";

  const CARDS = 60, MINUS = "\u2212", THIN = "\u2009";
  let now = 0;

  const two = value => String(value).padStart(2, "0");
  function age(seconds) {
    if (!Number.isFinite(seconds)) return "";
    seconds = Math.max(seconds, 0);
    if (seconds < 9.95) return seconds.toFixed(1) + " s";
    const whole = Math.round(seconds);
    if (whole < 120) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " m " + two(whole % 60) + " s";
    if (whole < 86400) return Math.floor(whole / 3600) + " h " + two(Math.floor(whole % 3600 / 60)) + " m";
    return Math.floor(whole / 86400) + " d " + two(Math.floor(whole % 86400 / 3600)) + " h";
  }
  const lasted = row => (row.closed === null ? now : row.closed) - row.opened;
  function time(epoch) {
    const iso = new Date(epoch * 1000).toISOString();
    return now - epoch < 86400 ? iso.slice(11, 19) : iso.slice(5, 16).replace("T", " ");
  }

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    episodeTime: time,
    episodeAgo: epoch => age(now - epoch),
    episodeSeconds: lasted,
    episodeLasted: row => age(lasted(row)),
    // As coins() of layouts/format.py.
    episodeCoins: value => {
      if (value === null || !Number.isFinite(value)) return "";
      const [whole, part] = value.toFixed(value >= 1e5 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : value >= 1 ? 3 : 5).split(".");
      return grouped(Number(whole)) + (part ? "." + part : "");
    },
    // Whatever the sort: what is open stands above what has ended.
    episodesOpenFirst: params => {
      const nodes = params.nodes.slice().sort((a, b) => a.data.group - b.data.group);  // stable
      nodes.forEach((node, i) => { params.nodes[i] = node; });
    },
  });

  // As a dcc.Link: the page changes without being loaded anew.
  function go(event, href) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  const element = (...parts) => window.React.createElement(...parts);
  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    EpisodeSymbol: props => element("a", {
      href: props.data.href, className: "row-name", tabIndex: -1, onClick: event => go(event, props.data.href),
    }, props.value),
    EpisodeEnd: props => element("span", {className: props.data.group === 0 ? "ended still" : "ended"},
      props.data.group === 0 && element("span", {className: "shape shape-live", "aria-hidden": "true"}), props.value),
  });

  function rowsOf(data) {
    if (!data) return [];
    const names = Object.keys(data.columns);
    return data.columns.id.map((_, i) => {
      const row = {};
      for (const name of names) row[name] = data.columns[name][i];
      return row;
    });
  }

  const narrow = window.matchMedia("(max-width: 720px)");
  const text = (tag, name, words) => Object.assign(document.createElement(tag), {className: name, textContent: words});
  const signed = value => (value > 0.04 ? "+" : value < -0.04 ? MINUS : "") + Math.abs(value).toFixed(1);
  const grouped = value => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);

  function showCards(rows) {
    const list = document.getElementById("episodes-cards");
    if (!list) return;
    list.replaceChildren(...(narrow.matches ? rows.slice(0, CARDS) : []).map(row => {
      const card = text("a", "card" + (row.group ? " refused" : ""), "");
      card.href = row.href;
      card.addEventListener("click", event => go(event, row.href));
      const peak = text("span", "fig net" + (row.group ? "" : " plus"), signed(row.peak) + " ");
      peak.append(text("small", "", "bps"));
      const size = row.notional === null ? "" : ", " + grouped(row.notional);
      card.append(text("b", "", row.symbol), peak, text("span", "dim", row.buy + " to " + row.sell + size),
        text("span", "fig dim", (row.group ? row.reason + ", " : "open, ") + age(lasted(row))));
      return card;
    }));
  }

  const states = new WeakMap();  // grid api -> {key, waiting}

  async function stateOf(gridId) {
    const api = await window.dash_ag_grid.getApiAsync(gridId);
    if (!states.has(api)) {
      const state = {key: null, waiting: null};
      states.set(api, state);
      document.getElementById(gridId).addEventListener("mouseleave", () => {
        if (state.waiting && !api.isDestroyed()) api.setGridOption("rowData", state.waiting);
        state.waiting = null;
      });
      // Enter on a row opens its pair, as it opens a row elsewhere.
      api.addEventListener("cellKeyDown", event => {
        if (event.event.key === "Enter" && event.data) go(event.event, event.data.href);
      });
    }
    return [api, states.get(api)];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscopeEpisodes: {
      async put(open, closed, gridId) {
        const no = window.dash_clientside.no_update;
        if (!open) return no;
        now = open.now;
        const rows = rowsOf(open).concat(rowsOf(closed));
        // An episode that has just ended may be in both for one tick.
        const known = new Set(), unique = rows.filter(row => !known.has(row.id) && known.add(row.id));
        showCards(unique);
        const [api, state] = await stateOf(gridId);
        if (api.isDestroyed()) return no;
        const asked = state.key !== open.key;  // another filter is asked for by the user: applied at once
        state.key = open.key;
        const pointedAt = document.getElementById(gridId)?.querySelector(".ag-body:hover") !== null;
        if (pointedAt && !asked) {
          state.waiting = unique;
          const held = unique.filter(row => api.getRowNode(row.id));
          for (const row of held) row.group = api.getRowNode(row.id).data.group;  // keeps its place
          api.applyTransaction({update: held});
        } else {
          state.waiting = null;
          api.setGridOption("rowData", unique);
        }
        api.refreshCells({columns: ["ago", "lasted"], force: true});
        return no;
      },
    },
  });
})();
