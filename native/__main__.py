"""`python -m native`: build the library of `hot.c` unless it is there. Without a C compiler all goes on in Python."""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

from native import SOURCES, built_file

FLAGS = ("-O2", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-unused-parameter")


def build(target: Path) -> str | None:
    """Compile to `target`; why it could not be done, or None if it was."""
    linker = shlex.split(os.environ.get("LDSHARED") or sysconfig.get_config_var("LDSHARED") or "cc -shared")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")  # two may build at the same time
    include = sysconfig.get_path("include")
    sources = [str(path) for path in SOURCES if path.suffix == ".c"]
    try:
        subprocess.run(
            [*linker, *FLAGS, f"-I{include}", *sources, "-o", str(fresh)], check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        return f"there is no C compiler ({linker[0]})"
    except subprocess.CalledProcessError as error:
        return next((line for line in error.stderr.splitlines() if "error" in line), error.stderr.strip()[:200])
    fresh.replace(target)
    return None


def main() -> None:
    """Build, or say why not; that is no error."""
    target = built_file()
    if target.exists():
        return
    reason = build(target)
    if reason is not None:
        print(
            f"Quotes are read by Python alone, which costs more: {reason}. To have it compiled, install a C compiler"
            " and Python's headers (Debian: apt install gcc python3-dev).",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
