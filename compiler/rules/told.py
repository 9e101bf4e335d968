"""What stages are told: the outcome words in their prompts, and whose outcome arrives at which node."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from ..condition import OUTCOME_DIALECT, OUTCOMES
from ..graph import Kind
from ..suggest import distance
from .facts import kind_of
from .registry import Project

_NAMED = re.compile(
    r"""\boutcome\s*+=\s*+["'`]?(?P<assigned>[a-z][a-z0-9_]*+(?:["'`]?[|/]["'`]?[a-z][a-z0-9_]*+)*+)"""
    r"""|["'](?:outcome|status)["']\s*+:\s*+["'](?P<json>[a-z][a-z0-9_]*+(?:[|/][a-z][a-z0-9_]*+)*+)["']""",
)
_WORD = re.compile(r"[a-z][a-z0-9_]*+")
_STATUS_CONTRACT = re.compile(r"STAGE_STATUS|ATTRACTOR_STATUS|status\.json|report_outcome|failure_reason")
_MOST_FEEDERS = 256  # stages that are looked at before one conditional node; beyond, nothing is claimed


def speaks_of_status(text: str) -> bool:
    """Whether a prompt mentions the status contract: a JSON `status` elsewhere may be that of an API under test."""
    return _STATUS_CONTRACT.search(text) is not None


def words_named(text: str) -> dict[str, tuple[int, int]]:
    """Return the outcome words that a prompt tells a stage to report, canonical, each with where it first stands.

    They are `outcome=word` and `outcome=a|b`, and, in a prompt that speaks of the status contract, `"outcome": "word"`
    and `"status": "word"`.
    """
    found: dict[str, tuple[int, int]] = {}
    with_json = speaks_of_status(text)
    for match in _NAMED.finditer(text):
        group = "assigned" if match["assigned"] else "json"
        if group == "json" and not with_json:
            continue
        start = match.start(group)
        for each in _WORD.finditer(match[group]):
            name = OUTCOME_DIALECT.get(each[0], each[0])
            found.setdefault(name, (start + each.start(), start + each.end()))
    if "partial_success" not in found and (at := text.find("partial_success")) >= 0:
        found["partial_success"] = (at, at + len("partial_success"))
    return found


def is_near(word: str, known: str) -> bool:
    """Whether `word` looks like `known` misspelt: one mistake, two in a long word, or other capitals."""
    most = 2 if len(word) >= 7 else 1
    return word != known and distance(word.lower(), known, most) <= most


class Told:
    """Answers about one project; every prompt is read at most once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._named: dict[str, dict[str, tuple[int, int]]] = {}
        self._feeders: dict[str, tuple[str, ...]] = {}

    def named(self, stage: str) -> dict[str, tuple[int, int]]:
        """Return the outcome words in the prompt of `stage`, with their places in the prompt as written."""
        if stage not in self._named:
            prompt = self._project.graph.prompts.get(stage)
            self._named[stage] = {} if prompt is None else words_named(prompt.written.text)
        return self._named[stage]

    def expected(self, node: str) -> frozenset[str]:
        """Return the words that the prompts and attributes of the stages whose outcome arrives at `node` name."""
        words = {"success"}
        for stage in self.feeders(node):
            words.update(self.named(stage))
        return frozenset(words)

    def mentions(self, node: str, word: str) -> bool:
        """Whether a stage whose outcome arrives at `node` is told `word`, in whatever words."""
        pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", re.IGNORECASE)
        return any(pattern.search(self.text(stage)) is not None for stage in self.feeders(node))

    def text(self, stage: str) -> str:
        """Return all that a stage is told: its prompt and its command."""
        graph = self._project.graph
        prompt, command = graph.prompts.get(stage), graph.nodes[stage].attributes.get("tool_command")
        return "\n".join([prompt.written.text if prompt else "", command.text if command else ""])

    def feeders(self, node: str) -> tuple[str, ...]:
        """Return the stages whose outcome arrives at `node`: itself, or those before a conditional node."""
        if node not in self._feeders:
            self._feeders[node] = tuple(self._find_feeders(node))
        return self._feeders[node]

    def _find_feeders(self, node: str) -> Iterator[str]:
        graph = self._project.graph
        seen, pending = {node}, [node]
        while pending and len(seen) <= _MOST_FEEDERS:
            at = pending.pop()
            if kind_of(graph, at) is not Kind.CONDITIONAL:
                yield at
                continue
            before = [*(edge.source for edge in graph.incoming[at]), *self._caught.get(at, ())]
            fresh = [source for source in dict.fromkeys(before) if source not in seen]
            seen.update(fresh)
            pending.extend(fresh)

    @cached_property
    def _caught(self) -> Mapping[str, list[str]]:
        caught: dict[str, list[str]] = {}
        for stage, catch in self._project.graph.catches.items():
            caught.setdefault(catch.node, []).append(stage)
        return caught

    def misspelt(self, node: str, word: str) -> str:
        """Return the outcome that `word`, which a condition at `node` compares, was probably meant to be, or ""."""
        if not word or word in OUTCOMES or self.mentions(node, word):
            return ""
        for known in (*OUTCOMES, *sorted(self.expected(node))):
            if is_near(word, known):
                return known
        return ""
