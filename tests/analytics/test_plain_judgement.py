"""Every number and every reason of random markets, against the same judged in plain Python."""

import math
import statistics
from collections import Counter
from functools import cache

import numpy as np
import pytest

from analytics.opportunities import Judgement, judge
from analytics.quality import Limits, Verdict
from analytics.terms import Terms
from analytics.verdicts import PAIR_TESTS
from tests.analytics.plain import Pair, PlainJudge
from tests.analytics.random_market import EXCHANGES, random_memory, random_store, some_exit
from tests.store.scripted import NOW

SEEDS = range(150)
LIMITS = Limits()
LEAST_BPS, NOTIONAL = 1.0, 2_000.0


def expect(s: int, buy: int, sell: int) -> tuple[float, float]:
    exits, samples = some_exit(*(np.array([k]) for k in (s, buy, sell)))
    return float(exits[0]), float(samples[0])


@cache
def both(seed: int) -> tuple[Judgement, PlainJudge]:
    """One market judged by the product and by the plain judge."""
    store = random_store(seed)
    known = random_memory(store, seed)
    judgement = judge(
        store.snapshot(),
        NOW,
        some_exit,
        LIMITS,
        Terms(min_net_bps=LEAST_BPS, notional=NOTIONAL),
        usual=known.usual,
        since=known.since,
        jumped=known.jumped,
        books=store.depths.get,
    )
    return judgement, PlainJudge(store.snapshot(), NOW, LIMITS, known.plain, expect, LEAST_BPS, NOTIONAL)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_quote_is_judged_as_in_plain_python(seed):
    judgement, plain = both(seed)
    for s, row in enumerate(plain.rows):
        reasons = plain.leg_reasons(s)
        assert [Verdict(code) for code in judgement.verdicts[s].tolist()] == reasons
        good = [reason is Verdict.OK for reason in plain.price_reasons(s)]
        mids = [leg.mid for leg, fine in zip(row, good, strict=True) if fine]
        for e, leg in enumerate(row):
            if good[e] and len(mids) > 1:
                wanted = (leg.mid / statistics.median(mids) - 1) * 1e4
                assert judgement.deviation_bps[s, e] == pytest.approx(wanted, abs=1e-9)
            else:
                assert math.isnan(judgement.deviation_bps[s, e])


@pytest.mark.parametrize("seed", SEEDS)
def test_judging_agrees_with_plain_loops(seed):
    judgement, plain = both(seed)
    pairs = judgement.pairs
    routes = zip(pairs.symbol.tolist(), pairs.buy.tolist(), pairs.sell.tolist(), strict=True)
    at = {route: i for i, route in enumerate(routes)}
    counts: Counter[Verdict] = Counter()
    tradable = actionable = 0
    for s in range(len(plain.rows)):
        for buy in range(len(EXCHANGES)):
            for sell in range(len(EXCHANGES)):
                i = at.get((s, buy, sell))
                if buy == sell:
                    assert i is None
                    continue
                wanted = plain.pair(s, buy, sell)
                counts[wanted.verdict] += 1
                by_quotes = wanted.verdict if not wanted.gap else Verdict.OK
                tradable += by_quotes is Verdict.OK
                actionable += wanted.actionable
                assert Verdict(int(judgement.codes[s, buy, sell])) is wanted.verdict
                promise = wanted.entry - (0.0 if math.isnan(wanted.cost) else wanted.cost)
                shown = by_quotes is Verdict.OK or (by_quotes is not Verdict.NOT_LISTED and promise > 0.0)
                assert (i is not None) is shown
                if i is not None:
                    compare(judgement, i, wanted)
    assert judgement.reasons == {v: n for v, n in counts.items() if v > Verdict.NOT_LISTED}
    assert (judgement.funnel.tradable, judgement.funnel.actionable) == (tradable, actionable)


def compare(judgement: Judgement, i: int, wanted: Pair) -> None:
    pairs = judgement.pairs
    names = ("entry", "cost", "walk", "net", "size", "notional", "gainful")
    figures = (wanted.entry, wanted.cost, wanted.walk, wanted.net, wanted.size, wanted.size * wanted.mean_mid,
               wanted.gainful)  # fmt: skip
    found = {name: float(getattr(pairs, name)[i]) for name in names}
    assert found == pytest.approx(dict(zip(names, figures, strict=True)), nan_ok=True, rel=1e-9, abs=1e-7)
    assert Verdict(int(pairs.verdict[i])) is wanted.verdict
    assert (bool(pairs.gap[i]), bool(pairs.actionable[i])) == (wanted.gap, wanted.actionable)


def test_these_markets_hold_every_verdict():
    """Else the tests above would prove less than they say."""
    seen = Counter[Verdict]()
    actionable = 0
    for seed in SEEDS:
        judgement, _ = both(seed)
        actionable += judgement.funnel.actionable
        seen.update(Verdict(code) for code in judgement.codes.ravel().tolist())
    assert {verdict for verdict in Verdict if not seen[verdict]} == set()
    assert min(seen[verdict] for verdict, _ in PAIR_TESTS) >= 10
    assert actionable >= 100
