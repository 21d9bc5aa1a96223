"""Words and options at the Tab key, asked of bash itself."""

import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # the help of every command


@pytest.fixture(scope="module")
def script() -> str:
    """From a process of its own, without the checker of shapes: it builds every parser there is."""
    command = [sys.executable, "-m", "mim4d", "completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_what_comes_next(script: str) -> None:
    cases = {
        "mim4d pretr": "pretrain",
        "mim4d bench st": "step",
        "mim4d pretrain nuscenes_s_0": "nuscenes_s_080 nuscenes_s_060",
        "mim4d pretrain --res": "--resume",
        "mim4d pretrain demo --data x --mask.ra": "--mask.ratio",
        "mim4d finetune veh": "vehicles",
        "mim4d finetune hd_map to": "toy",
        "mim4d finetune hd_map toy --head.range-x": "--head.range-xy-m",
        "mim4d evaluate run --sp": "--split",
        "mim4d show-config toy --no-such": "",
    }
    asked = "".join(
        f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; COMPREPLY=(); _mim4d; "
        'echo "${COMPREPLY[*]}"\n'
        for words in cases
    )
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True
    )
    assert dict(zip(cases, done.stdout.split("\n"), strict=False)) == cases
