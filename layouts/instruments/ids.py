"""Ids of the Instruments page."""

SHOWN = "instruments-shown"  # data: which listing and which details the browser has
ROWS = "instruments-rows"  # data: columns of all symbols, for the grid
HELD = "instruments-held"  # data: symbols with a contract in quarantine
PASSING = "instruments-passing"  # data: symbols that pass the filters, for the CSV file
GRID = "instruments-grid"
CARDS = "instruments-cards"  # filled by the browser on a narrow screen
EMPTY = "instruments-empty"
SELECTED = "instruments-selected"

SEARCH = "instruments-search"
FAMILY = "instruments-family"
CLASS = "instruments-class"
PAIRING = "instruments-pairing"
STATUS = "instruments-status"
LEAST = "instruments-least"
COUNT = "instruments-count"
CSV = "instruments-csv"
DOWNLOAD = "instruments-download"

PANE = "instruments-pane"
CLOSE = "instruments-close"
HEAD = "instruments-head"
LINK = "instruments-link"
DETAILS = "instruments-details"
