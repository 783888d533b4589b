"""What funding was paid: days of a market played to the log, and the file that outlives it."""

import logging
import resource
import signal
from datetime import UTC, datetime

from store import funding_file
from store.funding import FundingLog, IntervalChange, Settlement
from store.snapshot import SnapshotStore
from tests.store.scripted import funding, instrument, quote, store_of

OKX = "okx"


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC).timestamp()


def tell(store: SnapshotStore, when: float, rate: float, next_time: float, hours: float = 8.0, exchange: str = OKX):
    store.write([funding(exchange, at=when, funding_rate=rate, funding_interval_h=hours, next_funding_time=next_time)])


class Played:
    """One market and its log. `until` looks every ten seconds up to a time, while the exchange repeats itself."""

    def __init__(self, start: str, log: FundingLog | None = None, *, rate=0.0001, stamp="23T16:00", hours=8.0) -> None:
        self.store = store_of([OKX])
        self.log = log or FundingLog()
        self.now, self.rate, self.stamp, self.hours = at(start), rate, at(stamp), hours

    def look(self) -> None:
        tell(self.store, self.now, self.rate, self.stamp, self.hours)
        self.log.observe(self.store.snapshot(), self.now)

    def until(self, time: str) -> "Played":
        while self.now < at(time):
            self.look()
            self.now += 10.0
        return self


def test_a_stamp_that_passes_is_a_settlement_with_what_was_predicted():
    """An hour before 1 bp stood, ten minutes before 2, a minute before 3, at the end 4; then 9 for the next."""
    played = Played("23T14:00").until("23T15:10")
    for rate, until in ((0.0002, "23T15:55"), (0.0003, "23T15:59:30"), (0.0004, "23T16:00")):
        played.rate = rate
        played.until(until)
    played.rate, played.stamp = 0.0009, at("24T00:00")
    played.until("23T16:01")
    assert played.log.settlements() == [
        Settlement(OKX, "BTC-USDT", at("23T16:00"), 8.0, 0.0004, (0.0001, 0.0002, 0.0003))
    ]


def test_a_new_rate_that_comes_before_the_new_time_is_of_the_next_settlement():
    played = Played("23T15:30", rate=0.0004).until("23T16:00")
    played.rate = -0.0007
    played.until("23T16:00:30")  # the exchange goes on telling 16:00
    played.stamp = at("24T00:00")
    played.until("23T16:01")
    (settlement,) = played.log.settlements()
    assert settlement.settled_rate == 0.0004
    assert settlement.predicted == (None, 0.0004, 0.0004)  # nobody looked at 15:00


def test_the_stamp_is_passed_by_the_exchanges_clock():
    """Ours is five seconds slow: what comes at 15:59:56 of ours was said at 16:00:01 of theirs."""
    played = Played("23T15:59", rate=0.0004)
    now = at("23T15:59")
    played.store.write([quote(OKX, 100.0, 100.1, at=now, event=now + 5.0)])
    played.until("23T15:59:50")
    played.now, played.rate = at("23T15:59:56"), -0.0007
    played.look()
    played.stamp = at("24T00:00")
    played.until("23T16:00:10")
    assert [row.settled_rate for row in played.log.settlements()] == [0.0004]


def test_a_funding_time_that_jitters_goes_back_or_moves_before_its_time_is_no_settlement():
    """59 s to and fro is jitter. From 16:00 to 12:00 and back, or on to 20:00, at 11:00: a new plan, not a payment."""
    played = Played("23T10:30")
    for stamp in ("23T16:00:59", "23T16:00", "23T12:00", "23T16:00", "23T20:00"):
        played.stamp = at(stamp)
        played.look()
        played.now += 10.0
    assert played.log.settlements() == []
    played.until("23T20:00")
    played.stamp = at("24T00:00")
    played.look()
    assert [row.time for row in played.log.settlements()] == [at("23T20:00")]


def test_jitter_loses_no_prediction_and_settles_at_the_stamp():
    """The exchange counts from its own clock: 15:59:40 and 16:00 in turn, until midnight is next."""
    played = Played("23T14:30", rate=0.0003)
    while played.now < at("23T16:00:30"):
        played.stamp = at("23T15:59:40") if played.stamp == at("23T16:00") else at("23T16:00")
        played.look()
        played.now += 10.0
    played.stamp = at("24T00:00")
    played.look()
    (settlement,) = played.log.settlements()
    assert abs(settlement.time - at("23T16:00")) <= 20.0
    assert settlement.predicted == (0.0003,) * 3


def test_a_stamp_that_is_put_off_just_before_its_time_is_not_paid():
    """At 15:58:30 the exchange says 20:00 instead of 16:00."""
    played = Played("23T15:30").until("23T15:58:30")
    played.stamp = at("23T20:00")
    played.until("23T16:01")
    assert played.log.settlements() == []


def test_going_back_after_the_stamp_is_no_settlement():
    played = Played("23T15:59").until("23T16:00:10")
    played.stamp = at("23T15:00")
    played.look()
    assert played.log.settlements() == []


def test_every_settlement_has_predictions_of_its_own():
    """Hourly: nobody told the rate of 17:00 an hour before it, when 16:00 was next."""
    played = Played("23T14:30", hours=1.0, rate=0.0001).until("23T16:00")
    played.stamp, played.rate = at("23T17:00"), 0.0002
    played.until("23T17:00")
    played.stamp = at("23T18:00")
    played.look()
    assert [row.predicted for row in played.log.settlements()] == [(None, 0.0002, 0.0002), (0.0001,) * 3]


def test_an_interval_that_changes_at_the_stamp_is_of_the_next_settlement():
    played = Played("23T15:59").until("23T16:00")
    played.hours = 4.0
    played.until("23T16:00:20")
    played.stamp = at("23T20:00")
    played.look()
    assert [row.interval_h for row in played.log.settlements()] == [8.0]


def test_a_funding_time_that_goes_back_and_forth_over_the_stamp_settles_once():
    """As when a stream and a poll of one exchange do not agree for a moment."""
    played = Played("23T15:59").until("23T16:00:10")
    for stamp in ("24T00:00", "23T16:00", "24T00:00", "23T16:00", "24T00:00"):
        played.stamp = at(stamp)
        played.look()
        played.now += 0.5
    assert len(played.log.settlements()) == 1


def test_what_was_not_watched_at_its_stamp_is_not_recorded():
    """Nobody looked from 15:50 to 16:30: the rate of 15:50 need not be what was settled."""
    played = Played("23T15:30").until("23T15:50")
    played.now, played.stamp = at("23T16:30"), at("24T00:00")
    played.look()
    assert played.log.settlements() == []


def test_a_rate_that_is_no_longer_told_is_neither_a_prediction_nor_settled():
    """The feed is lost at 15:45 and comes back at 16:05; the snapshot shows the old rate all the time."""
    played = Played("23T14:30").until("23T15:45")
    while played.now < at("23T16:05"):
        played.log.observe(played.store.snapshot(), played.now)
        played.now += 10.0
    played.stamp = at("24T00:00")
    played.look()
    assert played.log.settlements() == []


def test_a_rate_that_was_not_told_at_a_horizon_is_no_prediction_of_it():
    """Nothing is heard from 15:45 to 15:55, so ten minutes before is not known, a minute before is."""
    played = Played("23T14:30").until("23T15:45")
    while played.now < at("23T15:55"):
        played.log.observe(played.store.snapshot(), played.now)
        played.now += 10.0
    played.until("23T16:00")
    played.stamp = at("24T00:00")
    played.look()
    assert [row.predicted for row in played.log.settlements()] == [(0.0001, None, 0.0001)]


def test_what_funds_continuously_has_no_settlements():
    store, log = store_of(["deribit"]), FundingLog()
    for hour in range(20):
        now = at("23T00:00") + 3_600 * hour
        store.write([funding("deribit", at=now, funding_rate=0.0001, funding_interval_h=8.0)])
        log.observe(store.snapshot(), now)
    assert log.settlements() == log.interval_changes() == []


def changing_interval() -> Played:
    """Every eight hours up to 16:00; from 16:05 on every four, so that 20:00 is next."""
    played = Played("23T15:00").until("23T16:00")
    played.stamp = at("24T00:00")
    played.until("23T16:05")
    played.stamp, played.hours, played.rate = at("23T20:00"), 4.0, 0.0002
    played.until("23T20:00")
    played.stamp = at("24T00:00")
    played.until("23T20:01")
    return played


def test_each_payment_keeps_the_interval_of_its_own_day_and_the_change_is_dated():
    log = changing_interval().log
    assert [(row.time, row.interval_h) for row in log.settlements()] == [(at("23T20:00"), 4.0), (at("23T16:00"), 8.0)]
    assert log.interval_changes() == [IntervalChange(OKX, "BTC-USDT", at("23T16:05"), 8.0, 4.0)]


def test_an_interval_that_is_contradicted_at_once_did_not_change():
    """The listing says 8 h whenever it is read again, the stream 4 h a moment later."""
    played = Played("23T12:00", hours=4.0).until("23T12:05")
    played.hours = 8.0
    played.until("23T12:05:30")
    played.hours = 4.0
    played.until("23T12:10")
    assert played.log.interval_changes() == []


def test_what_the_listing_says_before_the_stream_does_is_no_change():
    store, log = store_of([OKX]), FundingLog()  # lists 8 h
    log.observe(store.snapshot(), at("23T12:00"))
    played = Played("23T12:00:10", log, hours=4.0)
    played.store = store
    played.until("23T12:10")
    assert log.interval_changes() == []


def test_a_new_listing_keeps_what_is_watched_of_the_others():
    played = Played("23T14:30", rate=0.0003).until("23T15:30")
    played.store.set_instruments(OKX, [instrument(OKX, symbol) for symbol in ("AAA-USDT", "BTC-USDT", "ZZZ-USDT")])
    played.until("23T16:00")
    played.stamp = at("24T00:00")
    played.look()
    (settlement,) = played.log.settlements()
    assert (settlement.symbol, settlement.predicted) == ("BTC-USDT", (0.0003,) * 3)


def test_a_contract_listed_anew_starts_anew():
    played = Played("23T14:30").until("23T15:59:50")
    played.store.set_instruments(OKX, [])
    played.log.observe(played.store.snapshot(), played.now)
    played.store.set_instruments(OKX, [instrument(OKX)])
    played.stamp = at("24T00:00")
    played.until("23T16:01")
    assert played.log.settlements() == []


def test_vanished_contracts_are_forgotten_after_a_week():
    played = changing_interval()
    gone = at("23T21:00")
    played.store.set_instruments(OKX, [])
    played.log.observe(played.store.snapshot(), gone)
    played.log.observe(played.store.snapshot(), gone + 6.9 * 86_400)
    assert len(played.log.settlements()) == 2
    assert played.log.symbols() == {"BTC-USDT"}
    played.log.observe(played.store.snapshot(), gone + 7.1 * 86_400)
    assert played.log.settlements() == played.log.interval_changes() == []
    assert played.log.symbols() == set()


def test_memory_of_a_contract_is_bounded_and_keeps_the_newest():
    store, log = store_of([OKX]), FundingLog()
    for hour in range(60):
        stamp = at("23T00:00") + 3_600 * hour
        tell(store, stamp - 5, hour / 1e5, stamp, 1.0)
        log.observe(store.snapshot(), stamp - 5)
    rates = [row.settled_rate for row in log.settlements()]
    assert rates == [hour / 1e5 for hour in range(58, 16, -1)]  # that of hour 59 is still awaited


def test_records_are_filtered_and_newest_first():
    store, log = store_of([OKX, "gate"]), FundingLog()
    stamps = {OKX: at("23T16:00"), "gate": at("23T17:00")}
    for exchange, stamp in stamps.items():
        tell(store, stamp - 5, 0.0001, stamp, 1.0, exchange)
        log.observe(store.snapshot(), stamp - 5)
        tell(store, stamp + 5, 0.0001, stamp + 3_600, 1.0, exchange)
        log.observe(store.snapshot(), stamp + 5)
    assert [row.exchange for row in log.settlements()] == ["gate", OKX]
    assert [row.exchange for row in log.settlements({OKX})] == [OKX]
    assert log.settlements(symbols={"ETH-USDT"}) == []


def test_forgetting_a_contract_leaves_nothing_of_it():
    """16:00 and 20:00 were recorded and midnight is awaited when the name comes to mean another contract."""
    played = changing_interval().until("23T23:59:50")
    version = played.log.version
    played.log.forget(OKX, "BTC-USDT")
    assert played.log.settlements() == played.log.interval_changes() == []
    assert played.log.version > version
    played.stamp = at("24T04:00")
    played.now = at("24T00:00:01")
    played.look()
    assert played.log.settlements() == []


# -- the file --------------------------------------------------------------------------------------------------


def test_records_outlive_a_restart(tmp_path):
    path = tmp_path / "not yet there" / "funding.jsonl"
    log = FundingLog(path)
    played = changing_interval_of(log)
    assert FundingLog(path).settlements() == played.log.settlements() != []
    assert FundingLog(path).interval_changes() == played.log.interval_changes() != []


def changing_interval_of(log: FundingLog) -> Played:
    played = Played("23T15:59", log).until("23T16:00")
    played.stamp, played.hours = at("23T20:00"), 8.0
    played.until("23T16:02")
    played.hours = 4.0
    return played.until("23T16:04")


def test_a_restart_records_no_payment_twice(tmp_path):
    path = tmp_path / "funding.jsonl"
    changing_interval_of(FundingLog(path))
    again = changing_interval_of(FundingLog(path))
    assert len(again.log.settlements()) == 1
    assert len(FundingLog(path).settlements()) == 1


def test_what_was_forgotten_stays_forgotten_after_a_restart(tmp_path):
    path = tmp_path / "funding.jsonl"
    changing_interval_of(FundingLog(path)).log.forget(OKX, "BTC-USDT")
    assert FundingLog(path).settlements() == FundingLog(path).interval_changes() == []


def test_a_torn_last_line_is_named_and_spoils_neither_its_neighbours_nor_the_next(tmp_path, caplog):
    path = tmp_path / "funding.jsonl"
    kept = changing_interval_of(FundingLog(path)).log.settlements()
    torn = b'{"kind":"settlement","exchange":"ok'
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes() + torn)
    log = FundingLog(path)
    assert log.settlements() == kept
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert f"1 lines of 3 cannot be read and are left out, the first at byte {whole}" in warning.getMessage()
    assert torn.decode() in warning.getMessage()
    played = Played("23T19:59", log, stamp="23T20:00", hours=4.0).until("23T20:00")
    played.stamp = at("24T00:00")
    played.look()
    assert [row.time for row in FundingLog(path).settlements()] == [at("23T20:00"), at("23T16:00")]


def test_only_the_end_of_a_large_file_is_read(tmp_path, monkeypatch, caplog):
    path = tmp_path / "funding.jsonl"
    log = FundingLog(path)
    played = Played("23T15:59:30", log, stamp="23T16:00", hours=1.0)
    for hour in range(16, 21):
        played.until(f"23T{hour}:00:00")
        played.stamp = at(f"23T{hour + 1}:00")
        played.look()
    line_bytes = path.stat().st_size // 5
    monkeypatch.setattr(funding_file, "READ_BYTES", int(2.5 * line_bytes))
    assert [row.time for row in FundingLog(path).settlements()] == [at("23T20:00"), at("23T19:00")]
    assert caplog.records == []


def test_a_file_that_cannot_be_used_costs_one_error_and_no_record(tmp_path, caplog):
    path = tmp_path / "in the way" / "funding.jsonl"
    path.parent.write_text("a file where a folder should be")
    log = FundingLog(path)
    changing_interval_of(log)
    unread, unwritten = caplog.records
    assert (unread.levelname, unwritten.levelname) == ("ERROR", "ERROR")
    assert "cannot be read" in unread.getMessage()
    assert "cannot be written" in unwritten.getMessage()
    assert len(log.settlements()) == 1
    path.parent.unlink()
    log.observe(store_of([OKX]).snapshot(), at("23T16:10"))
    assert FundingLog(path).settlements() == log.settlements()
    assert FundingLog(path).interval_changes() == log.interval_changes()


def test_a_full_disk_tears_nothing_that_was_stored(tmp_path, caplog):
    """A limit on file sizes stops the second line in its middle, as a full disk would."""
    path = tmp_path / "funding.jsonl"
    log = FundingLog(path)
    played = Played("23T15:59", log).until("23T16:00")
    played.stamp = at("24T00:00")
    played.look()
    stored = path.read_bytes()
    played.now = at("23T23:59")
    played.until("24T00:00")
    played.stamp = at("24T08:00")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN  # Python raises OSError instead
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(stored) + 20, before[1]))
    try:
        played.until("24T00:02")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == stored
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    played.until("24T00:03")
    assert path.read_bytes().startswith(stored)
    assert [row.time for row in FundingLog(path).settlements()] == [at("24T00:00"), at("23T16:00")]
