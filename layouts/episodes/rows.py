"""Which episodes the page shows, their columns for the grid, the headline, the table of groups, the CSV file; pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from dash import html

from analytics.lives import Lives
from analytics.survival import By, Survival
from desk import View
from layouts import glance
from layouts.components import arrow, figure, num, spreads_href, td, th
from layouts.format import THIN, age, ordinary, plain, signed
from store.episodes import Episode

ANY = "any"
MOST = 400  # closed ones in the browser; the CSV file has all
HOUR_S = 3_600.0
SIZES = {
    "<1k": f"below 1{THIN}000",
    "1k-10k": f"1{THIN}000 to 10{THIN}000",
    "10k-100k": f"10{THIN}000 to 100{THIN}000",
    ">=100k": f"100{THIN}000 or more",
    "unknown": "not known",
}
CSV_COLUMNS = tuple(field.name for field in msgspec.structs.fields(Episode))


@dataclass(frozen=True)
class Filters:
    """Which episodes pass. symbol: part of its name, any case; state: 'open', 'closed' or ANY; peak_bps: at least."""

    symbol: str = ""
    exchange: str = ANY
    state: str = ANY
    peak_bps: float | None = None

    def admits(self, episode: Episode) -> bool:
        """Whether an episode passes, open or closed."""
        return (
            self.symbol.strip().upper() in episode.symbol
            and self.exchange in (ANY, episode.buy, episode.sell)
            and (self.peak_bps is None or episode.peak_bps >= self.peak_bps)
        )


def passing(episodes: Iterable[Episode], filters: Filters) -> list[Episode]:
    """Those that pass all filters, open ones first, newest first in each."""
    found = [
        episode
        for episode in episodes
        if filters.admits(episode) and filters.state in (ANY, "open" if episode.closed is None else "closed")
    ]
    found.sort(key=attrgetter("opened"), reverse=True)
    return sorted(found, key=lambda episode: episode.closed is not None)


def columns(view: View, episodes: Sequence[Episode]) -> dict[str, list[Any]]:
    """Columns for the grid: times in epoch seconds, edges in bps."""
    titles = glance.titles(view)
    return {
        "id": [one.id for one in episodes],
        "symbol": [one.symbol for one in episodes],
        "buy": [titles.get(one.buy, one.buy) for one in episodes],
        "sell": [titles.get(one.sell, one.sell) for one in episodes],
        "href": [spreads_href(one.symbol, one.buy, one.sell) for one in episodes],
        "opened": [round(one.opened, 3) for one in episodes],
        "closed": [None if one.closed is None else round(one.closed, 3) for one in episodes],
        "group": [int(one.closed is not None) for one in episodes],
        "peak": [_rounded(one.peak_bps) for one in episodes],
        "mean": [_rounded(one.mean_bps) for one in episodes],
        "after100": [_rounded(one.edge_100ms_bps) for one in episodes],
        "after250": [_rounded(one.edge_250ms_bps) for one in episodes],
        "after500": [_rounded(one.edge_500ms_bps) for one in episodes],
        "size": [one.size for one in episodes],
        "notional": [None if one.notional is None else round(one.notional) for one in episodes],
        "reason": [ended_by(one) for one in episodes],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def ended_by(episode: Episode) -> str:
    """'edge gone', 'refused: thin book'; 'open' while it is."""
    if episode.reason is None:
        return "open"
    refused = episode.reason.value == "refused" and episode.detail
    return f"refused: {ordinary(episode.detail or '')}" if refused else episode.reason.value


def headline(every: Sequence[Episode], now: float, whole: Survival) -> list[html.Div]:
    """Open now, closed in the last hour, median lifetime with its interval, since when. now: [epoch s]"""
    still = [one for one in every if one.closed is None]
    ended = [one for one in every if one.closed is not None and one.closed >= now - HOUR_S]
    first = min((one.opened for one in every), default=None)
    oldest = min((one.opened for one in still), default=None)
    lately = [("Open now", plain(len(still)), f"the oldest for {age(now - oldest)}" if oldest is not None else "none")]
    newest = max((one.closed or 0.0 for one in ended), default=None)
    lately.append(
        ("Closed in the last hour", plain(len(ended)), f"the last {age(now - newest)} ago" if newest else "none")
    )
    lately.append(("Median lifetime", lifetime(whole.median_s, whole), interval(whole)))
    seen = f"the first opened {age(now - first)} ago" if first is not None else "none yet"
    lately.append(("Episodes in memory", plain(len(every)), seen))
    return [
        html.Div(
            [
                html.Div(label, className="label"),
                html.Div(figure(value), className="big"),
                html.Div(words, className="where"),
            ],
            className="cell",
        )
        for label, value, words in lately
    ]


def lifetime(seconds: float | None, group: Survival) -> str:
    """A median; where it was not reached, what is known instead."""
    if seconds is not None:
        return age(seconds)
    return "" if group.observed_s is None else f"over {age(group.observed_s)}"


def interval(group: Survival) -> str:
    """'95 %: 1.2 s to 3.4 s'."""
    if group.median_low_s is None:
        return f"95 % interval not reached, {plain(group.n)} episodes" if group.n else "no episode yet"
    high = "no upper end" if group.median_high_s is None else f"to {age(group.median_high_s)}"
    return f"95 %: {age(group.median_low_s)} {high}, {plain(group.n)} episodes"


def name(view: View, key: str, by: By) -> str:
    """A group as people write it."""
    if by == "pair":
        buy, _, sell = key.partition(":")
        return f"{glance.title(view, buy)} to {glance.title(view, sell)}"
    return SIZES.get(key, key) if by == "size" else "All" if by == "all" else key


def _cell(view: View, key: str, by: By) -> Any:
    if by != "pair":
        return name(view, key, by)
    buy, _, sell = key.partition(":")
    return [glance.title(view, buy), " ", arrow(), " ", glance.title(view, sell)]


HEADS = {"all": "", "size": "Notional at the peak", "pair": "Buy, sell", "symbol": "Symbol"}


def groups(view: View, shown: Sequence[Lives], by: By) -> html.Table:
    """The groups that are drawn: counts, median and its interval."""
    heads = [
        th(HEADS[by]),
        th("n", "Episodes", True),
        th("Ended", "The edge, a quote or the trading went, or a test refused it", True),
        th("Lost", "Censored: open still, or an exchange was lost", True),
        th("Median", "When half of them had ended, after Kaplan and Meier", True),
        th("95 %", "Interval of the median, after Brookmeyer and Crowley", True),
    ]
    lines = [
        html.Tr(
            [
                td([html.Span(className=f"line line-{i}"), _cell(view, one.name, by)], "name"),
                num(plain(one.survival.n)),
                num(plain(one.survival.deaths), "dim"),
                num(plain(one.survival.censored), "dim"),
                num(lifetime(one.survival.median_s, one.survival)),
                num(_range(one.survival), "dim"),
            ],
            key=one.name,
        )
        for i, one in enumerate(shown)
    ]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="table-data")


def _range(group: Survival) -> str:
    if group.median_low_s is None:
        return ""
    high = "open" if group.median_high_s is None else age(group.median_high_s)
    return f"{age(group.median_low_s)} to {high}"


def nothing(view: View, episodes: Sequence[Episode], filters: Filters) -> tuple[Any, str]:
    """What stands in place of rows: why there are none, what is nearest, what would change it. And its class."""
    shown = passing(episodes, filters)
    if shown:
        return None, "empty hidden"
    if episodes:
        return [html.H2("No episode passes these filters"), html.P(f"{plain(len(episodes))} are in memory.")], "empty"
    rules = view.market.detector.episodes.rules
    said: list[Any] = [
        html.H2("No gap has opened yet"),
        html.P(
            f"One opens when a pair's net edge is {signed(rules.open_bps)} bps or more for as long as it takes to "
            f"react, and ends below {signed(rules.close_bps)} bps."
        ),
    ]
    best = [row for row in view.opportunities[:3] if row.verdict == "ok" and row.net_edge_bps is not None]
    if best:
        said.append(html.P("Nearest now:"))
        said.append(
            html.Ul(
                [
                    html.Li(
                        f"{row.symbol}, {glance.title(view, row.buy)} to {glance.title(view, row.sell)}: "
                        f"{signed(row.net_edge_bps)} bps"
                    )
                    for row in best
                ]
            )
        )
    return said, "empty"


def as_csv(source: str, episodes: Sequence[Episode]) -> str:
    """One line an episode, full precision; what is not known is an empty field, times epoch s."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", *CSV_COLUMNS, "duration_s"])
    for one in episodes:
        values = [getattr(one, column) for column in CSV_COLUMNS]
        writer.writerow(
            [
                source,
                *("" if value is None else value for value in values),
                "" if one.duration_s is None else one.duration_s,
            ]
        )
    return out.getvalue()
