"""OpenAI's `codex`: `exec --json`."""

import json
import re
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
)

STATUS: Final = re.compile(r"\bunexpected status ([1-5][0-9]{2})\b")
# Items that are calls of tools, and the field that says what was asked for.
CALLS: Final[Mapping[str, str]] = {
    "command_execution": "command",
    "file_change": "changes",
    "mcp_tool_call": "arguments",
    "web_search": "query",
}


def command(order: Order) -> Sequence[str]:
    """The sandbox lets commands write in the workspace and nowhere else."""
    words = [order.executable, "exec", "--json", "--skip-git-repo-check", "--model", order.model]
    words += ["--cd", order.folder, "--sandbox", "workspace-write" if order.tools else "read-only"]
    if order.effort:
        words += ["--config", f"model_reasoning_effort={json.dumps(order.effort)}"]
    return [*words, "resume", order.session, "-"] if order.session else [*words, "-"]


def read(line: Mapping[str, Any]) -> Iterator[Heard]:
    match line.get("type"):
        case "thread.started":
            yield Session(str(line.get("thread_id", "")))
        case "item.started":
            yield from _begun(mapping(line.get("item")))
        case "item.completed":
            yield from _completed(mapping(line.get("item")))
        case "turn.completed":
            usage = mapping(line.get("usage"))
            tokens = TokenUsage(
                number(usage.get("input_tokens")),
                number(usage.get("output_tokens")),
                number(usage.get("cached_input_tokens")),
                number(usage.get("cache_write_input_tokens")),
                number(usage.get("reasoning_output_tokens")),
            )
            yield Spent(tokens, of_session=True)
            yield Closed()
        case "turn.failed":
            message = str(mapping(line.get("error")).get("message") or "no reason given")
            found = STATUS.search(message)
            yield Failed(message, int(found[1]) if found else 0)
        case "error":  # also the tries on the way; the last word is turn.failed
            yield Noted(str(line.get("message", "")))
        case _:
            return


def _begun(item: Mapping[str, Any]) -> Iterator[Heard]:
    kind = str(item.get("type"))
    if kind in CALLS:
        yield Called(str(item.get("id", "")), kind, {CALLS[kind]: item.get(CALLS[kind])})


def _completed(item: Mapping[str, Any]) -> Iterator[Heard]:
    kind, call_id = str(item.get("type")), str(item.get("id", ""))
    if kind == "agent_message":
        yield Said(str(item.get("text", "")))
    elif kind == "error":
        yield Noted(str(item.get("message", "")))
    elif kind in CALLS:
        failed = item.get("status") in ("failed", "declined")
        output = item.get("aggregated_output") or item.get("result") or item.get("error") or item.get("status") or ""
        yield Returned(call_id, output if isinstance(output, str) else json.dumps(output, ensure_ascii=False), failed)


CODEX: Final = Program("codex", "npm install --global @openai/codex", "run `codex login`", command, read)
