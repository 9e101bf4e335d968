"""What the visits have cost that were cut off, as far as the run had told: they are in no journal.

The events are a story for observers and not the truth, so nothing that is missing or damaged in them is an error here.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .outcome import NO_USAGE, Usage
from .state import RunState

CALL, MANAGER, FINISHED = b'"event":"llm_re', b'"kind":"stack.manager_loop"', b'"event":"stage_finished"'


class _Visit(NamedTuple):
    branch: str
    node: str
    visit: int


def interrupted_usage(folder: Path, state: RunState) -> tuple[Usage, int]:
    """Return the usage since the run was resumed last, and how many lines it has told."""
    spent: dict[_Visit, Usage] = {}
    managers: dict[_Visit, list[str]] = {}
    lines = _lines(folder / "progress.ndjson")
    for line in lines[state.told :]:
        # Most lines are not read: a long run goes on as soon as a short one.
        if not (CALL in line or MANAGER in line or ((spent or managers) and FINISHED in line)):
            continue
        with suppress(ValueError, KeyError, TypeError):
            event = json.loads(line)
            visit = _Visit(event.get("in_branch", ""), event["node_id"], event["visit"])
            match event["event"]:
                case "stage_finished":
                    spent.pop(visit, None)
                    managers.pop(visit, None)
                case "stage_started":
                    managers.setdefault(visit, []).append(event["folder"])
                case _:
                    spent[visit] = spent.get(visit, NO_USAGE) + _cost(event)
    for visit, folders in managers.items():
        spent[visit] = sum((_of_children(folder / each) for each in folders), spent.get(visit, NO_USAGE))
    cut_off = (usage for visit, usage in spent.items() if not _is_over(state, visit))
    return sum(cut_off, start=NO_USAGE), len(lines)


def _lines(path: Path) -> list[bytes]:
    """Return the whole lines of a file; none of one that is not there."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return []


def _of_children(folder: Path) -> Usage:
    """Return what the child pipelines of a manager's attempt have cost, children of children included."""
    spent = NO_USAGE
    for path in sorted(folder.rglob("progress.ndjson")):
        for line in _lines(path):
            if CALL in line:
                with suppress(ValueError, KeyError, TypeError):
                    spent += _cost(json.loads(line))
    return spent


def _cost(event: Mapping[str, Any]) -> Usage:
    match event["event"]:
        case "llm_request":
            return Usage(llm_calls=1)
        case "llm_response":
            return Usage(
                input_tokens=event["input_tokens"],
                output_tokens=event["output_tokens"],
                cache_read_tokens=event["cache_read_tokens"],
                cache_write_tokens=event["cache_write_tokens"],
                cost_usd=event["cost_usd"],
            )
        case _:
            return NO_USAGE


def _is_over(state: RunState, visit: _Visit) -> bool:
    """Whether the journal holds a visit whose end was not told any more: the process died in between."""
    try:
        walk = state.walk_of(visit.branch)
    except KeyError:  # its region is over, and it was not needed any more
        return False
    return walk.visits.get(visit.node, 0) >= visit.visit
