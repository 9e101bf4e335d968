"""What stages are told: the outcome words in their prompts, and whose outcome arrives at which node."""

import re
from collections.abc import Iterator

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
_TOKEN = re.compile(r"[a-z0-9_]++")
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
        self._tokens: dict[str, frozenset[str]] = {}

    def named(self, stage: str) -> dict[str, tuple[int, int]]:
        """Return the outcome words in the prompt of `stage`, with their places in the prompt as written."""
        if stage not in self._named:
            prompt = self._project.graph.prompts.get(stage)
            self._named[stage] = {} if prompt is None else words_named(prompt.written.text)
        return self._named[stage]

    def mentions(self, node: str, word: str) -> bool:
        """Whether a stage whose outcome arrives at `node` is told `word`, in whatever sentence."""
        word = word.lower()
        if _TOKEN.fullmatch(word) is None:
            return any(word in self.text(stage).lower() for stage in self.feeders(node))
        return any(word in self._tokens_of(stage) for stage in self.feeders(node))

    def _tokens_of(self, stage: str) -> frozenset[str]:
        if stage not in self._tokens:
            self._tokens[stage] = frozenset(_TOKEN.findall(self.text(stage).lower()))
        return self._tokens[stage]

    def text(self, stage: str) -> str:
        """Return all that a stage is told: its prompt and its command."""
        graph = self._project.graph
        prompt, command = graph.prompts.get(stage), graph.nodes[stage].attributes.get("tool_command")
        return "\n".join([prompt.written.text if prompt else "", command.text if command else ""])

    def feeders(self, node: str) -> tuple[str, ...]:
        """Return the stages whose outcome arrives at `node`: itself, or those before a conditional node.

        Stages that only a catch leads there are not among them: nothing but their failure arrives.
        """
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
            fresh = [each for each in dict.fromkeys(edge.source for edge in graph.incoming[at]) if each not in seen]
            seen.update(fresh)
            pending.extend(fresh)

    def misspelt(self, node: str, word: str) -> str:
        """Return the outcome that `word`, which a condition at `node` compares, was probably meant to be, or ""."""
        if not word or word in OUTCOMES or self.mentions(node, word):
            return ""
        told = {each for stage in self.feeders(node) for each in self.named(stage)}
        for known in (*OUTCOMES, *sorted(told)):
            if is_near(word, known):
                return known
        return ""
