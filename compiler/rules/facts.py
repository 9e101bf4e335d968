"""Small questions that rules of several subjects ask of a graph."""

from collections.abc import Iterable, Sequence

from ..analysis import Analysis
from ..attributes import read_bool, read_str, specs
from ..condition import OUTCOMES
from ..graph import Attribute, Attributes, Edge, Graph, Kind
from ..source import Span
from ..suggest import closest
from .registry import Project

WORKING = frozenset({Kind.CODERGEN, Kind.TOOL, Kind.HUMAN, Kind.PARALLEL, Kind.FAN_IN, Kind.MANAGER})
"""Kinds that do something; the rest only mark places."""


_ANY = frozenset(OUTCOMES)
SATISFYING = frozenset({"success", "partial_success"})


def kind_of(graph: Graph, node: str) -> Kind | None:
    """Return the kind of `node`, None where neither shape nor type says."""
    found = graph.kinds.get(node)
    return None if found is None else found.value


def flag(attributes: Attributes, key: str, scope: str = "node") -> bool:
    return read_bool(attributes, specs(scope)[key]) is True


def word(attributes: Attributes, key: str, scope: str = "node") -> str:
    """Return the text of an attribute, "" when it is absent or unusable."""
    return read_str(attributes, specs(scope)[key]) or ""


def is_failure_exit(graph: Graph, node: str) -> bool:
    return word(graph.nodes[node].attributes, "exit_status") == "fail"


def is_success_exit(graph: Graph, node: str) -> bool:
    return kind_of(graph, node) is Kind.EXIT and not is_failure_exit(graph, node)


def value_span(attribute: Attribute | None, otherwise: Span) -> Span:
    return otherwise if attribute is None else attribute.value_span


def condition_span(edge: Edge) -> Span:
    """Return where the condition of `edge` is written, the edge itself when it has none."""
    return value_span(edge.attributes.get("condition"), edge.span)


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return `"a"`, `"a" or "b"`, `"a", "b" or "c"`."""
    quoted = [f'"{each}"' for each in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def some(words: Sequence[str], most: int = 4) -> str:
    """Return the first of `words` and how many more there are."""
    shown = ", ".join(f'"{each}"' for each in words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def domain_of(project: Project, node: str) -> frozenset[str]:
    """Return the outcome words with which the edges of `node` may have to deal."""
    return project.analysis.domains.get(node, _ANY)


class Nearby:
    """Known words near unknown ones, while that costs little: each question looks at every known word."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = tuple(known)
        self._left = 100_000  # comparisons

    def closest(self, word: str) -> list[str]:
        """Return the one or two words that `word` may have meant."""
        self._left -= len(self._known)
        return closest(word, self._known, 2) if self._left > -len(self._known) else []

    @staticmethod
    def hint(near: Sequence[str]) -> str:
        return f"did you mean {listed(near)}?" if near else ""


def closed_loops(analysis: Analysis) -> list[frozenset[str]]:
    """Return the cycles that no edge leaves and in which no run can end."""
    return [
        loop
        for loop in analysis.components
        if loop.isdisjoint(analysis.exits)
        and all(target in loop for node in loop for target in analysis.successors[node])
    ]
