"""What a stage may answer, as far as it makes a difference to the way the walk takes.

An answer is a turn of a scenario, so each can be played. Two answers that no condition, gate or join of the plan can
tell apart are one. A key of the context is set by the last stage that can set it before a condition reads it: setting
it earlier would lead nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from shlex import quote
from typing import Any, NamedTuple

from ..context import as_text, is_engine_key
from ..outcome import Json
from ..plan import PASSIVE_KINDS, Clause, CodergenWork, EdgeKind, FanInWork, Kind, Node, Plan, ToolWork
from ..questions import named
from ..routing import ways_on
from ..steps.human import options_of

Turn = Mapping[str, Any]  # as `schemas/scenario.schema.json` describes it

MOST_TURNS = 200  # that are tried per visit
WORKING = (Kind.CODERGEN, Kind.TOOL, Kind.MANAGER)  # they may set keys of the context; a gate and a join may not
OUTCOME_KEYS = ("outcome", "previous_outcome", "parallel.fan_in.best_outcome")
STEERED = ("outcome", "preferred_label", "failure_class")  # set with each outcome, by an answer's own fields
CLASSES = ("deterministic", "transient_infra")
UNUSUAL = "something_else"  # a value that no condition names


class Readings(NamedTuple):
    """What the conditions of a plan read."""

    values: Mapping[str, tuple[str, ...]]  # key -> what it may be, as far as conditions can tell
    engine: tuple[str, ...]  # keys of the engine
    after: Mapping[str, frozenset[str]]  # node -> own keys read there or later, before a stage can set them anew
    steers: Mapping[str, tuple[Turn, ...]]  # node -> labels and targets that a stage may prefer


def read(plan: Plan) -> Readings:
    clauses = [clause._replace(key=_key(clause)) for clause in _clauses(plan)]
    values = {key: _values([each for each in clauses if each.key == key]) for key in {each.key for each in clauses}}
    own = {node.id: frozenset(_own_keys(node)) for node in plan.nodes.values()}
    return Readings(
        values=values,
        engine=tuple(sorted(key for key in values if is_engine_key(key))),
        after=_read_after(plan, own),
        steers={node.id: tuple(_steers(plan, node)) for node in plan.nodes.values()},
    )


def _clauses(plan: Plan) -> Iterator[Clause]:
    for node in plan.nodes.values():
        for edge in node.edges:
            yield from edge.when


def _key(clause: Clause) -> str:
    return clause.key.removeprefix("context.")


def _values(clauses: Sequence[Clause]) -> tuple[str, ...]:
    """Return every value that the clauses name, and one that none of them does."""
    named_ = dict.fromkeys(clause.literal for clause in clauses if clause.op != "set")
    if any(clause.op == "set" for clause in clauses) and set(named_) <= {"", "false"}:
        named_["true"] = None
    return (*named_, "" if "" not in named_ else UNUSUAL)


def _own_keys(node: Node) -> Iterator[str]:
    for edge in node.edges:
        yield from (_key(clause) for clause in edge.when if not is_engine_key(_key(clause)))


def _read_after(plan: Plan, own: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """Return for each node the keys that are read once it has ended, before another stage could set them."""
    after = dict(own)
    changed = True
    while changed:
        changed = False
        for node in plan.nodes.values():
            behind = (after[way.to] for way in ways_on(plan, node) if plan.nodes[way.to].kind not in WORKING)
            keys = own[node.id].union(*behind)
            changed, after[node.id] = changed or keys != after[node.id], keys
    return after


def _steers(plan: Plan, node: Node) -> Iterator[Turn]:
    """Yield what an answer may prefer, at the node itself and at the conditionals that pass its outcome on."""
    yield {}
    seen: dict[str, None] = {}
    for place in _passed_on_to(plan, node):
        plain = [edge for edge in place.edges if edge.kind in (EdgeKind.ELSE, EdgeKind.ALWAYS, EdgeKind.THEN)]
        for edge in plain[1:]:
            seen.setdefault(f"to {edge.to}")
        for edge in place.edges:
            for clause in edge.when:
                if clause.key == "preferred_label":
                    seen.setdefault(clause.literal if clause.op != "set" else UNUSUAL)
    for text in seen:
        if text.startswith("to "):
            yield {"suggested_next_ids": [text[3:]]}
        elif text:
            yield {"preferred_label": text}


def _passed_on_to(plan: Plan, node: Node) -> Sequence[Node]:
    found, waiting = {node.id: node}, [node]
    while waiting:
        for way in ways_on(plan, waiting.pop()):
            target = plan.nodes[way.to]
            if target.kind in PASSIVE_KINDS and target.id not in found:
                found[target.id] = target
                waiting.append(target)
    return list(found.values())


class Menu:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.readings = read(plan)
        self.cut: set[str] = set()  # nodes with more answers than are tried

    def turns(self, node: Node, context: Mapping[str, Json], ids: Sequence[str] = ()) -> list[Turn]:
        """Return the answers to try, the plainest first.

        Args:
            context: that the stage finds; a key that has its value already is not set.
            ids: the branches that a join with a prompt may choose.
        """
        match node.kind:
            case Kind.HUMAN:
                answers = self._of_gate(node)
            case Kind.FAN_IN:
                answers = iter([*({"preferred_label": id_} for id_ in ids), *_failures(CLASSES)])
            case _:
                answers = self._of_stage(node, context)
        found = list(islice(answers, MOST_TURNS + 1))
        if len(found) > MOST_TURNS:
            self.cut.add(node.id)
        return found[:MOST_TURNS]

    def _of_gate(self, node: Node) -> Iterator[Turn]:
        options = options_of(node)
        for option in {option.target: option for option in reversed(options)}.values():
            words = (option.label, option.target, option.accelerator)
            word = next((word for word in words if named(options, word) is option), None)
            if word is not None:
                yield {"preferred_label": word}
        yield {"status": "fail", "failure_class": "deterministic", "failure_reason": "nobody answered"}

    def _of_stage(self, node: Node, context: Mapping[str, Json]) -> Iterator[Turn]:
        updates = list(self._updates(node, context))
        for said, update, steer in product(self._said(node), updates, self.readings.steers[node.id]):
            if said.get("status") == "fail" and "suggested_next_ids" in steer:
                continue  # a failure takes no plain edge
            turn = {**said, **steer}
            if update:
                turn["context_updates"] = update
            if said.get("status", "success") not in ("fail", "retry"):
                turn.update(promises(node))
            yield turn

    def _updates(self, node: Node, context: Mapping[str, Json]) -> Iterator[Mapping[str, str]]:
        keys = sorted(self.readings.after[node.id])
        now = {key: as_text(context.get(key)) for key in keys}
        choices = [sorted(self.readings.values[key], key=lambda value, at=key: value != now[at]) for key in keys]  # type: ignore[misc]
        for values in product(*choices):
            yield {key: value for key, value in zip(keys, values, strict=True) if value != now[key]}

    def _said(self, node: Node) -> Iterator[dict[str, Any]]:
        """Yield how the stage may end, and what it may print."""
        for word in self._words(node):
            texts = list(self._texts(node, failed=word in ("fail", "retry")))
            if word == "fail":
                yield from ({**failure, **text} for failure, text in product(self._failures(), texts))
            elif word == "retry":
                yield from ({**failure, "status": word, **text} for failure, text in product(self._failures(), texts))
            else:
                yield from ({**({} if word == "success" else {"status": word}), **text} for text in texts)

    def _words(self, node: Node) -> Iterator[str]:
        """Yield the words that make a difference."""
        clauses = [clause for clause in _clauses(self._plan) if _key(clause) in OUTCOME_KEYS]
        compared = {clause.literal for clause in clauses}
        differs = any(clause.op == "!=" for clause in clauses)
        for word in node.outcomes:
            match word:
                case "success" | "fail":
                    yield word
                case "retry":
                    if any(clause[1:] == ("=", "retry") for edge in node.edges for clause in edge.when):
                        yield word
                case "partial_success":
                    if word in compared or differs:
                        yield word
                case _:
                    if word in compared or node.goal_gate:
                        yield word

    def _failures(self) -> Iterator[Turn]:
        known = [word for word in self.readings.values.get("failure_class", ()) if word not in ("", UNUSUAL, *CLASSES)]
        named_ = [word for word in known if word in ("budget_exhausted", "structural")]
        reasons = [text for text in self.readings.values.get("failure_reason", ()) if text not in ("", UNUSUAL)]
        for failure in _failures((*CLASSES, *named_)):
            yield failure
            yield from ({**failure, "failure_reason": reason} for reason in reasons)

    def _texts(self, node: Node, *, failed: bool) -> Iterator[Turn]:
        """Yield what the stage may print, where conditions read it."""
        yield {}
        key = "tool.output" if node.kind is Kind.TOOL else "last_response"
        for text in self.readings.values.get(key, ()):
            if text:
                yield {"text": text}
        if node.kind is Kind.TOOL:
            for code in self.readings.values.get("tool.exit_status", ()):
                if code.isascii() and code.isdigit() and int(code) <= 255 and bool(int(code)) == failed:
                    yield {"exit_code": int(code)}


def _failures(classes: Sequence[str]) -> Iterator[Turn]:
    for failure_class in classes:
        yield {"status": "fail", "failure_class": failure_class}


def promises(node: Node) -> Turn:
    """Return what makes the outputs exist that the stage promises, and leaves alone those that do."""
    outputs = node.work.outputs if isinstance(node.work, ToolWork | CodergenWork) else ()
    made = [
        f"test -e {quote(path)} || {{ mkdir -p -- \"$(dirname -- {quote(path)})\" && touch -- {quote(path)}; }}"
        for path in outputs
    ]  # fmt: skip
    return {"commands": made} if made else {}


def asks(node: Node) -> bool:
    """Return whether the join lets a model choose."""
    return isinstance(node.work, FanInWork) and node.work.prompt is not None
