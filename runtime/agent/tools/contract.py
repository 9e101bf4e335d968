"""What a tool is: a definition that the model sees, and a function that answers one call.

A tool never fails the session for what the model or the workspace did wrong: it raises `Refusal`, or returns an error
result, with a text that says what to do instead. It returns all it has to say; cutting it for the model is the
dispatcher's work.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ...outcome import Json
from ...world import Cancellation, OnOutput, Shell


def unheard(stream: str, text: bytes) -> None:
    """Let output go by."""


class Bench(NamedTuple):
    """Where a session's tools work."""

    workspace: Path  # absolute, symbolic links resolved; file tools never leave it
    shell: Shell
    cancellation: Cancellation
    environment: Mapping[str, str]  # of commands, beside the allow-list
    command_default_ms: int
    command_max_ms: int
    outputs: Path  # folder for outputs that are too long for the model; made when the first one is written
    on_output: OnOutput = unheard  # what the running `shell` call prints; nothing, now and then, while it is silent


class Result(NamedTuple):
    text: str  # never empty
    is_error: bool = False  # the call could not be carried out; a command that fails is none


class Refusal(Exception):
    """A call that cannot be carried out; the text is the model's answer: what is wrong and what to do instead."""


class Cut(NamedTuple):
    """How much of a result the model is shown: characters first, then lines."""

    max_chars: int
    mode: str  # head_tail | tail | head
    max_lines: int | None = None


class Tool(NamedTuple):
    name: str
    description: str
    parameters: Mapping[str, Json]  # JSON Schema, root type object, additionalProperties false
    cut: Cut
    reads_only: bool  # calls of one turn may run side by side
    run: Callable[[Mapping[str, Json], str, Bench], Result]  # arguments that fit `parameters`, the call's id
