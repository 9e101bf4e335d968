"""`attractor audit`: a real run passes; the same run, doctored, fails with the place and what is wrong there."""

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main
from attractor.runtime.audit.checks import CHECKS, Audit, audit
from attractor.runtime.audit.ways import toolchain_gates
from attractor.runtime.read_plan import read_plan
from attractor.runtime.schema import complaint
from attractor.runtime.simulator.server import Simulator

YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: anthropic}
  providers:
    anthropic: {failover: [zai]}
    zai: {failover: []}
    openai: {failover: []}
runtime_policy: {max_llm_retries: 0}
"""
GRAPH = """digraph p {
  graph [loop_restart_on=transient_infra]
  start [shape=Mdiamond]
  exit [shape=Msquare]
  gate [shape=parallelogram, tool_command="true", max_retries=0]
  a [prompt="Look around."]
  check [shape=parallelogram, max_retries=0,
         tool_command="test -e again || { touch again; echo connection reset by peer >&2; exit 1; }"]
  start -> gate -> a -> check
  check -> exit [condition="outcome=success"]
  check -> gate [condition="outcome=fail", loop_restart=true]
}
"""
ANSWERS = [
    {"error": {"kind": "server_error"}},  # anthropic; then zai
    {"tool_calls": [{"name": "shell", "arguments": {"command": "ls"}}]},
    {"tool_calls": [{"name": "report_outcome", "arguments": {"status": "success"}}]},
    {"tool_calls": [{"name": "report_outcome", "arguments": {"status": "success"}}]},  # after the restart: anthropic
]
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-canary-4711", "ZAI_API_KEY": "zai-canary-4711", "OPENAI_API_KEY": "sk-canary-4711"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an agent, a tool call, a failover and a restart."""
    folder = tmp_path_factory.mktemp("audited")
    (folder / "p.dot").write_text(GRAPH)
    (folder / "run.yaml").write_text(YAML)
    with Simulator() as simulator, pytest.MonkeyPatch.context() as patch:
        for name, key in KEYS.items():
            patch.setenv(name, key)
        simulator.load({"version": 1, "answers": ANSWERS})
        places = [
            word
            for key in ("anthropic", "zai", "openai")
            for word in ("--set", f"llm.providers.{key}.api.base_url={simulator.url}/{key}")
        ]
        said = io.StringIO()
        assert 0 == main(["compile", "-q", str(folder / "run.yaml"), *places], said, said), said.getvalue()
        code = main(
            ["exec", "--skip-preflight", str(folder / "p.plan.json"), "--run-dir", str(folder / "run")], said, said
        )
        assert 0 == code, said.getvalue()
    assert [] == [thread.name for thread in threading.enumerate() if thread.name == "simulator"]
    document("manifest.json", lambda manifest: manifest.update(pid=0))(folder / "run")  # else it seems to go on: in us
    return folder / "run"


@pytest.fixture
def run(ran: Path, tmp_path: Path) -> Path:
    """A copy to doctor."""
    return Path(shutil.copytree(ran, tmp_path / "run"))


# how a run is doctored

Doctor = Callable[[Path], None]
Event = dict[str, Any]
STAGE = "stages/a/1-1"


def document(name: str, change: Callable[[Any], None]) -> Doctor:
    def doctor(run: Path) -> None:
        read = json.loads((run / name).read_text())
        change(read)
        (run / name).write_text(json.dumps(read))

    return doctor


def lines(name: str, change: Callable[[list[Event]], None]) -> Doctor:
    """Change a file of lines; the numbers are put right again."""

    def doctor(run: Path) -> None:
        read = [json.loads(line) for line in (run / name).read_text().splitlines()]
        change(read)
        for number, line in enumerate(read, start=1):
            line["seq"] = number
        (run / name).write_text("".join(json.dumps(line) + "\n" for line in read))

    return doctor


def event(name: str, number: int = 0, /, **values: Any) -> Doctor:
    return lines("progress.ndjson", lambda events: _of(events, name, number).update(values))


def without(name: str) -> Doctor:
    def change(events: list[Event]) -> None:
        events[:] = [each for each in events if each["event"] != name]

    return lines("progress.ndjson", change)


def session(change: Callable[[list[Event]], None]) -> Doctor:
    return lines(f"{STAGE}/events.ndjson", change)


def both(*doctors: Doctor) -> Doctor:
    def doctor(run: Path) -> None:
        for each in doctors:
            each(run)

    return doctor


def _of(events: list[Event], name: str, number: int = 0) -> Event:
    return [each for each in events if name in (each.get("event"), each.get("entry"), each.get("kind"))][number]


def _drop(events: list[Event], name: str, number: int = 0) -> None:
    events.remove(_of(events, name, number))


def _twice(events: list[Event], name: str) -> None:
    events.insert(events.index(_of(events, name)) + 1, dict(_of(events, name)))


def _before(events: list[Event], name: str, other: str, number: int = 0) -> None:
    moved = _of(events, name)
    events.remove(moved)
    events.insert(events.index(_of(events, other, number)), moved)


def _malformed(times: int) -> Callable[[list[Event]], None]:
    """Let the model make the same broken call, round after round."""

    def change(events: list[Event]) -> None:
        at = events.index(_of(events, "TOOL_CALL_START"))
        rounds = []
        for number in range(times):
            call = {"call_id": f"broken-{number}", "tool_name": "shell"}
            rounds += [
                {**events[0], "kind": "LLM_REQUEST", "data": {"request": 1}},
                {**events[0], "kind": "TOOL_CALL_START", "data": {**call, "arguments": '{"comm'}},
                {
                    **events[0],
                    "kind": "TOOL_CALL_END",
                    "data": {**call, "is_error": True, "full_output": "invalid tool arguments JSON: cut off"},
                },
            ]
        events[at:at] = rounds

    return change


def _without_tool_result(request: Any) -> None:
    messages = request["body"]["messages"]
    request["body"]["messages"] = [message for message in messages if message["role"] != "tool"]


def _turn_limit(events: list[Event]) -> None:
    at = events.index(_of(events, "LLM_REQUEST", 1))
    events.insert(at, {**events[0], "kind": "TURN_LIMIT", "data": {"limit": "max_agent_turns", "value": 1}})


def _another_way(entries: list[Event]) -> None:
    gate = _of(entries, "finished", 1)
    assert "gate" == gate["node"]
    entries.remove(gate)


def _no_restart(entries: list[Event]) -> None:
    _drop(entries, "restarted")


DOCTORED = [
    pytest.param(event("llm_request", provider="openai", model="gpt-5"), "models", "progress.ndjson:{llm_request}",
                 "'a' asked openai gpt-5, the plan allows anthropic ", id="a model outside the chain"),
    pytest.param(document(f"{STAGE}/provider_used.json", lambda used: used.update(model="glm-9")), "models",
                 f"{STAGE}/provider_used.json", "'a' asked zai glm-9", id="a model outside the chain answered"),
    pytest.param(event("llm_failover", to_provider="openai", to_model="gpt-5"), "failovers",
                 "progress.ndjson:{llm_failover}", "to openai gpt-5, the plan's chain is anthropic ",
                 id="a failover out of the chain"),
    pytest.param(without("llm_failover"), "failovers", "progress.ndjson:", "without a failover to it",
                 id="a failover that is not told"),
    pytest.param(document(f"{STAGE}/provider_used.json", lambda u: u["attempts"][0].update(error="authentication")),
                 "failovers", f"{STAGE}/provider_used.json", "after an error of kind authentication",
                 id="a failover after an error that allows none"),
    pytest.param(session(lambda events: _drop(events, "TOOL_CALL_END")), "tool_results", f"{STAGE}/events.ndjson:",
                 "(shell) has no result", id="a tool call without its result"),
    pytest.param(session(lambda events: _twice(events, "TOOL_CALL_END")), "tool_results", f"{STAGE}/events.ndjson:",
                 "has a second result", id="a tool call with two results"),
    pytest.param(document(f"{STAGE}/request-3.json", _without_tool_result), "tool_results",
                 f"{STAGE}/request-3.json", "was made 1 times and has 0 results", id="a result that was never sent"),
    pytest.param(session(_malformed(4)), "malformed_calls", f"{STAGE}/events.ndjson:",
                 "the same malformed call for the 4th time running, the limit is 3", id="malformed calls without end"),
    pytest.param(both(without("loop_restart"), lines("journal.ndjson", _no_restart)), "restarts", "progress.ndjson:",
                 "chose the restart edge check -> gate, and no restart followed", id="a restart that is missing"),
    pytest.param(lines("journal.ndjson", _no_restart), "ways", "journal.ndjson:",
                 "along the restart edge check -> gate without a restart", id="a restart that the journal misses"),
    pytest.param(lines("progress.ndjson", lambda events: _before(events, "llm_request", "stage_finished", 1)),
                 "toolchain", "progress.ndjson:", "'gate', which stands before every model, ended in success after",
                 id="a model before the toolchain"),
    pytest.param(session(_turn_limit), "turn_limits", f"{STAGE}/events.ndjson:", "was asked after the turn limit of",
                 id="a failover at the turn limit"),
    pytest.param(event("llm_failover", reason="turn limit reached"), "turn_limits", "progress.ndjson:{llm_failover}",
                 "failed over because of a turn limit", id="a failover because of the turn limit"),
    pytest.param(lines("progress.ndjson", lambda events: _of(events, "llm_response").pop("model")), "files",
                 "progress.ndjson:{llm_response}", "'model' is a required property", id="an invalid event"),
    pytest.param(lambda run: _cut(run, "progress.ndjson", 7), "order", "progress.ndjson:7",
                 "is line 7 and calls itself 8", id="a line that was taken out"),
    pytest.param(lambda run: _tear(run, "progress.ndjson"), "files", "progress.ndjson:", "the last line is torn",
                 id="a torn line"),
    pytest.param(document(f"{STAGE}/status.json", lambda status: status.update(status="partial_success")), "attempts",
                 f"{STAGE}/status.json", "says 'partial_success', the event 'success'", id="another status"),
    pytest.param(lines("journal.ndjson", _another_way), "ways", "journal.ndjson:3",
                 "'a' was visited after 'start', the plan leads to 'gate'", id="a stage that was passed over"),
    pytest.param(document("final.json", lambda final: final["usage"].update(output_tokens=1)), "result", "final.json",
                 "says output_tokens 1, the journal adds up to", id="usage that does not add up"),
    pytest.param(document("final.json", lambda final: final.update(status="fail")), "result", "progress.ndjson:",
                 "tells that the run ended in success, final.json says fail", id="another result"),
    pytest.param(lambda run: (run / "final.json").unlink(), "result", "final.json", "the run has not ended; resume it",
                 id="no result"),
    pytest.param(document("plan.json", lambda plan: plan.update(goal="another")), "plan", "plan.json",
                 "was changed: its digest is sha256:", id="a plan that was edited"),
    pytest.param(document("manifest.json", lambda manifest: manifest.update(digest="sha256:" + 64 * "0")), "plan",
                 "manifest.json", "is of plan sha256:000", id="a run of another plan"),
    pytest.param(lambda run: (run / STAGE / "stdout.log").write_text(f"one\nkey={KEYS['ZAI_API_KEY']}\n"), "secrets",
                 f"{STAGE}/stdout.log:2", "holds the value of ZAI_API_KEY", id="a key in a file"),
]  # fmt: skip


def _cut(run: Path, name: str, number: int) -> None:
    read = (run / name).read_text().splitlines(keepends=True)
    del read[number - 1]
    (run / name).write_text("".join(read))


def _tear(run: Path, name: str) -> None:
    (run / name).write_text((run / name).read_text()[:-20])


def findings(done: Audit) -> Iterator[tuple[str, str, str]]:
    return ((result.id, found.place, found.message) for result in done.results for found in result.findings)


def said(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return main(arguments, out, err), out.getvalue(), err.getvalue()


def test_a_run_as_it_was_passes_each_check_and_gave_each_something_to_look_at(ran: Path, monkeypatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEYS["ZAI_API_KEY"])
    done = audit(ran)

    assert [] == list(findings(done))
    assert {"malformed_calls"} == {result.id for result in done.results if not result.looked_at}


@pytest.mark.broken_run_dir
@pytest.mark.parametrize(("doctor", "check", "place", "message"), DOCTORED)
def test_a_doctored_run_fails_with_file_and_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor, check: str, place: str, message: str
) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEYS["ZAI_API_KEY"])
    events = [json.loads(line) for line in (run / "progress.ndjson").read_text().splitlines()]
    first = {name: 1 + next(i for i, e in enumerate(events) if e["event"] == name) for name in ("llm_request",
             "llm_response", "llm_failover")}  # fmt: skip
    doctor(run)

    code, text, err = said("audit", str(run))

    assert (1, "") == (code, err)
    found = list(findings(audit(run)))
    place = place.format(**first)
    assert any(f[0] == check and f[1].startswith(place) and message in f[2] for f in found), found
    assert f"FAIL  {check} " in text
    assert message in text
    written = json.loads((run / "audit.json").read_text())
    assert ("", False) == (complaint("audit", written), written["passed"])


def test_every_check_fails_for_some_doctored_run() -> None:
    assert {check.id for check in CHECKS} == {str(param.values[1]) for param in DOCTORED}


def test_malformed_calls_that_differ_are_not_the_same_call_again(run: Path) -> None:
    def differ(events: list[Event]) -> None:
        _malformed(6)(events)
        for number, each in enumerate(events):
            if str(each["data"].get("full_output", "")).startswith("invalid"):
                each["data"]["full_output"] += f"; you sent '{number}'"

    session(differ)(run)

    assert [] == [found for found in findings(audit(run)) if found[0] == "malformed_calls"]


def test_the_calls_of_a_manager_leave_their_files_in_a_folder_for_each_look(run: Path) -> None:
    (run / STAGE / "look-1").mkdir()
    (run / STAGE / "provider_used.json").rename(run / STAGE / "look-1" / "provider_used.json")

    assert [] == [found for found in findings(audit(run)) if found[0] == "attempts"]


def test_the_limit_of_malformed_calls_itself_is_no_deviation(run: Path) -> None:
    session(_malformed(3))(run)

    assert [] == [found for found in findings(audit(run)) if found[0] == "malformed_calls"]


def test_audit_prints_a_table_and_json_and_leaves_a_file(run: Path) -> None:
    code, text, _ = said("audit", str(run))
    _, printed, _ = said("audit", str(run), "--json")

    assert 0 == code
    assert len(CHECKS) + 2 == len(text.splitlines())
    assert text.endswith(": nothing deviates\n")
    assert json.loads(printed) == json.loads((run / "audit.json").read_text())


@pytest.mark.broken_run_dir
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe nonsense", b"[]", b'{"seq": {}}\n', b"[[[[" * 10_000])
@pytest.mark.parametrize(
    "name",
    ["plan.json", "final.json", "progress.ndjson", "journal.ndjson", "checkpoint.json", f"{STAGE}/events.ndjson"],
)
def test_no_damage_makes_audit_itself_fail(run: Path, name: str, damage: bytes) -> None:
    (run / name).write_bytes(damage)

    code, text, err = said("audit", str(run))

    expected = 0 if (name, damage) == (f"{STAGE}/events.ndjson", b"") else 1
    assert (expected, "") == (code, err), text


def test_the_toolchain_is_what_every_way_to_a_model_leads_through(ran: Path) -> None:
    plan = read_plan((ran / "plan.json").read_bytes(), "plan.json")

    assert {"gate"} == toolchain_gates(plan)
