"""Rules about what follows a node: every outcome needs a way on, and the way must be the one that was meant."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from ..condition import OUTCOMES
from ..diagnostics import Diagnostic, Fix, Related, Severity
from ..graph import Kind, Route
from ..passes.resolve_routes import normalise_label
from .conjunctions import LABEL, OUTCOME, Need, Needs, needs_of
from .edits import with_condition
from .facts import condition_span, domain_of, flag, kind_of, listed
from .registry import Check, Project, Rule
from .told import Told

RULES: tuple[Rule, ...] = (
    Rule(
        "routing_not_exhaustive",
        Severity.ERROR,
        "an outcome matches no edge of a node, and there is no edge without a condition",
        "When a stage ends with such an outcome the run fails there. It is an error for an outcome that the stage is "
        "told to report, else a note; an unrouted failure ends the run by design.",
        whole=True,
    ),
    Rule(
        "lexical_tiebreak",
        Severity.WARNING,
        "two edges without condition, label or weight leave a node",
        "Nothing fans out but a component: the one edge that is taken is the one whose target sorts first. "
        "Other engines take both.",
    ),
    Rule(
        "label_used_as_condition",
        Severity.ERROR,
        "edges are labelled like outcomes, but have no conditions",
        "A label only names a choice; it does not look at the outcome. After a success the route is then picked by "
        "weight and name, and after a failure there is none.",
        fix="unsafe",
    ),
)

MOST_CASES = 4096  # combinations of values that are tried at one node
_MOST_STEPS = 1_000_000  # comparisons in one graph
_OTHER = "\0"  # stands for any value that no condition names

# Labels that say how a stage ended, with the condition that was meant.
_OUTCOME_LABELS = {
    "success": "outcome=success", "pass": "outcome=success", "passed": "outcome=success", "yes": "outcome=success",
    "ok": "outcome=success", "fail": "outcome=fail", "failed": "outcome=fail", "no": "outcome=fail",
    "error": "outcome=fail", "retry": "outcome=fail", "failure": "outcome=fail",
}  # fmt: skip


class Gap(NamedTuple):
    """An outcome that no edge takes; `when`: the values of other keys with which that is so, none if it always is."""

    outcome: str
    when: tuple[tuple[str, str], ...]


# --- exhaustiveness


def check_exhaustive(project: Project) -> Iterator[Diagnostic]:
    """routing_not_exhaustive."""
    graph, told, steps = project.graph, Told(project), 0
    for node, routes in graph.routes.items():
        if not routes or any(route.kind != "if" or not route.edge.condition for route in routes):
            continue
        words = _words_to_route(project, node)
        steps += len(words) * len(routes)
        ways = [
            _labels_folded(needs, kind_of(graph, node)) for route in routes if (needs := needs_of(route.edge.condition))
        ]
        labels = _labels(routes) if kind_of(graph, node) is Kind.HUMAN else None
        gaps: list[Gap] = []
        for outcome in words:
            cases = _cases(ways, outcome, labels)
            steps += 0 if cases is None else cases.size
            if cases is None or steps > _MOST_STEPS:
                yield _too_complex(project, node)
                break
            gap = cases.first_gap(outcome)
            if gap is not None:
                gaps.append(gap)
        yield from _about_gaps(project, told, node, gaps)


def _words_to_route(project: Project, node: str) -> list[str]:
    """Return the outcomes that need an edge: not `retry`, and not a failure that something else takes care of."""
    words = domain_of(project, node) - {"retry"}
    if kind_of(project.graph, node) is not Kind.CONDITIONAL or project.graph.on_fail.get(node):
        words -= {"fail"}
    return [word for word in OUTCOMES if word in words] + sorted(words - {*OUTCOMES})


class _Cases(NamedTuple):
    """The edges that may take one outcome, and the values of the other keys that have to be tried."""

    ways: Sequence[Needs]
    keys: Sequence[str]
    values: Sequence[Sequence[str]]
    size: int

    def first_gap(self, outcome: str) -> Gap | None:
        """Return the first case that no edge takes; a label that no edge takes at all goes before the others."""
        for key, values in zip(self.keys, self.values, strict=True):
            if key == LABEL:
                for value in values:
                    if not any(LABEL not in way or way[LABEL].allows(value) for way in self.ways):
                        return Gap(outcome, ((LABEL, value),))
        for case in product(*self.values):
            held = dict(zip(self.keys, case, strict=True))
            if not any(all(need.allows(held[key]) for key, need in way.items()) for way in self.ways):
                return Gap(outcome, tuple(held.items()))
        return None


def _cases(ways: Sequence[Needs], outcome: str, labels: Sequence[str] | None) -> _Cases | None:
    """Return what has to be tried for `outcome`; None when that is too much.

    Args:
        labels: the only values of `preferred_label`, at a human gate; None: it may be anything.
    """
    open_ways = [
        {key: need for key, need in way.items() if key != OUTCOME}
        for way in ways
        if OUTCOME not in way or way[OUTCOME].allows(outcome)
    ]
    if any(not way for way in open_ways):
        return _Cases([{}], (), (), 1)
    keys = sorted({key for way in open_ways for key in way})
    values = [
        labels if key == LABEL and labels is not None and outcome != "fail" else _values(open_ways, key) for key in keys
    ]
    size = 1
    for each in values:
        size *= len(each)
        if size > MOST_CASES:
            return None
    return _Cases(open_ways, keys, values, size * (len(open_ways) + 1))


def _values(ways: Sequence[Needs], key: str) -> list[str]:
    named: dict[str, None] = {}
    for way in ways:
        need = way.get(key)
        if need is not None:
            named.update(dict.fromkeys([need.equal] if need.equal is not None else sorted(need.differs)))
    return [_OTHER, *(value for value in named if value), ""]


def _labels(routes: Sequence[Route]) -> list[str]:
    return list(dict.fromkeys(normalise_label(route.label or route.edge.target) for route in routes))


def _labels_folded(needs: Needs, kind: Kind | None) -> Needs:
    """Return `needs` with the labels that a human gate offers as they are compared."""
    need = needs.get(LABEL)
    if kind is not Kind.HUMAN or need is None:
        return needs
    equal = None if need.equal is None else normalise_label(need.equal)
    return {**needs, LABEL: Need(equal, frozenset(normalise_label(value) for value in need.differs))}


def _too_complex(project: Project, node: str) -> Diagnostic:
    return Diagnostic(
        "routing_not_exhaustive",
        project.graph.nodes[node].span,
        f'the conditions of "{node}" are too many to find out whether every outcome has an edge',
        Severity.INFO,
        subject=node,
        help="add an edge without a condition",
    )


def _about_gaps(project: Project, told: Told, node: str, gaps: Sequence[Gap]) -> Iterator[Diagnostic]:
    expected = _expected(project, told, node) if gaps else frozenset()
    errors = [
        gap for gap in gaps if gap.outcome != "fail" and gap.outcome in expected and _is_certain(project, node, gap)
    ]
    for found, severity in ((errors, None), ([gap for gap in gaps if gap not in errors], Severity.INFO)):
        if found:
            stages = [stage for stage in told.feeders(node) if stage != node]
            whose = f", with which {listed(stages)} may end" if len(stages) in {1, 2} else ""
            yield Diagnostic(
                "routing_not_exhaustive",
                project.graph.nodes[node].span,
                f'no edge of "{node}" matches {_shown(found)}{whose}; the run would fail there',
                severity,
                subject=node,
                related=tuple(
                    Related(condition_span(route.edge), f'the edge to "{route.edge.target}"')
                    for route in project.graph.routes[node][:4]
                ),
                help="add an edge without a condition, or one for "
                + ("this outcome" if len(found) == 1 else "these outcomes"),
            )


def _is_certain(project: Project, node: str, gap: Gap) -> bool:
    """Whether the gap does not hang on context values that nobody can know beforehand."""
    known = kind_of(project.graph, node) is Kind.HUMAN
    return all(known and key == LABEL and value != _OTHER for key, value in gap.when)


def _expected(project: Project, told: Told, node: str) -> frozenset[str]:
    """Return the outcomes that prompts name and attributes allow; success where a stage is told nothing else."""
    graph, words = project.graph, set[str]()
    for stage in told.feeders(node):
        attributes, named = graph.nodes[stage].attributes, told.named(stage)
        words.update(named)
        if not named or kind_of(graph, stage) is not Kind.CODERGEN or flag(attributes, "auto_status"):
            words.add("success")
        if flag(attributes, "allow_partial") and stage not in project.analysis.retry_routed:
            words.add("partial_success")
    return frozenset(words)


def _shown(gaps: Sequence[Gap]) -> str:
    plain = [gap.outcome for gap in gaps if not gap.when]
    shown = (
        [f"outcome={', '.join(plain[:-1])} or {plain[-1]}" if len(plain) > 1 else f"outcome={plain[0]}"]
        if plain
        else []
    )
    for gap in gaps[: 3 if not plain else 2]:
        if gap.when:
            values = " and ".join(f"{key} {_value_shown(value)}" for key, value in gap.when)
            shown.append(f"outcome={gap.outcome} with {values}")
    return ", nor ".join(shown)


def _value_shown(value: str) -> str:
    return "of any other value" if value == _OTHER else f'"{value}"' if value else "not set"


# --- labels and ties


def check_labels(project: Project) -> Iterator[Diagnostic]:
    """label_used_as_condition, lexical_tiebreak: nodes with several edges that have no condition."""
    graph, told = project.graph, None
    for node, routes in graph.routes.items():
        plain = [route for route in routes if route.kind in {"then", "else"}]
        if len(plain) < 2:
            continue
        kind = kind_of(graph, node)
        labelled = [route for route in plain if route.match in _OUTCOME_LABELS]
        if labelled and kind in {Kind.CODERGEN, Kind.TOOL, Kind.CONDITIONAL}:
            told = told or Told(project)
            if not _chooses_by_label(project, told, node):
                yield from _labels_as_conditions(project, labelled)
                continue
        best = [route for route in plain if not route.match and route.weight == plain[0].weight]
        if len({route.edge.target for route in best}) > 1 and kind is not Kind.HUMAN:
            yield _tie(project, node, best)


def _chooses_by_label(project: Project, told: Told, node: str) -> bool:
    """Whether a stage whose outcome arrives here is told to report a label."""
    stages = told.feeders(node)
    return any(
        kind_of(project.graph, stage) is Kind.HUMAN or "preferred" in told.text(stage).lower() for stage in stages
    )


def _labels_as_conditions(project: Project, routes: Sequence[Route]) -> Iterator[Diagnostic]:
    for route in routes:
        edge, condition = route.edge, _OUTCOME_LABELS[route.match]
        edit = with_condition(project.graph, edge, condition)
        label = edge.attributes["label"]
        yield Diagnostic(
            "label_used_as_condition",
            label.value_span,
            f'label="{label.text}" does not make this edge wait for that outcome; write condition="{condition}"',
            subject=edge.name,
            fix=Fix(f'add condition="{condition}"', (edit,), safe=False) if edit else None,
        )


def _tie(project: Project, node: str, routes: Sequence[Route]) -> Diagnostic:
    winner = routes[0].edge
    others = list(dict.fromkeys(route.edge.target for route in routes if route.edge.target != winner.target))
    return Diagnostic(
        "lexical_tiebreak",
        project.graph.nodes[node].span,
        f'nothing chooses among the edges of "{node}": "{winner.target}" is taken because its name sorts first, '
        f"and {listed(others[:3], 'and')} {'is' if len(others) == 1 else 'are'} not",
        subject=node,
        related=tuple(Related(route.edge.span, f'the edge to "{route.edge.target}"') for route in routes[:4]),
        help="give the edges conditions, labels or weights; to run all of them, use shape=component",
    )


CHECKS: tuple[Check, ...] = (check_exhaustive, check_labels)
