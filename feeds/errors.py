"""What can go wrong between an exchange and us. FeedError is the base of all.

Each error carries its facts as attributes and says them in one sentence. The docstring tells what a caller can do.
"""


class FeedError(Exception):
    """Anything an exchange did that we did not expect. The feed goes on."""

    def __init__(self, exchange: str, detail: str) -> None:
        super().__init__(exchange, detail)
        self.exchange = exchange
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.exchange}: {self.detail}"


class BadPayload(FeedError):
    """A message that is not what the protocol documents. Count it, log it, read the next one."""


class UnknownMessage(FeedError):
    """A well-formed message of a kind we do not know. Count it, read the next one."""


class UnknownContract(FeedError):
    """Data of a contract that is not in the catalogue. Re-read the catalogue, drop the message."""


class SubscriptionRejected(FeedError):
    """The exchange refused a subscription.

    Attributes:
        topics: The refused topics, if it named them; sending them again will not help.
        request_id: The request they were part of, if it said so. With neither, nothing can be retried.
        live: True if the refusal means that the topics are already subscribed.
    """

    def __init__(
        self,
        exchange: str,
        detail: str,
        topics: tuple[str, ...] = (),
        request_id: str | None = None,
        live: bool = False,
    ) -> None:
        super().__init__(exchange, f"refused a subscription: {detail}")
        self.topics = topics
        self.request_id = request_id
        self.live = live


class BadListing(FeedError):
    """A listing could not be read as a whole. Keep the last good one, try again later."""


class RequestFailed(FeedError):
    """An HTTP request was not answered with what was asked for.

    Attributes:
        status: The HTTP status, None if no answer came.
        retry_after_s: How long the exchange asked us to stay away, if it did.
    """

    def __init__(
        self, exchange: str, detail: str, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(exchange, detail)
        self.status = status
        self.retry_after_s = retry_after_s
