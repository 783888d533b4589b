"""Ids of the page that compares quote currencies."""

SHOWN = "families-shown"  # data: which view and choices the page shows
RATES = "families-rates"
RATES_NOTE = "families-rates-note"
PAIRS = "families-pairs"
PAIRS_NOTE = "families-pairs-note"
ORDER = "families-order"  # data: ids in the order that is shown
SEARCH = "families-search"
REFUSED = "families-refused"
COUNT = "families-count"
CSV = "families-csv"
DOWNLOAD = "families-download"
