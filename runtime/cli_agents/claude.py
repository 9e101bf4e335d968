"""Anthropic's `claude`: `-p --output-format stream-json`."""

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

EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh"})
TOOLS: Final = "Bash,Edit,Glob,Grep,NotebookEdit,Read,TodoWrite,Write"
# Who speaks where no model did: the program itself, about an error that its result names too.
SYNTHETIC: Final = "<synthetic>"


def command(order: Order) -> Sequence[str]:
    """Named tools are allowed, and edits in the workspace; the flag that allows everything is refused for root."""
    words = [order.executable, "-p", "--output-format", "stream-json", "--verbose", "--model", order.model]
    if order.tools:
        words += ["--permission-mode", "acceptEdits", "--allowedTools", TOOLS]
    else:
        words += ["--tools", ""]
    if order.effort in EFFORTS:
        words += ["--effort", order.effort]
    return [*words, "--resume", order.session] if order.session else words


def read(line: Mapping[str, Any]) -> Iterator[Heard]:
    match line.get("type"):
        case "system" if line.get("subtype") == "init":
            yield Session(str(line.get("session_id", "")))
        case "system" if line.get("subtype") == "api_retry":
            why = f"{line.get('error')}, status {line.get('error_status')}"
            yield Noted(f"asks again ({line.get('attempt')} of {line.get('max_retries')}): {why}")
        case "assistant":
            yield from _assistant(mapping(line.get("message")))
        case "user":
            yield from _results(mapping(line.get("message")).get("content"))
        case "result":
            yield from _result(line)
        case _:
            return


def _assistant(message: Mapping[str, Any]) -> Iterator[Heard]:
    content = message.get("content")
    for block in content if isinstance(content, list) and message.get("model") != SYNTHETIC else ():
        match mapping(block).get("type"):
            case "text":
                yield Said(str(block.get("text", "")))
            case "tool_use":
                yield Called(str(block.get("id", "")), str(block.get("name", "")), mapping(block.get("input")))
            case _:
                continue


def _results(content: object) -> Iterator[Heard]:
    for block in content if isinstance(content, list) else ():
        if mapping(block).get("type") == "tool_result":
            output = text_of(block.get("content"))
            yield Returned(str(block.get("tool_use_id", "")), output, block.get("is_error") is True)


def _result(line: Mapping[str, Any]) -> Iterator[Heard]:
    usage = mapping(line.get("usage"))
    cached = number(usage.get("cache_read_input_tokens"))
    written = number(usage.get("cache_creation_input_tokens"))
    plain = number(usage.get("input_tokens"))
    total = None if plain is None else plain + (cached or 0) + (written or 0)
    cost = line.get("total_cost_usd")
    tokens = TokenUsage(total, number(usage.get("output_tokens")), cached, written)
    yield Spent(tokens, float(cost) if isinstance(cost, int | float) else None, number(line.get("num_turns")))
    subtype = str(line.get("subtype", ""))
    if line.get("is_error") is True or subtype.startswith("error"):
        yield Failed(str(line.get("result") or subtype or "no reason given"), number(line.get("api_error_status")) or 0)
    else:
        yield Closed()


CLAUDE: Final = Program(
    "claude", "npm install --global @anthropic-ai/claude-code", "start `claude` once and log in", command, read
)
