"""What the user wants to know an opportunity for: at which costs, of what size, from which gain on."""

from dataclasses import dataclass, field

from analytics.costs import Costs
from market.fees import FeeChoice


@dataclass(frozen=True, slots=True)
class Terms:
    """The user's own side of a judgement; may be the key of a cache.

    costs: of the four fills. fees: tiers and rates at the exchanges. notional: per leg [quote]. min_net_bps: from this
    net edge on a pair is actionable [bps]. holding_h: how long the position is held [h]. leverage: of each leg.
    """

    costs: Costs = field(default_factory=Costs)
    fees: FeeChoice = field(default_factory=FeeChoice)
    notional: float = 10_000.0
    min_net_bps: float = 0.0
    holding_h: float = 8.0
    leverage: float = 5.0
