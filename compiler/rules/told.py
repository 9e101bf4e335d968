"""What stages are told: the outcome words in their prompts, and whose outcome arrives at which node."""

import re
from collections.abc import Mapping
from functools import cached_property

from .. import flow
from ..condition import OUTCOME_DIALECT, OUTCOMES
from ..graph import Kind
from ..suggest import distance
from .facts import kind_of
from .registry import Project

# Compiled where they are first used: many pipelines have no prompt that speaks of outcomes.
_NAMED = (
    r"""\boutcome\s*+=\s*+["'`]?(?P<assigned>[a-z][a-z0-9_]*+(?>(?:["'`]?[|/]["'`]?[a-z][a-z0-9_]*+)*))"""
    r"""|["'](?:outcome|status)["']\s*+:\s*+["'](?P<json>[a-z][a-z0-9_]*+(?>(?:[|/][a-z][a-z0-9_]*+)*))["']"""
)
_WORD = r"[a-z][a-z0-9_]*+"
_PART = r"[a-z0-9_]++"
_OF_STATUS = ("STAGE_STATUS", "ATTRACTOR_STATUS", "status.json", "report_outcome", "failure_reason")
_MOST_FEEDERS = 64  # stages before one conditional node; beyond, nothing is claimed about what arrives there
_MOST_WORDS = 64  # in one prompt that a misspelt one is compared with


def speaks_of_status(text: str) -> bool:
    """Whether a prompt mentions the status contract: a JSON `status` elsewhere may be that of an API under test."""
    return any(sign in text for sign in _OF_STATUS)


def words_named(text: str) -> dict[str, tuple[int, int]]:
    """Return the outcome words that a prompt tells a stage to report, canonical, each with where it first stands.

    They are `outcome=word` and `outcome=a|b`, and, in a prompt that speaks of the status contract, `"outcome": "word"`
    and `"status": "word"`.
    """
    found: dict[str, tuple[int, int]] = {}
    if "outcome" not in text and "status" not in text and "partial_success" not in text:
        return found
    with_json = speaks_of_status(text)
    for match in re.finditer(_NAMED, text):
        group = "assigned" if match["assigned"] else "json"
        if group == "json" and not with_json:
            continue
        start = match.start(group)
        for each in re.finditer(_WORD, match[group]):
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
        if re.fullmatch(_PART, word) is None:
            return any(word in self.text(stage).lower() for stage in self.feeders(node))
        return any(word in self._tokens_of(stage) for stage in self.feeders(node))

    def _tokens_of(self, stage: str) -> frozenset[str]:
        if stage not in self._tokens:
            self._tokens[stage] = frozenset(re.findall(_PART, self.text(stage).lower()))
        return self._tokens[stage]

    def text(self, stage: str) -> str:
        """Return all that a stage is told: its prompt and its command."""
        graph = self._project.graph
        prompt, command = graph.prompts.get(stage), graph.nodes[stage].attributes.get("tool_command")
        return "\n".join([prompt.written.text if prompt else "", command.text if command else ""])

    def feeders(self, node: str) -> tuple[str, ...]:
        """Return the stages whose outcome arrives at `node`: itself, or those before a conditional node; () for many.

        Stages that only a catch leads there are not among them: nothing but their failure arrives.
        """
        return self._before.get(node, ()) if kind_of(self._project.graph, node) is Kind.CONDITIONAL else (node,)

    @cached_property
    def _before(self) -> Mapping[str, tuple[str, ...]]:
        """Conditional node -> its feeders."""
        graph = self._project.graph
        routers = dict.fromkeys(self._project.analysis.of_kind(Kind.CONDITIONAL))
        above = {node: [edge.source for edge in graph.incoming[node]] for node in routers}
        found: dict[str, dict[str, None] | None] = {}
        for members in flow.components({node: [each for each in above[node] if each in routers] for node in routers}):
            stages: dict[str, None] | None = {}
            for source in dict.fromkeys(source for member in members for source in above[member]):
                arriving = found.get(source, {}) if source in routers else {source: None}
                stages = None if stages is None or arriving is None else stages | arriving
                if stages is not None and len(stages) > _MOST_FEEDERS:
                    stages = None
            found.update(dict.fromkeys(members, stages))
        return {node: tuple(stages or ()) for node, stages in found.items()}

    def misspelt(self, node: str, word: str) -> str:
        """Return the outcome that `word`, which a condition at `node` compares, was probably meant to be, or ""."""
        stages = self.feeders(node)
        if not word or not stages or word in OUTCOMES or self.mentions(node, word):
            return ""
        told = {each for stage in stages for each in [*self.named(stage)][:_MOST_WORDS]}
        return next((known for known in (*OUTCOMES, *sorted(told)) if is_near(word, known)), "")
