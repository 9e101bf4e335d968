"""A run on a terminal: its nodes with state, attempt, time, tokens and cost, and the last things that happened."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from . import events as e
from .console import cost, duration, place_of, shown
from .events import Record
from .plan import Kind, Plan
from .world import Clock

SHOWN_EVENTS = 6
FRAME_LINES = 7  # header, table head and the blank lines between the parts
MARKS: Mapping[str, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "asking": ("?", "bold magenta"),
    "success": ("✔", "green"),
    "partial_success": ("✔", "yellow"),
    "skipped": ("−", "dim"),
    "retry": ("↻", "yellow"),
    "fail": ("✘", "bold red"),
}
UNFINISHED = ("running", "asking")
HIDDEN = e.CheckpointSaved | e.StageAttemptFinished | e.StageStarted


class Row(NamedTuple):
    """What is known of one node."""

    state: str  # waiting, running, or the outcome word
    visit: int = 0
    attempt: int = 0
    attempts: int = 1
    since_s: float = 0.0  # when it began to run
    duration_ms: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0
    llm: bool = False


class LiveView:
    """A listener for events, and a context manager around the run: on the screen from the first event to the end."""

    def __init__(self, plan: Plan, run_id: str, clock: Clock, console: Console | None = None) -> None:
        self._plan = plan
        self._run_id = run_id
        self._clock = clock
        self._console = console or Console(highlight=False)
        self._rows = {node.id: Row("waiting") for node in plan.nodes.values()}
        self._order = {node_id: index for index, node_id in enumerate(plan.nodes)}
        self._current = plan.start
        self._recent: deque[Text] = deque(maxlen=SHOWN_EVENTS)
        self._started_s = clock.now_s()
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)
        self._paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the view off the screen, for a question; other branches go on meanwhile."""
        self._paused = True
        self._live.stop()
        try:
            yield
        finally:
            self._paused = False
            self._live.start()

    def __call__(self, record: Record) -> None:
        if not self._live.is_started and not self._paused:
            self._live.start()
        event = record.event
        node_id = getattr(event, "node_id", "")
        row = self._rows.get(node_id)
        if row is not None:
            self._rows[node_id] = self._next(row, event)
            self._current = node_id
        if not isinstance(event, HIDDEN):
            self._recent.append(_event_line(record))

    def _next(self, row: Row, event: e.Event) -> Row:
        match event:
            case e.StageStarted():
                return row._replace(
                    state="running",
                    visit=event.visit,
                    attempt=event.attempt,
                    attempts=event.attempts,
                    since_s=row.since_s if row.state in UNFINISHED else self._clock.now_s(),
                )
            case e.QuestionAsked():
                return row._replace(state="asking")
            case e.QuestionAnswered():
                return row._replace(state="running")
            case e.StageFinished():
                known = row.cost_usd is not None and event.cost_usd is not None
                return row._replace(
                    state=event.status,
                    duration_ms=event.duration_ms,
                    tokens=row.tokens + event.input_tokens + event.output_tokens,
                    cost_usd=(row.cost_usd or 0) + (event.cost_usd or 0) if known else None,
                    llm=row.llm or event.llm_calls > 0,
                )
            case _:
                return row

    def _render(self) -> Group:
        recent = list(self._recent)
        return Group(self._header(), Text(), self._table(), Text(), *recent)

    def _header(self) -> Text:
        rows = self._rows.values()
        tokens = sum(row.tokens for row in rows)
        spent = None if any(row.cost_usd is None for row in rows) else sum(row.cost_usd or 0 for row in rows)
        elapsed = duration(round((self._clock.now_s() - self._started_s) * 1000))
        done = sum(row.state not in ("waiting", *UNFINISHED) for row in rows)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(self._plan.label or self._plan.name, "bold").append(f"  {self._run_id}", "dim")
        text.append(f"\n{done} of {len(self._rows)} nodes · {elapsed} · {tokens:,} tokens · {cost(spent)}")
        return text

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        table.add_column("", width=1, no_wrap=True)
        table.add_column("node", no_wrap=True, overflow="ellipsis", min_width=12)
        for name in ("kind", "state"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for name in ("visit", "attempt", "time", "tokens", "cost"):
            table.add_column(name, justify="right", no_wrap=True)
        ids, before, after = self._window()
        if before:
            table.add_row("", Text(f"… {before} more", "dim"))
        for node_id in ids:
            table.add_row(*self._cells(node_id))
        if after:
            table.add_row("", Text(f"… {after} more", "dim"))
        return table

    def _window(self) -> tuple[list[str], int, int]:
        """Return the nodes that fit on the screen around the current one, and how many lie before and after them."""
        ids = [node_id for node_id in self._order if self._plan.nodes[node_id].kind not in (Kind.START, Kind.EXIT)]
        room = max(3, self._console.height - FRAME_LINES - SHOWN_EVENTS)
        if len(ids) <= room:
            return ids, 0, 0
        room -= 2
        at = ids.index(self._current) if self._current in ids else 0 if self._current == self._plan.start else len(ids)
        first = min(max(0, at - room // 2), len(ids) - room)
        return ids[first : first + room], first, len(ids) - first - room

    def _cells(self, node_id: str) -> tuple[Text | str, ...]:
        row = self._rows[node_id]
        mark, style = MARKS.get(row.state, ("✔", "blue"))
        running_ms = round((self._clock.now_s() - row.since_s) * 1000)
        time = "" if not row.visit else duration(running_ms if row.state in UNFINISHED else row.duration_ms)
        dim = "dim" if row.state == "waiting" else ""
        return (
            Text(mark, style),
            Text(node_id, style if row.state in (*UNFINISHED, "fail") else dim),
            Text(str(self._plan.nodes[node_id].kind), "dim"),
            Text("" if row.state == "waiting" else row.state, style),
            str(row.visit or ""),
            f"{row.attempt}/{row.attempts}" if row.attempt and row.attempts > 1 else "",
            time,
            f"{row.tokens:,}" if row.llm else "",
            cost(row.cost_usd) if row.llm else "",
        )


def _event_line(record: Record) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{record.stamp.ts[11:19]}  ", "dim")
    text.append(f"{place_of(record)}  ", "bold")
    return text.append(shown(record.event))
