"""The compiled library for the tests that are about it, and no way around them where it could have been built."""

import os
import shlex
import shutil
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from native import hot


def required() -> ModuleType:
    """The library. Skips the module where there is no C compiler; where there is one, its absence is a failure."""
    if hot is not None:
        return hot
    compiler = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc")[0]
    if os.environ.get("PERPSCOPE_NATIVE") == "0":
        pytest.skip("PERPSCOPE_NATIVE=0 leaves the library out", allow_module_level=True)
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no C compiler ({compiler})", allow_module_level=True)
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("Python's headers are not installed", allow_module_level=True)
    raise RuntimeError("there is a C compiler, and the library is not loaded: `make native` tells why")
