"""A run's configuration as JSON and back; unknown keys and values of the wrong kind are refused.

Imports no torch, so that the command line answers at once.
"""

import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints, overload

import cattrs
from cattrs.errors import ClassValidationError
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception

from mim4d.config import PretrainConfig, RunConfig, TaskConfig
from mim4d.config.head import HeadConfig
from mim4d.errors import did_you_mean

Config = TypeVar("Config", bound=RunConfig)


def _unknown_keys(values: dict[str, Any], kind: Any) -> str:
    """Keys that are no options, each with the nearest that is one; empty if there are none."""
    known, given = _names_of(kind), _names_in(values, kind)
    return " and ".join(
        f"unknown key {name!r}{did_you_mean(name, known)}" for name in given if name not in known
    )


def _names_of(kind: Any, before: str = "") -> list[str]:
    """Dotted names of all options and groups of options."""
    names = []
    for name, part in _parts(kind).items():
        names.append(before + name)
        names += _names_of(part, f"{before}{name}.")
    return names


def _names_in(values: dict[str, Any], kind: Any, before: str = "") -> list[str]:
    """Dotted names of what was given, of groups that there are."""
    parts, names = _parts(kind), []
    for name, value in values.items():
        names.append(before + name)
        if name in parts and is_dataclass(parts[name]) and isinstance(value, dict):
            names += _names_in(value, parts[name], f"{before}{name}.")
    return names


def _parts(kind: Any) -> dict[str, Any]:
    """Types of the fields of a group of options, by name; none of anything else."""
    return get_type_hints(kind) if is_dataclass(kind) else {}


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    configure_union_passthrough(str | int | float | None, converter)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    converter.register_unstructure_hook(Path, str)
    kinds = {get_type_hints(head)["kind"]: head for head in get_args(HeadConfig)}
    heads = {get_args(kind)[0]: head for kind, head in kinds.items()}

    def head_of_kind(values: Any, _: Any) -> Any:
        kind = values.get("kind") if isinstance(values, dict) else None
        if kind not in heads:
            raise ValueError(f"config head.kind: expected one of {', '.join(heads)}, got {kind!r}")
        return converter.structure(values, heads[kind])

    converter.register_structure_hook_func(lambda kind: kind == HeadConfig, head_of_kind)
    return converter


def _reason(error: BaseException, kind: Any) -> str:
    """Our own messages name path, value and expectation; the library's are kept for the rest."""
    if type(error) is ValueError and str(error).startswith("config "):
        return str(error)
    return format_exception(error, kind)


def config_to_json(config: RunConfig) -> str:
    """The config as indented JSON; `config_from_json` gives the equal config back."""
    return json.dumps(_converter().unstructure(config), indent=2) + "\n"


@overload
def config_from_json(text: str, where: str) -> PretrainConfig: ...


@overload
def config_from_json(text: str, where: str, kind: type[Config]) -> Config: ...


def config_from_json(text: str, where: str, kind: type[RunConfig] = PretrainConfig) -> RunConfig:
    """Read a config.

    Args:
        text: What `config_to_json` wrote.
        where: File the text comes from, for messages.
        kind: What it configures.

    Raises:
        ValueError: If the text is no JSON, has unknown keys or values of the wrong kind.
    """
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError(f"{where}: not a run configuration: expected an object of options")
        _refuse_another_kind(values, kind, where)
        if unknown := _unknown_keys(values, kind):
            raise ValueError(f"{where}: not a run configuration of this version: {unknown}")
        return _converter().structure(values, kind)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}: not valid JSON ({error}); correct the file, or restore it from a copy"
        ) from error
    except ClassValidationError as error:
        reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
        raise ValueError(f"{where}: not a run configuration of this version: {reasons}") from error


def _refuse_another_kind(values: dict[str, object], kind: type[RunConfig], where: str) -> None:
    """Say what a configuration is for where it is for something else; both name their parts."""
    if kind is PretrainConfig and "task" in values:
        raise ValueError(
            f"{where}: configures the task {values['task']!r}, not a pre-training; give it to "
            f"`mim4d finetune {values['task']}`"
        )
    if kind is TaskConfig and "task" not in values:
        raise ValueError(
            f"{where}: configures a pre-training, not a task; give it to `mim4d pretrain`"
        )
