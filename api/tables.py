"""The rows of one view, each table made once and shared by all who ask for it."""

import csv
import io
import math
import threading
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics import spreads
from analytics.quality import Verdict, price_is_good
from api.models import ExchangeRow, FundingRow, InstrumentRow, PriceRow
from desk import Opportunity, View
from feeds.status import ExchangeStatus
from market.models import Instrument
from store.clock import Latency

Column = Sequence[Any]
LABELS = {int(verdict): verdict.label for verdict in Verdict}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Tables:
    """What a view says, row by row. Building takes tens of milliseconds: do it off the event loop."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.grid = view.judgement.snapshot.grid
        self.bodies: dict[tuple[str, str], bytes] = {}  # unfiltered answers by path and format
        self._building = threading.RLock()

    def warm(self, name: str) -> Sequence[Any]:
        """The rows of a table; whoever asks while it is being built waits instead of building it again."""
        with self._building:
            rows: Sequence[Any] = getattr(self, name)
            return rows

    @property
    def stamp(self) -> dict[str, Any]:
        judgement, source = self.view.judgement, self.view.source
        return {
            "source": source.kind,
            "simulated": source.simulated,
            "as_of": judgement.time,
            "version": judgement.snapshot.version,
        }

    # -- which exchanges ---------------------------------------------------------------------------------------

    @cached_property
    def status(self) -> dict[str, ExchangeStatus | None]:
        """The feed of each exchange, those without a store or without a feed included."""
        known: dict[str, ExchangeStatus | None] = dict.fromkeys(self.grid.exchanges)
        return known | {status.exchange: status for status in self.view.status}

    @cached_property
    def expected(self) -> tuple[str, ...]:
        """Exchanges that should give data."""
        return tuple(
            name for name, status in self.status.items() if status is None or status.state not in ("closed", "off")
        )

    def up(self, stale_after_s: float) -> tuple[str, ...]:
        """Exchanges that should give data and do: at least one fresh quote over a connection that is up."""
        snapshot = self.view.judgement.snapshot
        fresh = (snapshot["live"] == 1.0) & (self.view.judgement.age_s <= stale_after_s)
        gives = dict(zip(snapshot.exchanges, fresh.any(axis=0).tolist(), strict=True))
        return tuple(name for name in self.expected if gives.get(name, False))

    @cached_property
    def data_as_of(self) -> float | None:
        """When the newest quote was received. [epoch s]"""
        received = self.view.judgement.snapshot["received_time"]
        known = received[~np.isnan(received)]
        return float(known.max()) if known.size else None

    # -- tables ------------------------------------------------------------------------------------------------

    @property
    def opportunities(self) -> Sequence[Opportunity]:
        return self.view.opportunities

    @cached_property
    def exchanges(self) -> Sequence[ExchangeRow]:
        judgement = self.view.judgement
        good = price_is_good(judgement.verdicts).sum(axis=0).tolist()
        quotes_ok = dict(zip(self.grid.exchanges, good, strict=True))
        return [
            self._exchange(status, quotes_ok.get(name, 0)) for name, status in self.status.items() if status is not None
        ]

    def _exchange(self, status: ExchangeStatus, quotes_ok: int) -> ExchangeRow:
        store = self.view.market.store
        listed = status.exchange in self.grid.exchange_index
        latency = store.latency(status.exchange) if listed else Latency(None, None, None, None, 0)
        return ExchangeRow(
            exchange=status.exchange,
            title=status.title,
            state=status.state,
            reason=status.reason,
            since=finite(status.since),
            sockets_up=status.sockets_up,
            sockets=len(status.sockets),
            instruments=status.instruments,
            halted=status.halted,
            quotes_ok=quotes_ok,
            frames=status.frames,
            frames_per_s=finite(status.frames_per_s),
            last_frame_time=finite(status.last_frame_time),
            reconnects=status.reconnects,
            gaps=status.gaps,
            malformed=status.malformed,
            unknown=status.unknown,
            overtaken=store.overtaken.get(status.exchange, 0),
            latency_p50_s=finite(latency.p50_s),
            latency_p95_s=finite(latency.p95_s),
            latency_p99_s=finite(latency.p99_s),
            clock_floor_s=finite(latency.floor_s),
            latency_samples=latency.samples,
            last_error=status.last_error,
            last_error_time=finite(status.last_error_time),
            next_attempt_time=finite(status.next_attempt_time),
        )

    @cached_property
    def _listed(self) -> list[Instrument]:
        """All listings by symbol, then in the order of the exchanges; the rows of every contract table."""
        order = self.grid.exchange_index
        return sorted(self.grid.instruments.values(), key=lambda row: (row.symbol, order[row.exchange]))

    @cached_property
    def _cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        symbol = [self.grid.symbol_index[row.symbol] for row in self._listed]
        exchange = [self.grid.exchange_index[row.exchange] for row in self._listed]
        return np.array(symbol, dtype=np.intp), np.array(exchange, dtype=np.intp)

    def _column(self, matrix: NDArray[np.float64]) -> Column:
        """The numbers of all listed contracts; None for what is not finite."""
        values = matrix[self._cells]
        objects = values.astype(object)
        objects[~np.isfinite(values)] = None
        column: Column = objects.tolist()
        return column

    def _fields(self, *names: str) -> list[Column]:
        return [self._column(self.view.judgement.snapshot[name]) for name in names]

    @cached_property
    def _verdicts(self) -> Column:
        return [LABELS[code] for code in self.view.judgement.verdicts[self._cells].tolist()]

    @cached_property
    def _names(self) -> list[Column]:
        rows = self._listed
        return [[row.symbol for row in rows], [row.exchange for row in rows], [row.quote for row in rows]]

    @cached_property
    def instruments(self) -> Sequence[InstrumentRow]:
        held = self.view.quarantined
        return [
            InstrumentRow(
                symbol=row.symbol,
                exchange=row.exchange,
                exchange_symbol=row.exchange_symbol,
                base=row.base,
                quote=row.quote,
                settle=row.settle,
                kind=row.kind,
                asset_class=row.asset_class.value,
                status=row.status.value,
                pairing=row.pairing.value,
                multiplier=finite(row.multiplier),
                contract_multiplier=finite(row.contract_multiplier),
                tick_size=finite(row.tick_size),
                lot_size=finite(row.lot_size),
                min_notional=finite(row.min_notional),
                funding_interval_h=finite(row.funding_interval_h),
                listed_time=finite(row.listed_time),
                taker_fee_bps=finite(row.taker_fee_bps),
                maker_fee_bps=finite(row.maker_fee_bps),
                quarantined_since=None if misfit is None else misfit.held_since,
                price_ratio=None if misfit is None else finite(misfit.ratio),
            )
            for row, misfit in ((row, held.get((row.exchange, row.symbol))) for row in self._listed)
        ]

    @cached_property
    def prices(self) -> Sequence[PriceRow]:
        judgement = self.view.judgement
        snapshot = judgement.snapshot
        columns = (
            *self._names,
            *self._fields("bid_price", "bid_size", "ask_price", "ask_size"),
            self._column(judgement.mid),
            self._column(spreads.quoted_spread_bps(snapshot["bid_price"], snapshot["ask_price"])),
            *self._fields("mark_price", "index_price", "last_price"),
            self._column(judgement.deviation_bps),
            self._column(judgement.age_s),
            self._column(snapshot.exchange_age_s(judgement.time)),
            *self._fields("lag_s"),
            (snapshot["live"][self._cells] == 1.0).tolist(),
            *self._fields("event_time", "received_time", "volume_24h", "turnover_24h", "open_interest"),
            self._verdicts,
        )
        return [PriceRow(*values) for values in zip(*columns, strict=True)]

    @cached_property
    def funding(self) -> Sequence[FundingRow]:
        judgement = self.view.judgement
        snapshot = judgement.snapshot
        rate, interval = snapshot["funding_rate"], snapshot["funding_interval_h"]
        columns = (
            *self._names,
            *self._fields("funding_rate", "funding_interval_h", "next_funding_time"),
            self._column(spreads.funding_per_hour(rate, interval)),
            self._column(spreads.funding_apr(rate, interval)),
            *self._fields("mark_price", "index_price", "funding_received_time"),
            self._column(judgement.time - snapshot["funding_received_time"]),
            self._verdicts,
        )
        return [FundingRow(*values) for values in zip(*columns, strict=True)]


def finite(value: float | None) -> float | None:
    """A number fit for JSON."""
    return value if value is not None and math.isfinite(value) else None


def csv_bytes(row_type: type, rows: Sequence[Any], source: str) -> bytes:
    """Rows as RFC 4180 CSV: CRLF, a header, the source first, empty where not known."""
    names = [field.name for field in fields(row_type)]
    values_of = attrgetter(*names)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["source", *names])
    writer.writerows([source, *map(_cell, values_of(row))] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Booleans as in JSON; a text of others must not become a formula in a spreadsheet."""
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is str and value.startswith(_FORMULA):
        return "'" + value
    return value
