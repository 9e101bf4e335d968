"""What a stage is told of the stages before it: nothing under `full`, which has its own conversation, else a summary.

| fidelity | what it says | at most |
|---|---|---|
| truncate | the goal and the run | – |
| compact | each finished stage in a line, 25 keys of the context | 3,000 characters |
| summary:low | the last stages with their notes | 2,400 |
| summary:medium | more of them, and the context | 6,000 |
| summary:high | all of them, with the end of what they said | 12,000 |
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..context import as_text, is_engine_key
from ..files import folder_name
from ..plan import PASSIVE_KINDS
from .contract import Visit

FULL: Final = "full"
AFTER_A_BREAK: Final = "summary:high"  # once, in a conversation of an earlier process, or one that broke off
_LINE_CHARS: Final = 200


class _Level(NamedTuple):
    stages: int  # the last so many
    keys: int  # of the context
    said_chars: int  # of each stage's last words
    most_chars: int


_LEVELS: Final[Mapping[str, _Level]] = {
    "truncate": _Level(0, 0, 0, 2_000),
    "compact": _Level(50, 25, 0, 3_000),
    "summary:low": _Level(6, 0, 0, 2_400),
    "summary:medium": _Level(15, 25, 300, 6_000),
    "summary:high": _Level(40, 60, 900, 12_000),
}


def usual_memory(visit: Visit) -> str:
    """Return what the visit's fidelity says; `full` says nothing but after a resume."""
    return preamble(visit, AFTER_A_BREAK if visit.fidelity == FULL and visit.cold else visit.fidelity)


def preamble(visit: Visit, fidelity: str) -> str:
    """Return what came before, as much of it as `fidelity` says; "" when nothing did."""
    done = {node: word for node, word in visit.words.items() if visit.plan.nodes[node].kind not in PASSIVE_KINDS}
    if fidelity == FULL or not done:
        return ""
    level = _LEVELS[fidelity]
    head = ["# What came before", ""]
    head += [f"- goal: {visit.plan.goal}"] if visit.plan.goal else []
    head += [f"- run: {visit.run.run_id}"]
    if fidelity == "truncate":
        return "\n".join(head)
    keys = dict(list(_own_keys(visit))[-level.keys :]) if level.keys else {}
    context = ["- context:", *(f"  - {key}: {value}" for key, value in keys.items())] if keys else []
    stages = [_stage(visit, node, word, level, fidelity) for node, word in done.items()]
    room = level.most_chars - len("\n".join([*head, *context]))
    kept = _last(stages[-level.stages :], room)
    left_out = len(stages) - len(kept)
    title = "- finished stages" + (f" (the last {len(kept)} of {len(stages)}):" if left_out else ":")
    return "\n".join([*head, title, *kept, *context])


def _last(stages: list[str], room: int) -> list[str]:
    """Return as many of the last stages as fit, at least one."""
    kept: list[str] = []
    for stage in reversed(stages):
        room -= len(stage) + 1
        if kept and room < 0:
            break
        kept.insert(0, stage)
    return kept


def _own_keys(visit: Visit) -> Iterator[tuple[str, str]]:
    """Yield what stages have put into the context, and the last output of a tool node, each in one line."""
    for key, value in visit.context.items():
        if not is_engine_key(key):
            yield key, _one_line(as_text(value))


def _stage(visit: Visit, node: str, word: str, level: _Level, fidelity: str) -> str:
    folder = _last_attempt(visit.home / "stages" / folder_name(node))
    line = f"  - {node}: {word}"
    if folder is None:
        return line
    said = _status(folder)
    why = str(said.get("failure_reason") or said.get("notes") or "")
    lines = [f"{line}; {_one_line(why)}" if why else line]
    words = _response(folder, level.said_chars) if level.said_chars else ""
    if fidelity != "compact" and words:
        lines += [f"    {text}" for text in words.splitlines() if text.strip()]
    return "\n".join(lines)


def _last_attempt(folder: Path) -> Path | None:
    """Return the folder VISIT-ATTEMPT that is the newest."""
    found = [(tuple(map(int, path.name.split("-"))), path) for path in folder.glob("[0-9]*-[0-9]*") if path.is_dir()]
    return max(found)[1] if found else None


def _status(folder: Path) -> Mapping[str, Any]:
    try:
        said = json.loads((folder / "status.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _response(folder: Path, most: int) -> str:
    """Return the end of what the stage said."""
    try:
        text = (folder / "response.md").read_text("utf-8", "replace").strip()
    except OSError:
        return ""
    return text if len(text) <= most else f"… {text[-most:].lstrip()}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 2]} …"
