"""What every quote goes through, compiled where a C compiler is at hand: `hot`, or None.

The library lies under `build/native`, named after its source and the interpreter, so that none is ever out of date.
"""

import hashlib
import importlib.machinery
import importlib.util
import os
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Final

SOURCES: Final = tuple(sorted(Path(__file__).parent.glob("*.[ch]")))
FOLDER: Final = Path(__file__).parent.parent / "build" / "native"


def built_file() -> Path:
    """Where the library of this source and this interpreter lies once it is built."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
    source = b"".join(path.read_bytes() for path in SOURCES)
    return FOLDER / f"hot-{hashlib.sha256(source).hexdigest()[:16]}{suffix}"


def _load() -> ModuleType | None:
    path = built_file()
    if os.environ.get("PERPSCOPE_NATIVE") == "0" or not path.exists():
        return None
    loader = importlib.machinery.ExtensionFileLoader("native.hot", str(path))
    spec = importlib.util.spec_from_loader("native.hot", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


hot: Final = _load()
