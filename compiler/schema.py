"""Hold values against a JSON Schema of this package; say what is wrong in our words, at the place where it is written.

`jsonschema_rs` answers "is it valid?"; `jsonschema` is imported only to explain what is not.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .diagnostics import Diagnostic, Edit, Fix
from .source import Span
from .suggest import did_you_mean
from .yaml_reader import pointer_to

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "schemas")
MAX_SUGGESTIONS = 50  # in one file; a file with more unknown keys is another kind of file
MAX_ECHO = 40  # characters of a wrong value that a message repeats

TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}

_ABSENT = object()

Path = tuple[str | int, ...]
Spans = Mapping[str, tuple[Span, Span]]


@lru_cache(maxsize=8)
def load_schema(name: str) -> dict[str, Any]:
    """Return `schemas/NAME.schema.json`. Shared: do not change it."""
    with open(os.path.join(FOLDER, f"{name}.schema.json"), encoding="utf-8") as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


@lru_cache(maxsize=8)
def _judge(name: str) -> Callable[[Any], bool]:
    import jsonschema_rs

    return jsonschema_rs.validator_for(load_schema(name)).is_valid


def is_valid(name: str, values: Any) -> bool:
    """Return whether `values` are what `schemas/NAME.schema.json` says."""
    return _judge(name)(values)


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `schema` refers to, if it is only a reference into `root`."""
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def with_defaults(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> Any:
    """Return `value` with every key that `schema` names, filled from the schema's defaults where absent.

    A mapping that is null counts as empty. Keys without a default stay absent.
    """
    schema = resolved(schema, root)
    if value is None and schema.get("default") == {}:
        value = {}
    if not isinstance(value, dict):
        return value
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    filled = {}
    for key, below in value.items():
        part = named.get(key, others)
        filled[key] = with_defaults(part, below, root) if isinstance(part, dict) else below
    if not isinstance(others, dict):  # a map is not filled: what stands in it was chosen
        for key, part in named.items():
            default = resolved(part, root).get("default", _ABSENT)
            if key not in value and default is not _ABSENT:
                filled[key] = with_defaults(part, default, root)
    return filled


def complaints(name: str, values: Any, spans: Spans, rules: str) -> list[tuple[Diagnostic, Path]]:
    """Return everything that `schemas/NAME.schema.json` has against `values`, each with the path to leave out.

    Args:
        rules: the prefix of the rules' names: `run` gives `run_type`, `run_unknown_key` and so on.
    """
    if is_valid(name, values):
        return []
    import jsonschema

    root = load_schema(name)
    explainer = _Explainer(name, spans, rules)
    errors: Any = jsonschema.Draft7Validator(root).iter_errors(values)
    return [found for error in errors for found in explainer.explain(error)]


class _Explainer:
    def __init__(self, name: str, spans: Spans, rules: str) -> None:
        self.name = name
        self.root = load_schema(name)
        self.spans = spans
        self.rules = rules
        self.suggestions = 0

    def explain(self, error: Any) -> Iterator[tuple[Diagnostic, Path]]:
        """Yield what one complaint of jsonschema comes to: several unknown keys are one complaint there."""
        path: Path = tuple(error.absolute_path)
        match error.validator:
            case "anyOf" | "oneOf":
                yield from self._alternatives(error, path)
            case "additionalProperties":
                known = error.schema.get("properties", {})
                for key in error.instance:
                    if key not in known:
                        yield self._unknown_key((*path, key), list(known), path)
            case "required":
                for key in error.validator_value:
                    if key not in error.instance:
                        place = f'{_name(path)} needs "{key}"' if path else f'"{key}" is missing'
                        yield self._made("required", path, place, self._key_span(path)), path
            case _:
                if "propertyNames" in error.schema_path:
                    yield self._bad_name(error, (*path, error.instance))
                else:
                    yield self._wrong_value(error, path), path

    def _alternatives(self, error: Any, path: Path) -> Iterator[tuple[Diagnostic, Path]]:
        """Explain by the branch whose type the value has; without one, list the types."""
        branches = [resolved(branch, self.root) for branch in error.validator_value]
        groups: dict[int, list[Any]] = {}
        for below in error.context:
            groups.setdefault(below.relative_schema_path[0], []).append(below)
        kind = _type_of(error.instance)
        fitting = [index for index, branch in enumerate(branches) if kind in set(_types(branch, self.root))]
        if len(fitting) == 1:
            for below in groups.get(fitting[0], ()):
                yield from self.explain(below)
            return
        wanted = {part for branch in branches for part in _types(branch, self.root)}
        if any(below.validator == "minLength" for below in error.context):
            yield self._made("range", path, f"{_name(path)} must not be empty"), path
            return
        yield self._wrong_type(path, wanted, error.instance), path

    def _wrong_value(self, error: Any, path: Path) -> Diagnostic:
        value, limit, name = error.instance, error.validator_value, _name(path)
        match error.validator:
            case "type":
                return self._wrong_type(path, set([limit] if isinstance(limit, str) else limit), value)
            case "enum":
                return self._wrong_word(path, limit, value)
            case "const":
                return self._made("enum", path, f"{name} must be {_shown(limit)}, not {_shown(value)}")
            case "minimum":
                return self._made("range", path, f"{name} must be at least {limit}, not {_shown(value)}")
            case "exclusiveMinimum":
                return self._made("range", path, f"{name} must be above {limit}, not {_shown(value)}")
            case "maximum":
                return self._made("range", path, f"{name} must be at most {limit}, not {_shown(value)}")
            case "minLength" | "minItems":
                return self._made("range", path, f"{name} must not be empty")
            case "maxLength":
                return self._made("range", path, f"{name} must have at most {limit} characters")
            case "uniqueItems":
                return self._made("range", path, f"{name} names a value twice")
            case "pattern":
                return self._made("form", path, f"{name} {error.schema.get('patternErrorMessage', 'has a wrong form')}")
            case _:
                return self._made("type", path, f"{name}: {error.validator} is violated")

    def _wrong_type(self, path: Path, wanted: set[str], value: Any) -> Diagnostic:
        name, fix = _name(path), None
        names = [words for kind, words in TYPE_NAMES.items() if kind in wanted and kind != "null"]
        if "number" in wanted and "integer" in wanted:
            names.remove(TYPE_NAMES["integer"])
        if value is None:
            return self._made(
                "type", path, f"{name} has no value; it must be {listed(names)}: give one, or remove the key"
            )
        span = self._value_span(path)
        written = span.text
        if isinstance(value, str) and written[:1] in {'"', "'"} and _would_be(value, wanted):
            fix = Fix("remove the quotes", (Edit(span, value),))
        elif "string" in wanted and isinstance(value, bool | int | float) and len(written) < MAX_ECHO:
            fix = Fix("put it in quotes", (Edit(span, f'"{written}"'),))
        message = f"{name} must be {listed(names)}, not {TYPE_NAMES[_type_of(value)]}"
        return self._made("type", path, message, span, fix=fix)

    def _wrong_word(self, path: Path, allowed: Sequence[Any], value: Any) -> Diagnostic:
        words = [str(word) for word in allowed if word is not None]
        if not isinstance(value, str):
            value = "nothing" if value is None else _shown(value)
            return self._made("enum", path, f"{_name(path)} must be {listed(words)}, not {value}")
        message = f"{_name(path)} must be {listed(words)}, not {_shown(value)}"
        return self._made("enum", path, message, help_=did_you_mean(value, words))

    def _unknown_key(self, path: Path, known: Sequence[str], parent: Path) -> tuple[Diagnostic, Path]:
        key = str(path[-1])
        self.suggestions += 1
        hint = ""
        if self.suggestions <= MAX_SUGGESTIONS:
            homes = self._homes(key)
            known = [word for word in known if not self._deprecated(word, parent)]
            near = did_you_mean(key, known)
            hint = near or (f'"{key}" belongs under {listed(homes)}' if homes else "")
            hint = hint or f"known here: {', '.join(sorted(known))}"
        where = f' in "{".".join(map(str, parent))}"' if parent else ""
        shown = key if len(key) <= MAX_ECHO else f"{key[:MAX_ECHO]}…"
        return self._made("unknown_key", path, f'unknown key "{shown}"{where}', self._key_span(path), help_=hint), path

    def _bad_name(self, error: Any, path: Path) -> tuple[Diagnostic, Path]:
        wrong = error.schema.get("patternErrorMessage", "has a wrong form")
        if error.validator == "maxLength":
            wrong = f"must have at most {error.validator_value} characters"
        shown = str(path[-1])[:MAX_ECHO]
        return self._made("form", path, f'key "{shown}" {wrong}', self._key_span(path)), path

    def _homes(self, key: str) -> list[str]:
        """Return where else in the schema a key of this name stands, as dotted paths of its parents."""
        return _homes(self.name).get(key, [])

    def _deprecated(self, key: str, parent: Path) -> bool:
        return not parent and "doNotSuggest" in self.root.get("properties", {}).get(key, {})

    def _made(
        self, kind: str, path: Path, message: str, span: Span | None = None, help_: str = "", fix: Fix | None = None
    ) -> Diagnostic:
        place = self._value_span(path) if span is None else span
        return Diagnostic(f"{self.rules}_{kind}", place, message, subject=pointer_to(path), help=help_, fix=fix)

    def _value_span(self, path: Path) -> Span:
        return self._nearest(path)[1]

    def _key_span(self, path: Path) -> Span:
        return self._nearest(path)[0]

    def _nearest(self, path: Path) -> tuple[Span, Span]:
        while (spans := self.spans.get(pointer_to(path))) is None and path:
            path = path[:-1]
        if spans is None:
            spans = self.spans[""]
        return spans


@lru_cache(maxsize=4)
def _homes(name: str) -> dict[str, list[str]]:
    root = load_schema(name)
    homes: dict[str, list[str]] = {}
    waiting: list[tuple[Mapping[str, Any], str, int]] = [(root, "", 0)]
    while waiting:
        schema, at, depth = waiting.pop()
        schema = resolved(schema, root)
        for key, part in schema.get("properties", {}).items():
            part = resolved(part, root)
            if "deprecationMessage" in part:
                continue
            if at:
                homes.setdefault(key, []).append(at)
            if depth < 8 and at != "llm.providers":
                waiting.append((part, f"{at}.{key}" if at else key, depth + 1))
        if isinstance(schema.get("additionalProperties"), dict) and at == "llm.providers":
            waiting.append((schema["additionalProperties"], f"{at}.KEY", depth + 1))
    return {key: sorted(places) for key, places in homes.items() if len(places) <= 2}


def _types(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    schema = resolved(schema, root)
    kinds = schema.get("type", [])
    yield from [kinds] if isinstance(kinds, str) else kinds
    for branch in schema.get("anyOf", ()):
        yield from _types(branch, root)


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _would_be(text: str, wanted: set[str]) -> bool:
    """Return whether `text`, without its quotes, would have one of the types."""
    if "boolean" in wanted and text in {"true", "false"}:
        return True
    return bool(wanted & {"integer", "number"}) and text.isascii() and text.isdigit() and str(int(text[:30])) == text


def _name(path: Path) -> str:
    """Return how a message calls the value at `path`: its key, and for an item its list and place."""
    if not path:
        return "the file"
    if isinstance(path[-1], int):
        return f'item {path[-1] + 1} of "{path[-2]}"' if len(path) > 1 else f"item {path[-1] + 1}"
    return f'"{path[-1]}"'


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value) if isinstance(value, int | float) else TYPE_NAMES[_type_of(value)]
    return f'"{value}"' if len(value) <= MAX_ECHO else f'"{value[:MAX_ECHO]}…"'


def listed(words: Sequence[str]) -> str:
    """Return `a, b or c`."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
