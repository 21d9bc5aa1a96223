"""Words and options at the Tab key, asked of the shells themselves."""

import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # the help of every command


CASES = {
    "mim4d pretr": "pretrain",
    "mim4d bench st": "step",
    "mim4d pretrain nuscenes_s_0": "nuscenes_s_060 nuscenes_s_080",
    "mim4d pretrain --res": "--resume",
    "mim4d pretrain demo --data x --mask.ra": "--mask.ratio",
    "mim4d finetune veh": "vehicles",
    "mim4d finetune hd_map to": "toy",
    "mim4d finetune hd_map toy --head.range-x": "--head.range-xy-m",
    "mim4d evaluate run --sp": "--split",
    "mim4d show-config toy --no-such": "",
    "mim4d show-config veh": "vehicles",
    "mim4d show-config vehicles to": "toy",
}
"""What is offered, in the order of the alphabet."""


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    """From a process of its own, without the checker of shapes: it builds every parser there is."""
    wanted = "from mim4d.cli import main; main(['completion', 'bash']); print('END'); "
    command = [sys.executable, "-c", f"{wanted}main(['completion', 'fish'])"]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(zip(("bash", "fish"), done.split("END\n"), strict=True))


def _offered(shell: str, script: str) -> dict[str, str]:
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True)
    answers = done.stdout.split("END\n")[:-1]
    found = (" ".join(sorted(answer.split())) for answer in answers)
    return dict(zip(CASES, found, strict=True))


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_what_bash_offers(scripts: dict[str, str]) -> None:
    asked = "".join(
        f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; COMPREPLY=(); _mim4d; "
        'echo "${COMPREPLY[*]}"; echo END\n'
        for words in CASES
    )
    assert _offered("bash", f"{scripts['bash']}\n{asked}") == CASES


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_what_fish_offers(scripts: dict[str, str]) -> None:
    asked = "".join(f"complete -C '{words}'; echo END\n" for words in CASES)
    assert _offered("fish", f"{scripts['fish']}\n{asked}") == CASES
