"""Command line: python -m simulator --exchanges all --base-port 9000 --seed 1 --rate 3000 --instruments 330."""

import argparse
import asyncio
import errno
import logging
import sys

import orjson

from simulator.exchanges import REGISTRY
from simulator.server import Simulator, serve


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="Serve simulated exchanges on loopback.")
    parser.add_argument("--exchanges", default="all", help=f"all, or names separated by commas: {', '.join(REGISTRY)}")
    parser.add_argument("--base-port", type=int, default=0, help="first of the consecutive ports; 0 = any free ports")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same universe and prices")
    parser.add_argument("--rate", type=float, default=3000, help="top-of-book frames per second over all exchanges")
    parser.add_argument("--instruments", type=int, default=330, help="live perpetuals per exchange")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the starting process ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    names = list(REGISTRY) if options.exchanges == "all" else [name.strip() for name in options.exchanges.split(",")]
    unknown = [name for name in names if name not in REGISTRY]
    if unknown:
        parser.error(f"unknown exchange {', '.join(unknown)}; there are {', '.join(REGISTRY)}")
    if options.instruments < 1 or options.rate < 0:
        parser.error("--instruments must be at least 1 and --rate not negative")

    async def run() -> None:
        simulator = Simulator(
            names, seed=options.seed, rate=options.rate, instruments=options.instruments, host=options.host
        )
        await serve(simulator, options.base_port, announce=_announce, exit_with_parent=options.exit_with_parent)

    try:
        asyncio.run(run())
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        print(f"simulator: cannot listen: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _announce(endpoints: dict[str, dict[str, str]]) -> None:
    print(orjson.dumps(endpoints).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
