"""The two sides of a comparison, each a process of its own that runs a part when told to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mim4d.study.bench.parts.parameters import Parameters

_OURS = Path(__file__).resolve().parents[4]
"""The folder that holds this package."""
PACKAGE = Path(__file__).resolve().parents[2]
"""The folder in which the yardstick is `bench`, beside no version of the library."""


@dataclass(frozen=True)
class Side:
    """What runs on one side.

    Attributes:
        name: For the table.
        source: Folder that holds the `mim4d` package to measure.
        twin: Run the parts' twins.
    """

    name: str
    source: Path = _OURS
    twin: bool = False

    @classmethod
    def of_checkout(cls, name: str, checkout: Path) -> "Side":
        """Another checkout of the project.

        Raises:
            ValueError: If there is none.
        """
        source = (checkout / "src").resolve()
        if not (source / "mim4d").is_dir():
            raise ValueError(f"{checkout}: no checkout of mim4d: there is no src/mim4d in it")
        return cls(name, source)


class Worker:
    """The process of one side.

    Raises:
        RuntimeError: If it ends early; what it said stands above.
    """

    def __init__(self, side: Side, threads: int) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(side.source), str(PACKAGE)]),
            "OMP_NUM_THREADS": str(threads),
        }
        self.side = side
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.parts.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise RuntimeError(f"{self.side.name}: its process ended with status {status}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def build(self, parameters: Parameters, weights: Path, save: bool) -> None:
        """Build the part, and save its weights or take those that were saved.

        Raises:
            RuntimeError: If the side would not measure the library it is meant to.
        """
        answer = self.ask(
            "build",
            parameters=asdict(parameters),
            twin=self.side.twin,
            weights=str(weights),
            save=save,
        )
        found = Path(answer["library"]).resolve().parent
        if found != self.side.source.resolve():
            raise RuntimeError(f"{self.side.name}: took mim4d from {found}, not {self.side.source}")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def sides_of(
    parameters: Parameters, first: Side, second: Side, folder: Path
) -> Iterator[tuple[Worker, Worker]]:
    """Both sides' processes, with the same weights; the second's are taken by the first."""
    workers: list[Worker] = []
    try:
        for side in (second, first):
            worker = Worker(side, parameters.threads)
            workers.append(worker)
            worker.build(parameters, folder / "weights.pt", save=side is second)
        yield workers[1], workers[0]
    finally:
        for worker in workers:
            worker.close()


@contextmanager
def one_side(side: Side, asked: Sequence[Parameters], weights: Path) -> Iterator[list[Worker]]:
    """Processes of one side, each with a part or size of its own."""
    workers: list[Worker] = []
    try:
        for parameters in asked:
            workers.append(Worker(side, parameters.threads))
            workers[-1].build(parameters, weights, save=True)
        yield workers
    finally:
        for worker in workers:
            worker.close()
