"""The grid of opportunities; its rows are put in by assets/70-grid.js, which keeps what the user has set up."""

from typing import Any

import dash_ag_grid as dag

from layouts.opportunities import ids

FORMULAS = {
    "symbol": "Base and quote of the perpetual.",
    "buy": "Long leg: bought from this exchange's asks.",
    "sell": "Short leg: sold into this exchange's bids.",
    "net": "Net = gross + book walk + expected exit − fees, bps of the mean of the two mids, at the size that stands "
    "in Size; expected exit = median of the last half hour. Funding is not in it: see Carry.",
    "gross": "Gross = (best bid of sell − best ask of buy) / mean mid × 10 000, at the touch.",
    "fees": "Fees = four fills as I make them (taker or maker, my tiers) + slippage reserve, shown as a cost.",
    "capacity": "Capacity = largest notional whose average net is still at my minimum, both books merged level by "
    "level. 'touch' marks where nothing behind the best level is known.",
    "notional": "Size = as much of my size as gains my minimum with every coin, in quote currency, rounded down to "
    "the coarser lot. 'touch' marks where nothing behind the best level is known.",
    "profit": "Profit = size × net / 10 000, quote currency.",
    "carry": "Carry = funding payments that fall due while I hold, each leg on its own calendar: short receives, "
    "long pays. At the rates known now.",
    "breakEven": "Break-even = (fees − gross − book walk − expected exit) / carry per hour. 'at once': the edges pay "
    "alone; 'never': nothing that is earned pays it.",
    "alive": "Alive = since when the gap at the touch has paid the fees and my minimum.",
    "age": "Seconds since each quote was received: long / short.",
    "verdict": "The first test that refuses the pair; actionable if none does and net is at my minimum.",
}


def _column(field: str, head: str, width: int, formatter: str | None = None, **more: Any) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": field,
        "colId": field,
        "headerName": head,
        "headerTooltip": FORMULAS[field],
        "minWidth": width,
        "initialWidth": width,
        **more,
    }
    if formatter is not None:
        column |= {
            "valueFormatter": {"function": formatter},
            "filter": "agNumberColumnFilter",
            "headerClass": "ag-right-aligned-header",
            "cellClass": "ag-right-aligned-cell num " + more.get("cellClass", ""),
            "comparator": {"function": "numberOrder(valueA, valueB, nodeA, nodeB, isDescending)"},
        }
    return column


def _flash(field: str, head: str, width: int, formatter: str, **more: Any) -> dict[str, Any]:
    """A column whose changes flash once, blue up, orange down."""
    rules = {"fell": f"fell(params, '{field}')", **more.pop("cellClassRules", {})}
    return _column(field, head, width, formatter, enableCellChangeFlash=True, cellClassRules=rules, **more)


def columns() -> list[dict[str, Any]]:
    """The grid's columns."""
    text = {"filter": "agTextColumnFilter"}
    touch = {"cellClassRules": {"touch": "params.data.touch === 1 && params.value !== null"}}
    return [
        _column("symbol", "Symbol", 136, pinned="left", cellClass="name", **text),
        _column("buy", "Buy", 90, pinned="left", **text),
        _column("sell", "Sell", 90, pinned="left", **text),
        _flash(
            "net",
            "Net, bps",
            98,
            "bps(params.value)",
            pinned="left",
            cellStyle={"function": "signColour(params.value)"},
            initialSort="desc",
        ),
        _flash("gross", "Gross, bps", 86, "bps(params.value)"),
        _column("fees", "Fees, bps", 80, "bps(params.value)", cellClass="second"),
        _column("capacity", "Capacity, quote", 124, "whole(params.value)", **touch),
        _column("notional", "Size, quote", 112, "whole(params.value)", cellClass="second", **touch),
        _flash("profit", "Profit, quote", 94, "money(params.value)"),
        _column("carry", "Carry, bps", 86, "bps(params.value)", cellClass="second"),
        _column("breakEven", "Break-even, h", 106, "breakEven(params)", cellClass="second"),
        _column("alive", "Alive", 88, "age(params.value)"),
        _column("age", "Ages, s", 84, "ages(params.data)", cellClass="second"),
        _column("verdict", "Verdict", 112, cellRenderer="Verdict", flex=1, **text),
    ]


def grid() -> dag.AgGrid:
    """The grid, still empty."""
    return dag.AgGrid(
        id=ids.GRID,
        columnDefs=columns(),
        rowData=[],
        getRowId="params.data.id",
        className="grid",
        defaultColDef={
            "sortable": True,
            "resizable": True,
            "suppressHeaderMenuButton": True,
            "floatingFilter": False,
            "wrapHeaderText": False,
        },
        columnSize=None,
        dashGridOptions={
            "theme": {"function": "perpscopeTheme(themeQuartz)"},
            "rowHeight": 28,
            "headerHeight": 30,
            "animateRows": False,
            "cellFlashDuration": 300,
            "cellFadeDuration": 0,
            "tooltipShowDelay": 300,
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "suppressModelUpdateAfterUpdateTransaction": True,
            "suppressScrollOnNewData": True,
            "isFullWidthRow": {"function": "params.rowNode.data.heading != null"},
            "fullWidthCellRenderer": "GroupHeading",
            "postSortRows": {"function": "byGroup(params)"},
            "rowClassRules": {
                "refused": "params.data.group === 2",
                "idle": "params.data.group === 1",
                "gone": "params.data.gone",
            },
            "suppressNoRowsOverlay": True,
            "suppressCellFocus": False,
        },
        style={"height": "100%", "width": "100%"},
    )
