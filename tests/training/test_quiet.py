"""A training leaves the process's warnings and log levels as they were."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mim4d.training import loop
from mim4d.training.quiet import at_least, lightning_turned_down
from tests.toy import toy_config

LOGGERS = ("mim4d", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "timm", "")


def _state() -> tuple[list[object], list[int]]:
    return list(warnings.filters), [logging.getLogger(name).level for name in LOGGERS]


def test_levels_are_restored_also_after_an_error() -> None:
    logger = logging.getLogger("mim4d.a_logger_of_this_test")
    logger.setLevel(logging.INFO)
    with pytest.raises(KeyError):
        _fail_quietly(logger)
    assert logger.level == logging.INFO


def _fail_quietly(logger: logging.Logger) -> None:
    with at_least(logging.WARNING, logger.name):
        assert not logger.isEnabledFor(logging.INFO)
        raise KeyError


def test_lightning_is_silent_inside_alone() -> None:
    def advise() -> None:
        warnings.warn_explicit("do this", UserWarning, "f.py", 1, "lightning.pytorch.trainer")

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with lightning_turned_down():
            advise()
        assert seen == []
        advise()
    assert len(seen) == 1


@pytest.mark.slow
def test_a_training_leaves_filters_and_levels_as_they_were(data: Path, tmp_path: Path) -> None:
    before = _state()
    loop.pretrain(toy_config(), data, tmp_path / "run", device="cpu", workers=0, progress=False)
    assert _state() == before


@pytest.mark.slow
def test_using_the_package_from_python_changes_none() -> None:
    program = """
import logging, warnings
import lightning.pytorch, timm, torch  # which set filters of their own
before = list(warnings.filters), logging.root.level, list(logging.root.handlers)
import mim4d
for name in mim4d.__all__:
    getattr(mim4d, name)
import mim4d.rendering.renderer, mim4d.evaluation
after = list(warnings.filters), logging.root.level, list(logging.root.handlers)
assert before == after, (before, after)
assert logging.getLogger("mim4d").level == logging.NOTSET
"""
    subprocess.run([sys.executable, "-c", program], check=True)
