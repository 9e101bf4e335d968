"""`schemas/event.schema.json`, generated from the table of events. After a change in `events.py`:

    python -m attractor.runtime.event_schema > schemas/event.schema.json

A test compares the committed file with what this prints.
"""

import json
import sys
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from .events import EVENTS, FIELDS, Event, written

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def event_schema() -> dict[str, Any]:
    """Return the schema of one line of progress.ndjson."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "urn:attractor:schema:event:1",
        "title": "Attractor event",
        "description": "One line of progress.ndjson. Generated from runtime/events.py.",
        "type": "object",
        "properties": {"event": {"enum": list(EVENTS.values())}},
        "required": ["event"],
        "oneOf": [{"$ref": f"#/definitions/{name}"} for name in EVENTS.values()],
        "definitions": {name: _definition(kind, name) for kind, name in EVENTS.items()},
    }


def _definition(kind: type[Event], name: str) -> dict[str, Any]:
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {
        "ts": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", "description": FIELDS["ts"]},
        "seq": {"type": "integer", "minimum": 1, "description": FIELDS["seq"]},
        "run_id": {"type": "string", "description": FIELDS["run_id"]},
        "event": {"const": name},
        "in_branch": {"type": "string", "minLength": 1, "description": FIELDS["in_branch"]},
    }
    for field, hint in hints.items():
        properties[written(field)] = {**_type(hint), "description": FIELDS[written(field)]}
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": properties,
        "required": ["ts", "seq", "run_id", "event", *map(written, hints)],
        "additionalProperties": False,
    }


def _type(hint: Any) -> dict[str, Any]:
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if get_origin(hint) in (Union, UnionType):
        return {"type": [_TYPES[each] for each in get_args(hint)]}
    element = get_args(hint)[0]
    return {"type": "array", "items": _type(element) if element in _TYPES else {"type": "object"}}


if __name__ == "__main__":
    json.dump(event_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
