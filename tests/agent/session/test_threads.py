"""What a stage knows of those before it: a conversation under `full`, which survives a crash, or a summary."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.history import INTERRUPTED
from attractor.runtime.steps.thread import BROKEN_OFF

from ...llm.talking import KEYS
from .conftest import Done, Stage, call, report, turn

TWO = """a [prompt="First."]
b [prompt="Second."]
start -> a -> b -> exit"""


def texts(body: Any) -> list[str]:
    """Return what users and models said, one text per message; results are left out."""
    return [
        " ".join(block["text"].strip().split("\n")[-1] for block in message["content"] if block["type"] == "text")
        for message in body["messages"]
    ]


def full(body: str = TWO, thread: str = "design") -> str:
    return f'graph [default_fidelity=full, default_thread_id="{thread}"]\n{body}'


def test_stages_of_a_thread_go_on_with_one_conversation(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(call("list_dir")), turn(report(), text="One."), turn(report(), text="Two."))

    done = stage.run(full())

    assert 0 == done.code
    assert ["First.", "", "", "One.", "", "Second."] == _merged(texts(simulator.requests[2].body))
    assert (done.folder / "threads/design.ndjson").exists()
    assert [0, 5] == [done.session("SESSION_START", stage=f"{node}/1-1")[0]["earlier_messages"] for node in "ab"]
    assert "What came before" not in (done.folder / "stages/b/1-1/prompt.md").read_text()


def _merged(said: list[str]) -> list[str]:
    """Anthropic's last results and the next prompt are one message; tell them apart."""
    return [*said[:-1], *(["", said[-1]] if said[-1] else [""])]


def test_without_a_thread_each_node_has_its_own_over_all_its_visits(simulator: Any, stage: Stage) -> None:
    body = """a [prompt="First."]
b [shape=parallelogram, tool_command="test -e done || { touch done; exit 1; }"]
start -> a -> b
b -> exit [condition="outcome=success"]
b -> a [condition="outcome=fail"]"""
    simulator.script(turn(report(), text="One."), turn(report(), text="Two."))

    done = stage.run(full(body, ""))

    assert 0 == done.code
    assert "One." in texts(simulator.requests[1].body)
    assert (done.folder / "threads/a.ndjson").exists()


def test_a_restart_begins_new_conversations(simulator: Any, stage: Stage) -> None:
    body = """a [prompt="First."]
b [shape=parallelogram, tool_command="test -e done || { touch done; exit 1; }"]
start -> a -> b
b -> exit [condition="outcome=success"]
b -> a [condition="outcome=fail", loop_restart=true]"""
    simulator.script(turn(report(), text="One."), turn(report(), text="Two."))

    done = stage.run(full(body))

    assert 0 == done.code
    assert ["First."] == texts(simulator.requests[1].body)
    assert (done.folder / "restart-1/threads/design.ndjson").exists()


@pytest.mark.parametrize(
    ("fidelity", "held", "missing"),
    [
        pytest.param("truncate", ["- goal: the world", "- run: "], ["a: success", "One."], id="truncate"),
        pytest.param("compact", ["  - a: success; all is well", "  - color: red"], ["One."], id="compact"),
        pytest.param("summary:low", ["  - a: success; all is well"], ["One.", "color"], id="summary:low"),
        pytest.param("summary:medium", ["  - a: success; all is well", "    One.", "  - color: red"], [], id="medium"),
        pytest.param("summary:high", ["  - a: success; all is well", "    One.", "  - color: red"], [], id="high"),
    ],
)
def test_other_stages_begin_anew_and_are_told_what_came_before(
    simulator: Any, stage: Stage, fidelity: str, held: list[str], missing: list[str]
) -> None:
    simulator.script(turn(report(notes="all is well", context_updates={"color": "red"}), text="One."), turn(report()))

    done = stage.run(f'graph [default_fidelity="{fidelity}"]\n{TWO}')

    assert 0 == done.code
    prompt = (done.folder / "stages/b/1-1/prompt.md").read_text()
    assert prompt.startswith("# What came before\n\n- goal: the world\n- run: ")
    assert [] == [text for text in held if text not in prompt]
    assert [] == [text for text in missing if text in prompt]
    assert 1 == len(simulator.requests[1].body["messages"])
    assert "What came before" not in (done.folder / "stages/a/1-1/prompt.md").read_text()


def test_a_summary_has_its_bounds(simulator: Any, stage: Stage) -> None:
    names = [f"n{number}" for number in range(30)]
    simulator.script(*(turn(report(notes=f"{name} " + "x" * 500), text="y" * 3000) for name in names), turn(report()))
    body = "\n".join(f'{name} [prompt="do"]' for name in names)

    done = stage.run(f'{body}\nz [prompt="do", fidelity="summary:high"]\nstart -> {" -> ".join(names)} -> z -> exit')

    assert 0 == done.code
    prompt = (done.folder / "stages/z/1-1/prompt.md").read_text()
    assert 9_000 < len(prompt) < 13_500
    assert "of 30):" in prompt
    assert "n29: success" in prompt


def test_a_stage_of_one_call_shares_a_thread_too(simulator: Any, stage: Stage) -> None:
    body = """a [prompt="First."]
b [prompt="Second.", agent_mode=one_shot]
c [prompt="Third."]
start -> a -> b -> c -> exit"""
    simulator.script(turn(report(), text="One."), turn(report(), text="Two."), turn(report(), text="Three."))

    done = stage.run(full(body))

    assert 0 == done.code
    said = [text for text in texts(simulator.requests[2].body) if text]
    assert ["First.", "One.", "Second.", "Two.", "Third."] == said


# crashes


class Process:
    """`attractor` in a process of its own, that can be killed."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "attractor.cli.main", "exec", "--skip-preflight", *arguments],
            env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def kill_when(self, ready: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 30
        while not ready() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        self._process.kill()
        self._process.communicate()

    def ended(self) -> tuple[int, str]:
        said, _ = self._process.communicate(timeout=60)
        return self._process.returncode, said


def test_a_run_that_was_killed_goes_on_with_its_conversation(simulator: Any, stage: Stage) -> None:
    simulator.script(
        turn(report(), text="One."),
        turn(call("shell", command="echo made >>made; touch now; sleep 60"), text="I work."),
        turn(report(), text="Two."),
    )
    plan, run = stage.compile(full()), stage.folder / "run"
    Process(plan, "--run-dir", str(run)).kill_when((stage.home / "now").exists)

    code, said = Process("--resume", str(run)).ended()

    assert 0 == code, said
    assert "made\n" == (stage.home / "made").read_text()  # the call was not made again
    *_, last = simulator.requests
    assert ["First.", "One.", "Second.", "I work.", "Second."] == [text for text in texts(last.body) if text]
    (result,) = [block for block in last.body["messages"][-1]["content"] if block["type"] == "tool_result"]
    assert (True, INTERRUPTED) == (result["is_error"], result["content"])
    prompt = (run / "stages/b/1-1/prompt.md").read_text()
    assert prompt.startswith(f"# An interruption\n\n{BROKEN_OFF}\n\n# What came before\n")
    assert "  - a: success" in prompt


def test_after_a_resume_a_thread_is_told_once_what_came_before(simulator: Any, stage: Stage) -> None:
    body = """a [prompt="First."]
b [shape=parallelogram, tool_command="test -e now || { touch now; sleep 60; }"]
c [prompt="Third."]
d [prompt="Fourth."]
start -> a -> b -> c -> d -> exit"""
    simulator.script(*(turn(report(), text=text) for text in ("One.", "Three.", "Four.")))
    plan, run = stage.compile(full(body)), stage.folder / "run"
    Process(plan, "--run-dir", str(run)).kill_when((stage.home / "now").exists)

    code, said = Process("--resume", str(run)).ended()

    assert 0 == code, said
    third, fourth = (request.body for request in simulator.requests[1:])
    assert ["First.", "One.", "Third."] == [text for text in texts(third) if text]
    assert ["First.", "One.", "Third.", "Three.", "Fourth."] == [text for text in texts(fourth) if text]
    prompts = [(run / f"stages/{node}/1-1/prompt.md").read_text() for node in "cd"]
    assert [True, False] == ["# What came before" in prompt for prompt in prompts]
    assert not any("interruption" in prompt for prompt in prompts)


class Crashed:
    """A run directory whose process went away in the middle of a stage of a thread."""

    def __init__(self, folder: Path, thread: str) -> None:
        self.path = folder / f"threads/{thread}.ndjson"

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def cut(self, entries: int, more: str = "") -> None:
        lines = self.path.read_text().splitlines(keepends=True)[:entries]
        self.path.write_text("".join(lines) + more)


def _again(stage: Stage, done: Done, plan: str) -> Done:
    """Run the plan in a new run directory that holds the first one's threads, as a resumed run would."""
    import shutil

    threads = stage.folder / "kept"
    shutil.copytree(done.folder / "threads", threads)
    shutil.rmtree(done.folder)
    from attractor.runtime import run_dir

    create = run_dir.RunDir.create

    def with_threads(folder: Path, *arguments: Any) -> run_dir.RunDir:
        made = create(folder, *arguments)
        shutil.copytree(threads, folder / "threads")
        return made

    run_dir.RunDir.create = staticmethod(with_threads)  # type: ignore[method-assign]
    try:
        return stage.exec(plan)
    finally:
        run_dir.RunDir.create = staticmethod(create)  # type: ignore[method-assign]


ONE = full('a [prompt="First."]\nstart -> a -> exit', "")


@pytest.mark.parametrize(
    ("kept", "torn", "results"),
    [
        pytest.param(3, "", 1, id="after the calls, before their results"),
        pytest.param(4, "", 1, id="after the results"),
        pytest.param(3, '{"entry":"message","role":"to', 1, id="while the results were written"),
        pytest.param(2, "", 0, id="before the first answer"),
        pytest.param(7, "", 2, id="after its end, before the run knew of it"),
    ],
)
def test_an_interrupted_stage_goes_on_with_a_paired_conversation(
    simulator: Any, stage: Stage, kept: int, torn: str, results: int
) -> None:
    simulator.script(turn(call("shell", command="echo >>ran")), turn(report()), turn(report(), text="Two."))
    plan = stage.compile(ONE)
    done = stage.exec(plan)
    Crashed(done.folder, "a").cut(kept, torn)

    again = _again(stage, done, plan)

    assert ("success", "", "") == again.outcome
    assert "\n" == (stage.home / "ran").read_text()  # the call was not made again
    body = simulator.requests[-1].body
    found = [block for message in body["messages"] for block in message["content"] if block["type"] == "tool_result"]
    assert results == len(found)
    assert all("interrupted" in block["content"] for block in found if kept == 3)
    prompt = (again.stage / "prompt.md").read_text()
    assert prompt.startswith("# An interruption\n")
    warnings = again.session("WARNING")
    assert [{"code": "thread", "message": "this conversation broke off in 'a', visit 1, attempt 1"}] == warnings


def test_a_thread_that_cannot_be_read_begins_anew_and_says_so(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(report(), text="One."), turn(report(), text="Two."))
    plan = stage.compile(ONE)
    done = stage.exec(plan)
    Crashed(done.folder, "a").path.write_text("nonsense\n")

    again = _again(stage, done, plan)

    assert ("success", "", "") == again.outcome
    assert ["First."] == texts(simulator.requests[-1].body)
    assert "could not be read" in again.session("WARNING")[0]["message"]
    assert "nonsense\n" == (again.folder / "threads/a.ndjson.damaged").read_text()
    assert 5 == len(Crashed(again.folder, "a").entries)


def test_a_conversation_that_a_guard_ended_is_not_gone_on_with(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn({"name": "shell", "raw": "{"}) for _ in range(3)), turn(report(), text="Two."))
    body = """a [prompt="First."]
b [prompt="Second."]
start -> a
a -> b [condition="outcome=fail"]
a -> exit [condition="outcome=success"]
b -> exit"""

    done = stage.run(full(body))

    assert 0 == done.code
    assert 1 == len(simulator.requests[3].body["messages"])
