"""Google's `gemini`: `--output-format stream-json`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..llm.messages import TokenUsage
from .contract import (
    Called,
    Closed,
    Failed,
    Heard,
    Noted,
    Order,
    Program,
    Returned,
    Said,
    Session,
    Spent,
    mapping,
    number,
    text_of,
)


def command(order: Order) -> Sequence[str]:
    """The workspace is trusted for this session, or the program would ask a person for every call."""
    words = [order.executable, "--output-format", "stream-json", "--skip-trust", "--model", order.model]
    words += ["--approval-mode", "yolo" if order.tools else "plan"]
    return [*words, "--resume", order.session] if order.session else words


def read(line: Mapping[str, Any]) -> Iterator[Heard]:
    match line.get("type"):
        case "init":
            yield Session(str(line.get("session_id", "")))
        case "message" if line.get("role") == "assistant":
            yield Said(str(line.get("content", "")), whole=line.get("delta") is not True)
        case "tool_use":
            yield Called(str(line.get("tool_id", "")), str(line.get("tool_name", "")), mapping(line.get("parameters")))
        case "tool_result":
            failed = line.get("status") != "success"
            said = line.get("output") or mapping(line.get("error")).get("message")
            yield Returned(str(line.get("tool_id", "")), text_of(said), failed)
        case "error":
            yield Noted(str(line.get("message", "")))
        case "result":
            yield from _result(line)
        case _:
            return


def _result(line: Mapping[str, Any]) -> Iterator[Heard]:
    stats = mapping(line.get("stats"))
    yield Spent(
        TokenUsage(number(stats.get("input_tokens")), number(stats.get("output_tokens")), number(stats.get("cached")))
    )
    if line.get("status") == "success":
        yield Closed()
    else:
        yield Failed(str(mapping(line.get("error")).get("message") or "no reason given"))


GEMINI: Final = Program(
    "gemini", "npm install --global @google/gemini-cli", "start `gemini` once and log in", command, read
)
