"""What is dear to make is made once for all processes of a test run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A path that the first process to ask for it fills, while the others wait.

    Args:
        factory: Its folders lie in that of the process, below that of the whole run.
        name: One name for one content.
        make: Writes a file or folder at the path that it is given. Who reads it must not change it.
    """
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    path, done = shared / f"shared-{name}", shared / f"shared-{name}.done"
    with FileLock(shared / f"shared-{name}.lock"):
        if not done.exists():
            make(path)
            done.touch()
    return path


def run_module(module: str, *arguments: str | Path) -> None:
    """Run a module in a process of its own, where nothing checks every call's shapes.

    The checks more than double the time of a world; each of its functions is called under them by
    the tests of its own room.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
