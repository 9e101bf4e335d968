"""Hold values against `schemas/`: `jsonschema_rs` answers, `jsonschema` is imported only to explain a refusal."""

import json
import os
from functools import lru_cache
from typing import Any

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "schemas")
MESSAGE_CHARS = 300


@lru_cache(maxsize=8)
def load_schema(name: str) -> dict[str, Any]:
    """Return `schemas/NAME.schema.json`. Shared: do not change it."""
    with open(os.path.join(FOLDER, f"{name}.schema.json"), encoding="utf-8") as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


@lru_cache(maxsize=8)
def _validator(name: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(load_schema(name))


def complaint(name: str, value: Any) -> str:
    """Return the first thing that the schema has against `value`, with its path; "" when there is none."""
    try:
        if _validator(name).is_valid(value):
            return ""
    except ValueError as unfit:  # a number beyond all bounds, nesting beyond all sense
        return str(unfit)
    return _explain(name, value)


def _explain(name: str, value: Any) -> str:
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import best_match

    schema = load_schema(name)
    kind = (value.get("event") or value.get("entry")) if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in schema.get("definitions", {}):  # which of many forms it means to have
        schema = {"$ref": f"#/definitions/{kind}", "definitions": schema["definitions"]}
    error = best_match(Draft7Validator(schema).iter_errors(value))
    if error is None:  # the two disagree: say where to look rather than nothing
        return f"does not fit schemas/{name}.schema.json"
    return shown(error)


def shown(error: Any) -> str:
    """Return what a `jsonschema` error says: where in the value, and a message of bounded length."""
    place = "/".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= MESSAGE_CHARS else error.message[:MESSAGE_CHARS] + "…"
    return f"{place}: {message}" if place else message
