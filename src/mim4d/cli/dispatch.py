"""The command line: `mim4d COMMAND ...`.

Only the chosen command's parser is built and torch is imported inside the commands, so that help
and mistakes are answered at once. Mistakes and bad data end with one line and exit status 2;
`--debug` shows the traceback.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from mim4d.cli import at_once
from mim4d.cli.arguments import with_values
from mim4d.cli.command import Command
from mim4d.cli.commands import COMMANDS, GROUPS
from mim4d.cli.help_text import about
from mim4d.cli.idle_threads import spin_briefly
from mim4d.cli.training import Training
from mim4d.config import PretrainConfig, RunConfig, TaskConfig
from mim4d.config.as_json import config_from_json
from mim4d.config.presets import PRESETS, TASK_PRESETS, preset, task_on_run, task_preset
from mim4d.errors import EXTRAS, Terminated, did_you_mean, install_line
from mim4d.files import read_text
from mim4d.tasks import TASKS
from mim4d.version import installed_version


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    spin_briefly()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # of other libraries
    logging.getLogger("mim4d").setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; there is nobody to tell.
        sys.stdout = None
        return 0
    except Terminated as stop:
        print(f"mim4d: {stop}", file=sys.stderr)
        return stop.status
    except (ValueError, OSError, ImportError) as error:
        if debug:
            raise
        print(f"mim4d: error: {_in_words(error)}{_how_to_install(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mim4d: interrupted", file=sys.stderr)
        return 130


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"mim4d {installed_version()}")
        return 0
    name = arguments.pop(0)
    if name in GROUPS:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(_group_overview(name))
            return 0 if arguments else 2
        name = f"{name} {arguments.pop(0)}"
    if name not in COMMANDS:
        raise ValueError(
            f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; see `mim4d --help`"
        )
    command = COMMANDS[name]
    options = _parse(name, command, arguments)
    if options is None:
        return 0
    if check := getattr(options, "check", None):
        check()
    if not command.is_light and "torch" not in sys.modules and at_once.is_first_process():
        print("loading ...", file=sys.stderr, flush=True)
    return command.run(options) or 0


def _in_words(error: Exception) -> str:
    """An error's message; of one that the system raised, its file and reason without the number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    files = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([" to ".join(files), error.strerror.lower()] if files else [error.strerror])


def _how_to_install(error: Exception) -> str:
    """The install line for a module that is missing, where it was met unannounced."""
    module = error.name if isinstance(error, ModuleNotFoundError) else None
    extra = EXTRAS.get((module or "").partition(".")[0])
    return f"; {install_line(extra)}" if extra else ""


def _parse(name: str, command: Command, arguments: list[str]) -> Any:
    if command.of_task is not None and arguments:
        command = _of_preset_or_task(command, command.of_task, arguments[0])
    default: Any = tyro.MISSING_NONPROP
    program = f"mim4d {name}"
    if run := _resumed(command, arguments):
        program = f"{program} --resume {run}"
        default = with_values(command.options, command.options.of_run(Path(run)))
    elif command.takes_preset:
        words = _leading(arguments, 2 if command.takes_task else 1)
        if words is None:
            print(_preset_usage(name, command))
            if arguments and arguments[-1] in ("-h", "--help"):
                return None
            tasks = f"a task first, one of: {', '.join(TASKS)}; then " if command.takes_task else ""
            names = ", ".join(TASK_PRESETS if command.takes_task else PRESETS)
            first = "" if tasks else " first"
            raise ValueError(f"`{program}` needs {tasks}a preset{first}, one of: {names}")
        program = " ".join([program, *words])
        default = with_values(command.options, _given_by(*reversed(words)))
    return command.parse(program, arguments, default)


def _of_preset_or_task(command: Command, of_task: Command, word: str) -> Command:
    """The command for the word that comes first: a preset or a file, or a task.

    Raises:
        ValueError: If the word is none of them.
    """
    if word in TASKS:
        return of_task
    if word.startswith("-") or word.endswith(".json") or word in PRESETS:
        return command
    raise ValueError(
        f"unknown preset or task {word!r}{did_you_mean(word, [*PRESETS, *TASKS])}; presets: "
        f"{', '.join(PRESETS)}; tasks: {', '.join(TASKS)}"
    )


def _leading(arguments: list[str], count: int) -> list[str] | None:
    """Take so many words that are no options from the beginning; None if there are fewer."""
    words = arguments[:count]
    if len(words) < count or any(word.startswith("-") for word in words):
        return None
    del arguments[:count]
    return words


def _resumed(command: Command, arguments: list[str]) -> str | None:
    """Take `--resume RUN` from arguments that begin with no preset; None if it is not there.

    Raises:
        ValueError: If they do begin with one.
    """
    words = arguments[arguments.index("--resume") :] if "--resume" in arguments else []
    if not issubclass(command.options, Training) or len(words) < 2 or words[1].startswith("-"):
        return None
    if not arguments[0].startswith("-"):
        raise ValueError(
            f"--resume {words[1]}: preset and options are the run's own; leave {arguments[0]!r} out"
        )
    place = len(arguments) - len(words)
    del arguments[place : place + 2]
    return words[1]


def _given_by(name: str, task: str | None = None) -> dict[str, Any]:
    """Options that the words before them give.

    Args:
        name: A preset, a JSON file, or, of a task, the run folder of a pre-training.
        task: Name of a task.
    """
    if task not in TASKS or not _names_folder(name):
        return {"config": _config(name, task)}
    at_once.existing(Path(name))
    run = at_once.run_of_kind(Path(name), "pretraining")
    assert isinstance(run, PretrainConfig), "the kind that was asked for"
    return {"config": task_on_run(run, task), "init": name}


def _names_folder(name: str) -> bool:
    """Whether a word is no preset and no file, but a folder, there or mistyped."""
    if name in TASK_PRESETS or name.endswith(".json"):
        return False
    return len(Path(name).parts) > 1 or Path(name).is_dir()


def _config(name: str, task: str | None = None) -> RunConfig:
    """A preset by name, of a pre-training or a task, or the configuration in a JSON file."""
    if task is not None and task not in TASKS:
        raise ValueError(
            f"unknown task {task!r}{did_you_mean(task, TASKS)}; there are: {', '.join(TASKS)}"
        )
    if task is None and name in TASKS:
        raise ValueError(
            f"{name!r} is a task; this command takes a preset of a pre-training, one of: "
            f"{', '.join(PRESETS)} (`mim4d finetune {name} PRESET` trains the task)"
        )
    if name.endswith(".json"):
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such configuration file")
        if task is None:
            return config_from_json(read_text(path), str(path))
        config = config_from_json(read_text(path), str(path), TaskConfig)
        if config.task != task:
            raise ValueError(f"{path}: configures the task {config.task!r}, not {task!r}")
        return config
    return preset(name) if task is None else task_preset(name, task)


def _overview() -> str:
    lines = [
        "usage: mim4d COMMAND [OPTIONS]   (mim4d COMMAND --help explains a command)",
        "",
        "Pre-train the perception of a camera car on unlabelled multi-camera video.",
        "",
    ]
    lines += _listed(COMMANDS)
    lines += ["", "  --version    Print the version.", "  --debug      Show tracebacks of errors."]
    return "\n".join(lines)


def _group_overview(group: str) -> str:
    members = {name: command for name, command in COMMANDS.items() if name.split()[0] == group}
    usage = f"usage: mim4d {group} WHAT [OPTIONS]   (mim4d {group} WHAT --help explains each)"
    return "\n".join([usage, "", GROUPS[group], "", *_listed(members)])


def _listed(commands: Mapping[str, Command]) -> list[str]:
    width = max(map(len, commands))
    return [f"  {name:<{width}}  {_first_line(c.options)}" for name, c in commands.items()]


def _first_line(options: type[Any]) -> str:
    return (options.__doc__ or "").strip().splitlines()[0]


def _preset_usage(name: str, command: Command) -> str:
    words = "TASK PRESET" if command.takes_task else "PRESET"
    presets: Mapping[str, object] = TASK_PRESETS if command.takes_task else PRESETS
    lines = [f"usage: mim4d {name} {words} [OPTIONS]", "", about(command.options)]
    if command.takes_task:
        lines += ["", f"TASK is one of: {', '.join(TASKS)}"]
    lines += [
        "",
        "PRESET is a name, or a JSON file: a run's config.json, or what show-config wrote"
        + ("," if command.takes_task else ":"),
        *["or the run folder of a pre-training, whose trunk is taken:"] * command.takes_task,
        "",
    ]
    width = max(map(len, presets))
    for key, function in presets.items():
        lines.append(f"  {key:<{width}}  {(function.__doc__ or '').strip().splitlines()[0]}")
    lines += ["", f"`mim4d {name} {words} --help` lists every option with the preset's values."]
    return "\n".join(lines)
