"""The plan as bytes: a digest over its canonical JSON, a layout that people can read, a last look by the schema."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from .plan import Plan
from .schema import load_schema

_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_canonical = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


class InvalidPlan(Exception):
    """The schema refuses a plan of ours: `place` is a JSON pointer into it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place or 'the plan'}: {reason}")
        self.place = place


def digest_of(plan: Mapping[str, object]) -> str:
    """Return the sha256 over the canonical JSON (sorted keys, no blanks, UTF-8) of everything but `digest`."""
    rest = {key: value for key, value in plan.items() if key != "digest"}
    return "sha256:" + hashlib.sha256(_canonical(rest).encode()).hexdigest()


def emit(plan: Plan) -> bytes:
    """Return `plan` as the bytes of plan.json.

    Raises:
        InvalidPlan: `schemas/plan.schema.json` does not accept it, which is a mistake of the compiler.
    """
    validate(plan)
    return "".join(_layout(plan)).encode()


def validate(plan: Mapping[str, object]) -> None:
    import jsonschema_rs

    error = next(jsonschema_rs.validator_for(load_schema("plan")).iter_errors(plan), None)
    if error is not None:
        raise InvalidPlan("".join(f"/{part}" for part in error.instance_path), error.message[:300])


# Layout: a field a line, and a line for each edge, source, provider and provenance subject. Whatever is deeper stands
# on one line, written by the C encoder: json's own indenting would take ten times as long.


def _layout(plan: Plan) -> Iterator[str]:
    yield "{\n"
    separator = ""
    for key, value in plan.items():
        yield f"{separator}  {_line(key)}: "
        separator = ",\n"
        if key == "nodes":
            yield from _nodes(plan)
        elif isinstance(value, dict | list):
            yield from _expanded(value, "  ")
        else:
            yield _line(value)
    yield "\n}\n"


def _nodes(plan: Plan) -> Iterator[str]:
    separator = "[\n"
    for node in plan["nodes"]:
        yield separator + "    {"
        separator = ",\n"
        comma = "\n"
        for key, value in node.items():
            if key != "edges":
                yield f'{comma}      "{key}": {_line(value)}'
                comma = ",\n"
        yield ',\n      "edges": '
        yield from _expanded(node["edges"], "      ")
        yield "\n    }"
    yield "\n  ]"


def _expanded(value: Mapping[str, object] | Sequence[object], indent: str) -> Iterator[str]:
    """Yield a container with one line per entry."""
    if not value:
        yield "{}" if isinstance(value, Mapping) else "[]"
        return
    inner = f",\n{indent}  "
    if isinstance(value, Mapping):
        yield f"{{\n{indent}  " + inner.join(f"{_line(key)}: {_line(each)}" for key, each in value.items())
        yield f"\n{indent}}}"
    else:
        yield f"[\n{indent}  " + inner.join(map(_line, value)) + f"\n{indent}]"
