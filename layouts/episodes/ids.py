"""Ids of the Episodes page."""

SHOWN = "episodes-shown"  # data: which rows the browser has
DRAWN = "episodes-drawn"  # data: which curve the browser has
OPEN = "episodes-open"  # data: {now, key, columns} of the open ones
CLOSED = "episodes-closed"  # data: {columns} of the closed ones
GRID = "episodes-grid"
CARDS = "episodes-cards"  # filled by the browser on a narrow screen
EMPTY = "episodes-empty"

SYMBOL = "episodes-symbol"
EXCHANGE = "episodes-exchange"
STATE = "episodes-state"
PEAK = "episodes-peak"
COUNT = "episodes-count"
CSV = "episodes-csv"
DOWNLOAD = "episodes-download"

HEADLINE = "episodes-headline"
BY = "episodes-by"
CURVE = "episodes-curve"
CURVE_SUMMARY = "episodes-curve-summary"
CURVE_NOTE = "episodes-curve-note"
GROUPS = "episodes-groups"
