"""The plan as bytes: a digest over its canonical JSON, a layout that people can read, a last look by the schema."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from .plan import Plan
from .schema import load_schema

_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode
_canonical = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode


class InvalidPlan(Exception):
    """The schema refuses a plan of ours: `place` is a JSON pointer into it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place or 'the plan'}: {reason}")
        self.place = place


class Written(NamedTuple):
    digest: str
    content: bytes  # of plan.json


def digest_of(plan: Mapping[str, object]) -> str:
    """Return the sha256 over the canonical JSON (sorted keys, no blanks, UTF-8) of everything but `digest`."""
    return _digest(_canonical({key: value for key, value in plan.items() if key != "digest"}))


def _digest(canonical: str) -> str:
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def emit(plan: Plan) -> Written:
    """Return `plan` as it is written, with its digest.

    Raises:
        InvalidPlan: `schemas/plan.schema.json` does not accept it, which is a mistake of the compiler.
    """
    parts = {key: _part(key, value) for key, value in plan.items() if key != "digest"}
    digest = _digest("{" + ",".join(f'"{key}":{parts[key].canonical}' for key in sorted(parts)) + "}")
    validate({**plan, "digest": digest})
    shown = (f'  "{key}": {_line(digest) if key == "digest" else parts[key].shown}' for key in plan)
    return Written(digest, ("{\n" + ",\n".join(shown) + "\n}\n").encode())


def validate(plan: Mapping[str, object]) -> None:
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(load_schema("plan"))
    if validator.is_valid(plan):
        return
    error = next(validator.iter_errors(plan))
    raise InvalidPlan("".join(f"/{part}" for part in error.instance_path), error.message[:300])


# Layout: a field a line, and a line for each edge, source, provider and provenance subject. Whatever is deeper stands
# on one line. Nodes and provenance are nearly all of a plan: their values are encoded once, for the file and for the
# digest, so that what is within a value has its keys sorted.


class _Part(NamedTuple):
    """A value in the file, and as canonical JSON."""

    shown: str
    canonical: str


def _part(key: str, value: Any) -> _Part:
    match key:
        case "nodes":
            return _Nodes().all(value)
        case "provenance":
            return _subjects(value)
        case _:
            return _Part(_expanded(value), _canonical(value))


def _expanded(value: object) -> str:
    """Return a container of the plan itself with one line per entry, anything else on one line."""
    if isinstance(value, dict):
        return _block("{}", [f"{_line(key)}: {_line(each)}" for key, each in value.items()], "  ")
    return _block("[]", list(map(_line, value)), "  ") if isinstance(value, list) else _line(value)


def _block(brackets: str, lines: Sequence[str], indent: str) -> str:
    if not lines:
        return brackets
    return f"{brackets[0]}\n{indent}  " + f",\n{indent}  ".join(lines) + f"\n{indent}{brackets[1]}"


def _subjects(provenance: Mapping[str, object]) -> _Part:
    entries = {subject: _canonical(fields) for subject, fields in provenance.items()}
    lines = [f"{_line(subject)}: {fields}" for subject, fields in entries.items()]
    canonical = ",".join([f"{_line(subject)}:{entries[subject]}" for subject in sorted(entries)])
    return _Part(_block("{}", lines, "  "), f"{{{canonical}}}")


class _Form(NamedTuple):
    """How objects with the same fields are written: templates for their values."""

    shown: str
    canonical: str
    ordered: Callable[[Sequence[str]], tuple[str, ...]]  # values in the order of `canonical`


def _form(fields: Sequence[str], separator: str = ", ", start: str = "{", end: str = "}") -> _Form:
    names = [_line(field).replace("%", "%%") for field in fields]
    order = sorted(range(len(fields)), key=fields.__getitem__)
    return _Form(
        start + separator.join([f"{name}: %s" for name in names]) + end,
        "{" + ",".join([f"{names[at]}:%s" for at in order]) + "}",
        itemgetter(*order),
    )


class _Nodes:
    """Writes nodes and their edges. A value that several of them share is encoded once."""

    def __init__(self) -> None:
        self.forms: dict[tuple[str, ...], _Form] = {}
        self.encoded: dict[int, str] = {}  # by identity: the plan keeps all its values

    def all(self, nodes: Sequence[Mapping[str, Any]]) -> _Part:
        parts = [self._node(node) for node in nodes]
        shown = _block("[]", [part.shown for part in parts], "  ")
        return _Part(shown, f"[{','.join([part.canonical for part in parts])}]")

    def _node(self, node: Mapping[str, Any]) -> _Part:
        fields = dict(node)
        edges = [self._edge(edge) for edge in fields.pop("edges")]  # they stand last
        names = (*fields, "edges")
        form = self.forms.get(names)
        if form is None:
            form = self.forms[names] = _form(names, ",\n      ", "{\n      ", "\n    }")
        values = self._encoded(fields.values())
        shown = form.shown % (*values, _block("[]", [edge.shown for edge in edges], "      "))
        values.append(f"[{','.join([edge.canonical for edge in edges])}]")
        return _Part(shown, form.canonical % form.ordered(values))

    def _edge(self, edge: Mapping[str, Any]) -> _Part:
        names = tuple(edge)
        form = self.forms.get(names)
        if form is None:
            form = self.forms[names] = _form(names)
        values = self._encoded(edge.values())
        return _Part(form.shown % tuple(values), form.canonical % form.ordered(values))

    def _encoded(self, values: Iterable[object]) -> list[str]:
        encoded, texts = self.encoded, []
        for value in values:
            text = encoded.get(id(value))
            if text is None:
                text = encoded[id(value)] = _canonical(value)
            texts.append(text)
        return texts
