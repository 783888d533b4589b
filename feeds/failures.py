"""Failures in words, and how long to wait after them."""

import random
import socket
import ssl
from urllib.parse import urlsplit

import httpx

from feeds.errors import FeedError, RequestFailed
from feeds.transport import Disconnected, HandshakeFailed

MAX_DOUBLINGS = 5  # 2**5 s: an exchange that is back is found within half a minute


class Silent(Exception):
    """A socket that is open and says nothing. after_s: for how long."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s

    def __str__(self) -> str:
        return f"no data for {self.after_s:.0f} s on an open socket"


def describe(error: BaseException, url: str = "") -> str:
    """One clause for people: what happened, without a library's vocabulary. url: what was asked for, if it matters."""
    root = _root(error)
    if isinstance(error, httpx.ConnectError) or isinstance(root, socket.gaierror | ssl.SSLCertVerificationError):
        error = root
    host = urlsplit(url).hostname
    match error:
        case socket.gaierror():
            return f"the name {host} is not resolved" if host else "name not resolved"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLCertVerificationError():
            whose = f" of {host}" if host else ""
            return f"certificate{whose} refused: {error.verify_message}"
        case TimeoutError() | httpx.TimeoutException():
            return "timed out"
        case FeedError():
            return error.detail
        case Disconnected() | HandshakeFailed() | Silent():
            return str(error)
        case OSError() if error.strerror:
            return error.strerror.lower()
    # asyncio joins the errors of several addresses into one OSError without a code.
    text = str(error) or type(error).__name__
    if "Connect call failed" in text:
        return "connection refused"
    return text


def is_expected(error: BaseException) -> bool:
    """Whether an exchange or the network did this; anything else is a bug of ours."""
    return isinstance(
        error, FeedError | Disconnected | Silent | OSError | TimeoutError | HandshakeFailed | httpx.HTTPError
    )


def _root(error: BaseException) -> BaseException:
    """What the libraries wrap: the operating system's own error at the end of the chain."""
    seen = {id(error)}
    while True:
        below = error.__cause__ or error.__context__
        if isinstance(error, BaseExceptionGroup):
            below = error.exceptions[0]
        if below is None or id(below) in seen:  # an error raised again may be its own context
            return error
        seen.add(id(below))
        error = below


def retry_after_s(error: BaseException) -> float | None:
    """How long the exchange asked us to stay away, if it did."""
    if isinstance(error, RequestFailed):
        return error.retry_after_s
    if isinstance(error, HandshakeFailed):
        return parse_retry_after(error.retry_after)
    return None


def parse_retry_after(value: str | None) -> float | None:
    """Read a Retry-After header given in seconds; other forms and nonsense are None."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0.0 <= seconds <= 86_400.0 else None


def retry_delay_s(failures: int) -> float:
    """Seconds to wait after the n-th failure since data last flowed: 1 to 2 s at first, 16 to 32 s at most.

    Never less than half a second: a server that accepts and closes must not be dialled in a tight loop.
    """
    return float(2.0 ** min(failures, MAX_DOUBLINGS)) * random.uniform(0.5, 1.0)
