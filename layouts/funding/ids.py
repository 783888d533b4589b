"""Ids of the Funding page."""

SHOWN = "funding-shown"  # data: which view and choices the page shows
ROWS = "funding-rows"  # data: rates by column, for the grid
GRID = "funding-grid"
APPLIED = "funding-applied"
EMPTY = "funding-empty"
COUNT = "funding-count"

FAMILY = "funding-family"
SEARCH = "funding-search"
SORT = "funding-sort"
CSV = "funding-csv"
DOWNLOAD = "funding-download"

BEST = "funding-best"
BEST_NOTE = "funding-best-note"
BEST_ORDER = "funding-best-order"  # data: symbols in the order that is shown
CALENDAR = "funding-calendar"
QUALITY = "funding-quality"
QUALITY_NOTE = "funding-quality-note"
CHANGES = "funding-changes"
SUMMARY = "funding-summary"
