"""Rules about scratch files: what one stage is told to read, another must have been told to write."""

import os.path
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .. import flow
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Kind
from ..source import MappedText, Span
from .facts import Nearby, listed, word
from .regions import regions
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "file_read_never_written",
        Severity.WARNING,
        "a prompt says to read a scratch file that no stage writes",
        "The agent looks for it, does not find it, and guesses what it may have said. "
        "Scratch files are those below `.ai/` and `.workflow/`.",
        whole=True,
    ),
    Rule(
        "file_read_not_upstream",
        Severity.WARNING,
        "a prompt says to read a scratch file that only later stages, or those of another branch, write",
        "When the stage runs the file is not there yet.",
        whole=True,
    ),
    Rule(
        "file_written_never_read",
        Severity.INFO,
        "a prompt says to write a scratch file that no other stage is told of",
        "Either the stage that should read it was forgotten, or writing it is paid for and serves nobody.",
        whole=True,
    ),
    Rule(
        "file_name_drift",
        Severity.WARNING,
        "a prompt reads a scratch file under a name that differs a little from the one it is written under",
        "The reader does not find it, and guesses what it may have said.",
        whole=True,
    ),
    Rule(
        "parallel_write_conflict",
        Severity.WARNING,
        "two branches whose work is merged declare the same output",
        "With merge=all the work of every branch is taken over, so that one of the two overwrites the other or the "
        "merge fails. With merge=best only one branch's work is taken.",
        whole=True,
    ),
)

_PATH = r"(?<![\w./-])(?:\./)?\.(?:ai|workflow)/[\w./-]*+(?<=[\w/])"
_READS = (
    r"(?i)\b(?:read|re-?read|follow|review|see|consult|load|open|per|using|use|from|according to|based on|check"
    r"|inspect|compare|address|reads|listed in|described in|defined in|specified in|against|examine|study|parse)\b"
)
_WRITES = (
    r"(?i)\b(?:write|writes|save|create|creates|output|produce|produces|store|append|record|generate|update|put|to"
    r"|into|dump|copy|add|extend|document|log|emit|mkdir|touch|cp|mv|tee|edit|fill|rewrite|as)\b|>"
)
_MAYBE = r"(?i)\b(?:if|when|unless|exists?|optional(?:ly)?|any|where|may|missing|absent|present|not)\b"
_SENTENCE = r"[.;!?:)](?=\s)|\n"
_PATTERN = frozenset("*?{<$[")  # what follows the beginning of a pattern
_NEAR = 80  # characters before a path that say what is done with it
_MOST_STEPS = 400_000  # from node to node, in looking for the stages before


class _Mention(NamedTuple):
    node: str
    path: str
    span: Span
    reads: bool
    writes: bool
    maybe: bool  # the sentence says that it need not be there
    many: bool  # a folder, or the beginning of a pattern such as `plan_*`


def check_files(project: Project) -> Iterator[Diagnostic]:
    """file_read_never_written, file_read_not_upstream, file_written_never_read, file_name_drift."""
    graph = project.graph
    if ".ai/" not in graph.source.text and ".workflow/" not in graph.source.text and not graph.files:
        return
    if project.analysis.of_kind(Kind.MANAGER):
        return  # a child pipeline may write anything
    ways = {node: [*targets, *graph.on_fail.get(node, ())] for node, targets in project.analysis.successors.items()}
    by_path: dict[str, list[_Mention]] = {}
    wide: list[_Mention] = []
    for mention in _mentions(project):
        if mention.many:
            wide.append(mention)
        else:
            by_path.setdefault(mention.path, []).append(mention)
    declared = " ".join(outputs for node in graph.nodes.values() if (outputs := word(node.attributes, "outputs")))
    written = {
        path: found for path, found in by_path.items() if path in declared or not all(each.reads for each in found)
    }
    made, taken = (tuple({each.path for each in wide if not kind(each)}) for kind in (_reads, _writes))
    nearby, left = Nearby(written), _MOST_STEPS
    for path, mentions in by_path.items():
        reads = [each for each in mentions if each.reads and not each.maybe]
        if path not in written:
            if reads and not path.startswith(made) and not _made_otherwise(project, path):
                yield from _unwritten(reads, written, nearby)
            continue
        if not path.startswith(taken) and _is_orphan(project, mentions):
            yield _unread(mentions[0])
        if reads and left > 0 and path not in declared and not path.startswith(made):
            writes = [each for each in mentions if not each.reads]
            ready = flow.reachable(ways, {each.node: None for each in writes})
            left -= len(ready)
            yield from _too_early(project, ready, reads, writes)


def _reads(mention: _Mention) -> bool:
    return mention.reads


def _writes(mention: _Mention) -> bool:
    return mention.writes


def _is_orphan(project: Project, mentions: Sequence[_Mention]) -> bool:
    """Whether one stage alone speaks of a file, to write it, and the pipeline does not end behind that stage."""
    node = mentions[0].node
    if not all(each.writes and each.node == node for each in mentions):
        return False
    analysis = project.analysis
    after = {*analysis.successors[node]}
    routed = {to for each in after if each in analysis.of_kind(Kind.CONDITIONAL) for to in analysis.successors[each]}
    return (after | routed).isdisjoint(analysis.exits)


def _mentions(project: Project) -> Iterator[_Mention]:
    graph = project.graph
    pattern, sentence = re.compile(_PATH), re.compile(_SENTENCE)
    reads, writes, maybe = re.compile(_READS), re.compile(_WRITES), re.compile(_MAYBE)
    for node in graph.nodes:
        prompt, command = graph.prompts.get(node), graph.nodes[node].attributes.get("tool_command")
        texts: list[MappedText] = [prompt.written] if prompt is not None else []
        texts += [command.value] if command is not None else []
        for text in texts:
            if ".ai/" not in text.text and ".workflow/" not in text.text:
                continue
            ends = [match.end() for match in sentence.finditer(text.text)]
            for match in pattern.finditer(text.text):
                at = bisect_right(ends, match.start())
                start, stop = ends[at - 1] if at else 0, ends[at] if at < len(ends) else len(text.text)
                before = text.text[max(start, match.start() - _NEAR) : match.start()]
                last_read = max((each.start() for each in reads.finditer(before)), default=-1)
                last_write = max((each.start() for each in writes.finditer(before)), default=-1)
                yield _Mention(
                    node,
                    os.path.normpath(match[0]),
                    text.span(*match.span()),
                    reads=last_read > last_write,
                    writes=last_write > last_read,
                    maybe=maybe.search(text.text, start, stop) is not None,
                    many=match[0].endswith("/") or text.text[match.end() : match.end() + 1] in _PATTERN,
                )


def _made_otherwise(project: Project, path: str) -> bool:
    """Whether `path` may be there all the same: setup names it, or it is on the disk."""
    config, archive = project.config, project.archive
    if config is not None and any(path in command for command in config.setup_commands):
        return True
    if archive is None:
        return False
    folder = os.path.dirname(project.graph.source.path)
    places = [folder, archive.files.repository(folder) or folder]
    if config is not None:
        places.append(os.path.join(os.path.dirname(config.source.path), config.workspace.repo))
    return any(
        os.path.basename(path) in archive.files.names(os.path.join(place, os.path.dirname(path))) for place in places
    )


def _unwritten(
    reads: Sequence[_Mention], written: Mapping[str, Sequence[_Mention]], nearby: Nearby
) -> Iterator[Diagnostic]:
    read = reads[0]
    near = [each for each in nearby.closest(read.path) if os.path.dirname(each) == os.path.dirname(read.path)]
    if near:
        writer = written[near[0]][0]
        yield Diagnostic(
            "file_name_drift",
            read.span,
            f'"{read.node}" is to read {read.path}, which no stage writes; did you mean {near[0]}?',
            subject=read.node,
            related=(Related(writer.span, f'"{writer.node}" is told of {near[0]}'),),
        )
        return
    others = [each for each in reads[1:] if each.node != read.node]
    yield Diagnostic(
        "file_read_never_written",
        read.span,
        f'"{read.node}" is to read {read.path}, which no stage is told to write',
        subject=read.node,
        related=tuple(Related(each.span, f'"{each.node}" is to read it, too') for each in others[:3]),
        help="let a stage before it write the file, or commit it to the repository",
    )


def _unread(mention: _Mention) -> Diagnostic:
    return Diagnostic(
        "file_written_never_read",
        mention.span,
        f'"{mention.node}" is to write {mention.path}, of which no other stage is told',
        subject=mention.node,
        help="let a later stage read it, or leave the writing out",
    )


def _too_early(
    project: Project, ready: frozenset[str], reads: Sequence[_Mention], writes: Sequence[_Mention]
) -> Iterator[Diagnostic]:
    """Report the first read that no stage before it can have prepared; `ready`: where the file may be there."""
    read = next((each for each in reads if each.node not in ready and each.node in project.analysis.reachable), None)
    if read is None:
        return
    writers = list(dict.fromkeys(each.node for each in writes))
    yield Diagnostic(
        "file_read_not_upstream",
        read.span,
        f'"{read.node}" is to read {read.path}, but only {listed(writers[:3], "and")} '
        f"{'is' if len(writers) == 1 else 'are'} told of writing it, later or in another branch",
        subject=read.node,
        related=(Related(writes[0].span, f'"{writers[0]}"'),),
        help="let a stage before this one write it, or say that it need not exist",
    )


def check_conflicts(project: Project) -> Iterator[Diagnostic]:
    """parallel_write_conflict: by `outputs`, where the join merges all branches."""
    graph = project.graph
    for region in regions(project):
        if word(graph.nodes[region.join].attributes, "merge") != "all":
            continue
        first: dict[str, tuple[str, str]] = {}
        ways = {node: project.analysis.successors[node] for node in region.nodes}
        for branch in dict.fromkeys(edge.target for edge in graph.outgoing[region.fork]):
            for node in sorted(flow.reachable(ways, [branch]) & region.nodes, key=lambda id_: graph.nodes[id_].order):
                outputs = graph.nodes[node].attributes.get("outputs")
                for name in (part.strip() for part in outputs.text.split(",")) if outputs is not None else ():
                    other = first.setdefault(name, (branch, node))
                    if outputs is not None and name and other[0] != branch and other[1] != node:
                        yield _conflict(project, region.join, name, other[1], node, outputs.value_span)


def _conflict(project: Project, join: str, name: str, first: str, second: str, place: Span) -> Diagnostic:
    nodes = project.graph.nodes
    return Diagnostic(
        "parallel_write_conflict",
        place,
        f'"{second}" and "{first}" stand in different branches, and both make {name}, which "{join}" merges',
        subject=second,
        related=(
            Related(nodes[first].attributes["outputs"].value_span, f'"{first}" makes it too'),
            Related(nodes[join].span, "all branches are merged here"),
        ),
        help="let each branch write a file of its own, or merge=best",
    )


CHECKS: tuple[Check, ...] = (check_files, check_conflicts)
