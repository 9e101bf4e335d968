"""Where a stage's conversation is kept, and with what it goes on: a thread's under `full`, else its own, begun anew."""

from pathlib import Path
from typing import Final, NamedTuple

from ..agent import record
from ..agent.record import Found, Stage
from ..files import folder_name
from .contract import Visit
from .fidelity import AFTER_A_BREAK, FULL, preamble, usual_memory

BROKEN_OFF: Final = (
    "The run was interrupted while you worked on a stage, and goes on from where that stage began. The workspace may "
    "have been put back to what it was then: look before you rely on what you did since."
)


class Memory(NamedTuple):
    """The conversation a stage goes on with, and what its prompt says about what came before (None: the usual)."""

    found: Found
    told: str | None
    warning: str = ""


def speaker(visit: Visit) -> Stage:
    return Stage(visit.node.id, visit.number, visit.attempt)


def place(visit: Visit) -> Path:
    """Return the file of the conversation."""
    if visit.fidelity != FULL:
        return visit.folder / "session.ndjson"
    return visit.home / "threads" / f"{folder_name(visit.thread or visit.node.id)}.ndjson"


def remembered(visit: Visit) -> Memory:
    """Return where the stage goes on; after a break its prompt says so, and once what came before."""
    if visit.fidelity != FULL:
        return Memory(record.NOTHING, None)
    found = record.find(place(visit))
    if found.damaged:
        warning = "the file of this thread could not be read; its conversation begins anew"
    elif found.speaker is not None and found.broke_off(speaker(visit)):
        node, number, attempt = found.speaker
        warning = f"this conversation broke off in {node!r}, visit {number}, attempt {attempt}"
    else:
        return Memory(found, usual_memory(visit))
    note = f"# An interruption\n\n{BROKEN_OFF}" if found.messages else ""
    told = "\n\n".join(part for part in (note, preamble(visit, AFTER_A_BREAK)) if part)
    return Memory(found, told, warning)
