"""Commands run for an agent: its own, the hooks around its calls, and the search that must be killable."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ...world import Command, CommandResult, OnOutput
from .contract import Bench, Refusal, unheard

# Nobody sits at the terminal: what would ask, page or colour does not.
UNATTENDED: Final[Mapping[str, str]] = {
    "CI": "1",
    "DEBIAN_FRONTEND": "noninteractive",
    "GIT_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "PYTHONUNBUFFERED": "1",
}
OUTPUT_LIMIT: Final = 8 * 1024 * 1024  # bytes per stream; beyond it the middle is dropped


class Captured(NamedTuple):
    result: CommandResult
    stdout: str
    stderr: str


def capture(
    command: str,
    bench: Bench,
    *,
    timeout_ms: int,
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
    on_output: OnOutput = unheard,
) -> Captured:
    """Run a command in the workspace and return what it printed; nothing of its process group outlives it."""
    try:
        bench.outputs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".command-", dir=bench.outputs, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "stdin").write_bytes(stdin)
            result = bench.shell.run(
                Command(
                    command=command,
                    folder=bench.workspace,
                    environment={**UNATTENDED, **bench.environment, **(variables or {})},
                    timeout_ms=timeout_ms,
                    stdout=folder / "stdout",
                    stderr=folder / "stderr",
                    stdin=folder / "stdin",
                    output_limit=OUTPUT_LIMIT,
                    ends_group=True,
                ),
                bench.cancellation,
                on_output,
            )
            return Captured(result, _text(folder / "stdout"), _text(folder / "stderr"))
    except OSError as error:
        raise Refusal(f"the command could not be run: {error.strerror or error}") from error


def _text(path: Path) -> str:
    """Return what a command printed, without what no message may hold."""
    with open(path, "rb") as file:
        return file.read(2 * OUTPUT_LIMIT).decode("utf-8", "replace").replace("\0", "")
