/* The parts of the frame that need no server: ticks, clock, theme, pause, keys. */
(function () {
  "use strict";

  const root = document.documentElement;
  const STUCK_MS = 15000;  // an answer that never came must not stop the page for ever
  const LATE_MS = 3000;    // the server should have answered by now
  const DEAD_MS = 8000;

  // Of the last answer, and when this browser got it. Server and browser clocks are never compared.
  let answer = null, answeredAt = 0;
  let unansweredSince = null, sentAt = 0, paused = false, sent = 0;

  // The time range chosen by the mouse on the Spreads chart, {chart, ends}, and the plot that reports it.
  let zoom = null, heardPlot = null, drawnChart = null;

  const noUpdate = () => window.dash_clientside.no_update;
  const click = id => { const element = document.getElementById(id); if (element) element.click(); };

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    perpscope: {
      tick(n, isPaused, busyShell, busyPage) {
        const now = performance.now();
        if (document.hidden || isPaused) return noUpdate();
        if (unansweredSince === null) unansweredSince = now;
        if ((busyShell || busyPage) && now - sentAt < STUCK_MS) return noUpdate();
        sentAt = now;
        // Rows under the pointer keep their places: the server is told which tables are being pointed at.
        const held = [...document.querySelectorAll("[data-hold]:hover")].map(element => element.dataset.hold);
        return {n: ++sent, held};
      },
      answered(data) {
        if (data && data.judged) {
          answer = data;
          answeredAt = performance.now();
          unansweredSince = null;
          showClock();
        }
        return noUpdate();
      },
      state(state) { return state || "ok"; },
      page(path) {
        document.getElementById("content").scrollTop = 0;
        return path || "/";
      },
      theme(theme) {
        const value = theme === "light" ? "light" : "dark";
        root.dataset.theme = value;
        root.dataset.bsTheme = value;
        return value;
      },
      toggleTheme(clicks, theme) { return theme === "light" ? "dark" : "light"; },
      togglePause() {
        paused = !paused;
        unansweredSince = null;
        root.dataset.paused = paused;
        showClock();
        return [paused, String(paused), paused ? "Go on" : "Pause"];
      },
      foldRail(clicks) { return String(Boolean(clicks % 2)); },
      toggleHelp(open, close, isOpen) { return !isOpen; },
      // The range that Plotly finds by itself moves with each sample, and uirevision then takes a zoom for outdated.
      draw(drawn) {
        if (!drawn) return noUpdate();
        const {chart, figure} = drawn;
        drawnChart = chart;
        hearZoom();
        if (!zoom || zoom.chart !== chart) return figure;
        const xaxis = {...figure.layout.xaxis, range: zoom.ends, autorange: false};
        return {...figure, layout: {...figure.layout, xaxis}};
      },
      search(submits, value) {
        const symbol = (value || "").trim().toUpperCase();
        if (!submits || !symbol) return [noUpdate(), noUpdate()];
        document.activeElement.blur();
        return ["/spreads?symbol=" + encodeURIComponent(symbol), ""];
      },
    },
  });

  // Plotly's own events are heard: of two that follow each other closely, such as a drag and the other axes' new
  // ranges, Dash hands over only the last. Of all that is reported only what the user did counts: a drag, or a double
  // click back to the whole.
  function hearZoom() {
    const holder = document.getElementById("spreads-chart");
    const plot = holder && holder.querySelector(".js-plotly-plot");
    if (heardPlot && plot === heardPlot) return;
    zoom = heardPlot = null;
    if (!plot || !plot.on) {
      if (holder) setTimeout(hearZoom, 50);
      return;
    }
    heardPlot = plot;
    plot.on("plotly_relayout", moved => {
      const ends = [moved["xaxis.range[0]"], moved["xaxis.range[1]"]];
      if (moved["xaxis.autorange"]) zoom = null;
      else if (ends[0] && ends[1]) zoom = {chart: drawnChart, ends};
    });
  }

  function ageText(seconds) {
    if (seconds < 9.95) return Math.max(seconds, 0).toFixed(1) + " s ago";
    const whole = Math.round(seconds);
    if (whole < 120) return whole + " s ago";
    if (whole < 3600) return Math.floor(whole / 60) + " min ago";
    return Math.floor(whole / 3600) + " h ago";
  }

  function showClock() {
    const clock = document.getElementById("clock");
    if (!clock || !answer) return;
    const time = document.getElementById("clock-time"), age = document.getElementById("clock-age");
    if (answer.newest === null) {
      time.textContent = "";
      age.textContent = "nothing yet";
      clock.dataset.level = root.dataset.feed = "ok";
      return;
    }
    const passed = paused ? 0 : (performance.now() - answeredAt) / 1000;
    const seconds = answer.judged - answer.newest + passed;
    const waiting = unansweredSince === null || paused ? 0 : performance.now() - unansweredSince;
    const limit = answer.stale_after_s;
    const level = waiting > DEAD_MS || seconds > 3 * limit ? "err" : waiting > LATE_MS || seconds > limit ? "warn" : "ok";
    time.textContent = new Date(answer.newest * 1000).toISOString().slice(11, 19);
    age.textContent = paused ? "paused" : ageText(seconds);
    clock.dataset.level = level;
    root.dataset.feed = level;
    clock.title = waiting > LATE_MS ? "The server does not answer."
      : seconds > limit ? "The server answers, but the feeds are silent."
      : "When the newest frame of any exchange was received.";
  }
  setInterval(showClock, 200);

  const PLACES = {o: "nav-o", p: "nav-p", s: "nav-s", e: "nav-e", i: "nav-i", f: "nav-f", d: "nav-d"};
  let going = 0;

  document.addEventListener("keydown", event => {
    const typing = event.target.closest && event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      else ["drawer-close", "instruments-close"].forEach(click);
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (Date.now() - going < 1500 && PLACES[event.key]) {
      going = 0;
      click(PLACES[event.key]);
    } else if (event.key === "g") {
      going = Date.now();
    } else if (event.key === "/") {
      const search = document.getElementById("search");
      search.focus();
      search.select();
    } else if (event.key === "p") click("pause");
    else if (event.key === "t") click("theme");
    else if (event.key === "?") click("help");
    else if (event.key === "[") click("rail-fold");
    else return;
    event.preventDefault();
  });

  // A figure that changed flashes once. Rows are keyed, so a figure that moves with its row does not.
  const value = text => parseFloat(text.replace(/\u2009/g, "").replace("\u2212", "-"));
  new MutationObserver(changes => {
    for (const change of changes) {
      const cell = change.target.parentElement && change.target.parentElement.closest(".flash");
      if (!cell) continue;
      const before = value(change.oldValue || ""), after = value(change.target.data);
      if (!(before !== after) || Number.isNaN(before) || Number.isNaN(after)) continue;
      const name = after > before ? "flash-up" : "flash-down";
      cell.classList.remove("flash-up", "flash-down");
      void cell.offsetWidth;  // restarts the animation
      cell.classList.add(name);
      setTimeout(() => cell.classList.remove(name), 350);
    }
  }).observe(document.body || document.documentElement, {subtree: true, characterData: true, characterDataOldValue: true});
})();
