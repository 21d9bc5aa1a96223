import json
from typing import Any

import pytest

from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.presets import PRESETS, toy


@pytest.mark.parametrize("name", PRESETS)
def test_what_was_written_is_read_back(name: str) -> None:
    config = PRESETS[name]()
    assert config_from_json(config_to_json(config), "config.json") == config


def _values() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(config_to_json(toy()))
    return values


def _refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ValueError, match="config") as caught:
        config_from_json(json.dumps(values), "runs/old/config.json")
    return str(caught.value)


def test_an_unknown_key_is_named_with_the_nearest_one() -> None:
    values = _values()
    values["mask"]["rato"] = values["mask"].pop("ratio")
    assert _refusal(values) == (
        "runs/old/config.json: not a run configuration of this version: unknown key 'mask.rato' "
        "(did you mean 'mask.ratio'?)"
    )


def test_all_unknown_keys_are_named() -> None:
    values = _values()
    values["sed"] = 1
    values["augment"]["qqq_zzz_www"] = 1
    message = _refusal(values)
    assert "unknown key 'sed' (did you mean 'seed'?)" in message
    assert "unknown key 'augment.qqq_zzz_www'" in message


def test_a_key_of_another_group_is_found_there() -> None:
    values = _values()
    values["loss"]["num_samples"] = values["render"].pop("num_samples")
    assert "'loss.num_samples' (did you mean 'render.num_samples'?)" in _refusal(values)


def test_a_value_of_another_kind_is_refused_with_its_place() -> None:
    values = _values()
    values["optim"]["steps"] = "many"
    assert "optim.steps" in _refusal(values)
