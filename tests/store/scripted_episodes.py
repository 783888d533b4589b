"""Episodes in a few words."""

from store.episodes import Episode, Reason

OPENED = 1_000.0


def open_episode(**changed: object) -> Episode:
    """Opened at 1,000 s, confirmed 0.1 s later, of 10 bps at 500 USDT."""
    symbol, buy, sell, opened = (
        changed.get(name, value)
        for name, value in (("symbol", "BTC-USDT"), ("buy", "okx"), ("sell", "gate"), ("opened", OPENED))
    )
    assert isinstance(opened, float)
    values: dict[str, object] = {
        "id": f"{symbol}:{buy}:{sell}:{round(opened * 1e3)}",
        "symbol": symbol,
        "buy": buy,
        "sell": sell,
        "opened": opened,
        "confirmed": opened + 0.1,
        "seen": opened + 0.2,
        "net_bps": 8.0,
        "peak_bps": 10.0,
        "peak_time": opened + 0.1,
        "gross_bps": 30.0,
        "mean_bps": 9.0,
        "size": 5.0,
        "notional": 500.0,
        "edge_100ms_bps": 10.0,
        "edge_250ms_bps": None,
        "edge_500ms_bps": None,
        "looks": 2,
    }
    return Episode(**(values | changed))  # type: ignore[arg-type]


def ended_episode(duration_s: float, reason: Reason = Reason.EDGE_GONE, **changed: object) -> Episode:
    """The same, and it ended after so many seconds."""
    opened = changed.get("opened", OPENED)
    assert isinstance(opened, float)
    return open_episode(**({"closed": opened + duration_s, "reason": reason} | changed))
