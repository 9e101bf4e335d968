"""What a report tells, made from a run's story. Bounded: a run of 20,000 visits makes a page that opens."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..run_files import RunFiles
from ..standing import Standing, plan_of, standing_of
from ..story import UNFINISHED, Happening, Spent, Story, VisitTold, read_story
from .risks import residual_risks

MOST_BARS = 4_000
MOST_ROWS = 400  # of the timeline and of the table of nodes
MOST_VISITS = 1_000
MOST_FAILURES = 40
MOST_HAPPENINGS = 400
TAIL_BYTES = 16_000
TAIL_LINES = 40
REASON_CHARS = 2_000
LEAST_WIDTH = 0.25  # percent: what took no time is to be seen, too
OUTPUTS = ("stderr.log", "stdout.log", "response.md")
WITHOUT_WORK = ("start", "exit", "conditional")

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Bar(NamedTuple):
    """A visit on the timeline; `left` and `width` in percent of the run's time."""

    left: float
    width: float
    status: str
    title: str


class TimelineRow(NamedTuple):
    place: str
    bars: Sequence[Bar]


class NodeRow(NamedTuple):
    """All visits of a node in one branch, added up."""

    place: str
    kind: str
    visits: int
    attempts: int
    status: str  # of the last visit
    duration_ms: int
    spent: Spent
    models: Sequence[str]


class Output(NamedTuple):
    name: str
    text: str


class Failure(NamedTuple):
    place: str
    number: int
    attempts: int
    ts: str
    status: str
    failure_class: str
    reason: str
    is_mended: bool  # the node ended well later on
    outputs: Sequence[Output]


class Facts(NamedTuple):
    standing: Standing
    rows: Sequence[TimelineRow]
    nodes: Sequence[NodeRow]
    failures: Sequence[Failure]
    happenings: Sequence[Happening]
    visits: Sequence[VisitTold]
    left_out: Mapping[str, int]  # how many of each are not shown
    ways: Sequence[tuple[str, str, str]]  # node, state, where it leads: the picture in words
    states: Mapping[str, tuple[str, int]]  # by node: the word of its last visit, and how many there were
    audit: Mapping[str, Any] | None  # audit.json, if there is one
    risks: Sequence[str]  # what the run does not show


def facts_of(run: RunFiles, now: datetime) -> Facts:
    story = read_story(run)
    it = standing_of(run, story, now)
    total_ms = max(1, it.elapsed_ms)
    rows = list(_rows(story, now if it.running else None, total_ms))
    nodes = list(_nodes(story))
    failed = [visit for visit in story.visits if visit.failed and visit.kind not in WITHOUT_WORK]
    states = _states(story)
    return Facts(
        standing=it,
        rows=rows[:MOST_ROWS],
        nodes=nodes[:MOST_ROWS],
        failures=[_failure(run.folder, visit, story) for visit in failed[-MOST_FAILURES:]],
        happenings=story.happenings[-MOST_HAPPENINGS:],
        visits=story.visits[-MOST_VISITS:],
        left_out={
            "rows": max(0, len(rows) - MOST_ROWS),
            "nodes": max(0, len(nodes) - MOST_ROWS),
            "failures": max(0, len(failed) - MOST_FAILURES),
            "happenings": max(0, len(story.happenings) - MOST_HAPPENINGS),
            "visits": max(0, len(story.visits) - MOST_VISITS),
        },
        ways=tuple(_ways(run, states)),
        states=states,
        audit=run.document("audit.json"),
        risks=residual_risks(run, story, it),
    )


def _rows(story: Story, now: datetime | None, total_ms: int) -> Iterator[TimelineRow]:
    """Yield a row per node and branch, in the order of their first visits."""
    began = _time(story.first_ts)
    rows: dict[tuple[str, str], list[Bar]] = {}
    places: dict[tuple[str, str], str] = {}
    for visit in story.visits[-MOST_BARS:]:
        if visit.kind in WITHOUT_WORK:
            continue
        start_ms = (_time(visit.started) - began) * 1000
        duration_ms = visit.duration_ms
        if visit.status == "running" and now is not None:
            duration_ms = round((now.timestamp() - _time(visit.started)) * 1000)
        left = min(100 - LEAST_WIDTH, max(0.0, 100 * start_ms / total_ms))
        width = min(100 - left, max(LEAST_WIDTH, 100 * duration_ms / total_ms))
        title = f"{visit.place}, visit {visit.number}: {visit.status}"
        key = (visit.branch, visit.node_id)
        places[key] = visit.place
        rows.setdefault(key, []).append(Bar(round(left, 3), round(width, 3), visit.status, title))
    return (TimelineRow(places[key], bars) for key, bars in rows.items())


def _time(ts: str) -> float:
    try:
        return datetime.fromisoformat(ts).timestamp()
    except ValueError:
        return 0.0


def _nodes(story: Story) -> Iterator[NodeRow]:
    visits: dict[tuple[str, str], list[VisitTold]] = {}
    for visit in story.visits:
        visits.setdefault((visit.branch, visit.node_id), []).append(visit)
    for made in visits.values():
        spent = Spent()
        for visit in made:
            spent.add(visit.llm_calls, visit.input_tokens, visit.output_tokens, visit.cost_usd)
        yield NodeRow(
            place=made[-1].place,
            kind=made[-1].kind,
            visits=len(made),
            attempts=sum(len(visit.attempts) for visit in made),
            status=made[-1].status,
            duration_ms=sum(visit.duration_ms for visit in made),
            spent=spent,
            models=tuple(dict.fromkeys(m for visit in made for attempt in visit.attempts for m in attempt.models)),
        )


def _failure(folder: Path, visit: VisitTold, story: Story) -> Failure:
    last = story.latest(visit)
    return Failure(
        place=visit.place,
        number=visit.number,
        attempts=len(visit.attempts),
        ts=visit.started,
        status=visit.status,
        failure_class=visit.failure_class,
        reason=visit.reason[:REASON_CHARS],
        is_mended=not last.failed and last.status not in UNFINISHED,
        outputs=tuple(_outputs(folder / visit.attempts[-1].folder)) if visit.attempts[-1].folder else (),
    )


def _outputs(folder: Path) -> Iterator[Output]:
    """Yield the last lines of what an attempt wrote."""
    for name in OUTPUTS:
        try:
            with (folder / name).open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - TAIL_BYTES))
                text = plain(file.read().decode("utf-8", "replace"))
        except OSError:
            continue
        lines = text.strip("\n").split("\n")
        if text.strip():
            yield Output(name, "\n".join(lines[-TAIL_LINES:]))


def plain(text: str) -> str:
    """Return `text` without colours and other commands to a terminal."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n"))
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _states(story: Story) -> dict[str, tuple[str, int]]:
    states: dict[str, tuple[str, int]] = {}
    for visit in story.visits:
        states[visit.node_id] = (visit.status, states.get(visit.node_id, ("", 0))[1] + 1)
    return states


def _ways(run: RunFiles, states: Mapping[str, tuple[str, int]]) -> Iterator[tuple[str, str, str]]:
    plan = plan_of(run)
    for node in list(plan.nodes.values())[:MOST_ROWS] if plan else ():
        word, visits = states.get(node.id, ("not visited", 0))
        state = f"{word}, {visits} visits" if visits > 1 else word
        yield node.id, state, ", ".join(dict.fromkeys(edge.to for edge in node.edges))
