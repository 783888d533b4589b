"""Ids of the Spreads page."""

URL = "spreads-url"  # of its own: a callback may only depend on what is in the page with it
SHOWN = "spreads-shown"
SYMBOL = "spreads-symbol"
SYMBOL_LIST = "spreads-symbol-list"
BUY = "spreads-buy"
SELL = "spreads-sell"
SWAP = "spreads-swap"
WINDOW = "spreads-window"
CSV = "spreads-csv"
DOWNLOAD = "spreads-download"
TITLE = "spreads-title"
FACTS = "spreads-facts"
CHART = "spreads-chart"
DRAWN = "spreads-drawn"  # data: {chart, figure}; as the server drew it
ZOOM = "spreads-zoom"  # data: {chart, ends}; the time range chosen by the mouse, and of which chart
CHART_SUMMARY = "spreads-chart-summary"
STATISTICS = "spreads-statistics"
STATISTICS_NOTE = "spreads-statistics-note"
LEGS = "spreads-legs"
ROUTES = "spreads-routes"
