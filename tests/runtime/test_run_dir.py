"""The run directory: made once, durable line by line, and its state is the sum of its journal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime import checkpoint, files
from attractor.runtime.event_schema import event_schema
from attractor.runtime.events import EVENTS, FIELDS, Warned, written
from attractor.runtime.run_dir import Ending, RunDir, RunDirError, folder_name
from attractor.runtime.state import RunState

T = 'shape=parallelogram, tool_command="true"'
ROOT = Path(__file__).parent.parent.parent


class Clock:
    def now_s(self) -> float:
        return 0.0

    def utc(self) -> str:
        return "2026-11-22T19:05:00.000Z"


def test_an_existing_run_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")

    with pytest.raises(RunDirError, match="exists already; name another one, or resume it"):
        RunDir.create(tmp_path / "run", "r", b"{}", Clock())
    assert ["mine.txt"] == os.listdir(tmp_path / "run")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")

    with pytest.raises(RunDirError, match="is a file; name another one"):
        RunDir.create(tmp_path / "run", "r", b"{}", Clock())


def test_a_place_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RunDirError, match="cannot be made: not a directory"):
        RunDir.create(tmp_path / "file" / "run", "r", b"{}", Clock())


@pytest.mark.broken_run_dir
def test_the_end_is_told_once(tmp_path: Path) -> None:
    records = RunDir.create(tmp_path / "run", "r", b"{}", Clock())
    state = RunState({})
    records.finish(Ending("success", "arrived", "", "done"), state.usage, "", 0)
    records.finish(Ending("fail", "late", "structural", ""), state.usage, "", 0)
    records.close()

    assert "success" == json.loads((tmp_path / "run" / "final.json").read_text())["status"]
    assert 1 == len((tmp_path / "run" / "progress.ndjson").read_text().splitlines())


def test_a_listener_receives_what_is_written(play: Any) -> None:
    heard: list[Any] = []
    played = play(f"a [{T}]; start -> a -> done", listeners=[heard.append])

    assert [event["event"] for event in played.events()] == [record.name for record in heard]
    assert [event["seq"] for event in played.events()] == [record.stamp.seq for record in heard]


def test_half_a_surrogate_pair_does_not_break_a_line(play: Any) -> None:
    played = play(f"a [{T}]; start -> a -> done", {"a": "fail::bad \udc80 byte"})

    assert "'a' failed: bad ? byte" == played.json("final.json")["reason"]


def test_a_long_id_gets_a_folder_that_every_file_system_takes() -> None:
    one, other = folder_name("n" * 300 + "1"), folder_name("n" * 300 + "2")

    assert one != other
    assert {120} == {len(one), len(other)}
    assert "short" == folder_name("short")


def test_long_ids_are_walked(play: Any) -> None:
    name = "n" * 260
    played = play(f"{name} [{T}]; start -> {name} -> done")

    assert "success" == played.ending.status


def test_the_committed_schema_of_events_is_the_generated_one() -> None:
    committed = json.loads((ROOT / "schemas" / "event.schema.json").read_text())

    assert event_schema() == committed, "run: python -m attractor.runtime.event_schema > schemas/event.schema.json"


def test_every_event_is_in_the_table_and_every_field_is_explained() -> None:
    used = {written(field) for kind in EVENTS for field in kind._fields}
    envelope = {"ts", "seq", "run_id", "in_branch"}

    assert len(set(EVENTS.values())) == len(EVENTS)
    assert used | envelope == set(FIELDS)


def test_the_journal_adds_up_to_the_state_at_every_line(play: Any) -> None:
    played = play(
        f"""loop_restart_persist_keys="kept"
        fan [shape=component]; join [shape=tripleoctagon]; l [{T}]; r [{T}]; a [{T}]; check [shape=diamond]
        start -> fan; fan -> l -> join; fan -> r -> join; join -> a -> check
        check -> done [condition="outcome=success"]
        check -> fan [condition="context.failure_class=transient_infra", loop_restart=true]
        check -> a [condition="outcome=fail && context.failure_class!=transient_infra"]""",
        {"a": ["fail:transient_infra:503 http 503", "fail::wrong", "success"], "r": "fail::never"},
    )

    lines = (played.folder / "journal.ndjson").read_text().splitlines()
    replayed = RunState({})
    for line in lines:
        checkpoint.apply_line(replayed, json.loads(line))
    assert played.walk.state.to_json() == replayed.to_json()
    assert played.walk.state.to_json() == checkpoint.load(played.folder).state.to_json()
    assert "success" == replayed.ended


def test_a_snapshot_and_the_lines_after_it_give_the_state(play: Any) -> None:
    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done")
    journal = (played.folder / "journal.ndjson").read_text()
    first = RunState({})
    for line in journal.splitlines()[:3]:
        checkpoint.apply_line(first, json.loads(line))
    head = {"run_id": "run-0", "written_at": "2026-11-22T19:05:00.000Z", "journal_lines": 3}
    (played.folder / "checkpoint.json").write_text(json.dumps(head | first.to_json()))

    loaded = checkpoint.load(played.folder)

    assert played.walk.state.to_json() == loaded.state.to_json()
    assert len(journal.splitlines()) == loaded.journal_lines


@pytest.mark.broken_run_dir
@pytest.mark.parametrize("missing", [1, 20, 200])
def test_a_torn_last_line_is_as_if_it_had_not_been_written(play: Any, missing: int) -> None:
    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done")
    path = played.folder / "journal.ndjson"
    text = path.read_bytes()
    (played.folder / "checkpoint.json").unlink()
    path.write_bytes(text[:-missing])

    loaded = checkpoint.load(played.folder)

    assert text[:-missing].count(b"\n") == loaded.journal_lines
    assert text[:-missing].rfind(b"\n") + 1 == loaded.journal_bytes


@pytest.mark.broken_run_dir
def test_a_broken_line_in_the_middle_is_refused(play: Any) -> None:
    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done")
    (played.folder / "checkpoint.json").unlink()
    path = played.folder / "journal.ndjson"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "{broken\n", *lines[2:]]))

    with pytest.raises(checkpoint.CheckpointError, match=r"journal\.ndjson:2: is not JSON"):
        checkpoint.load(played.folder)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.write_json(path, {"n": 1})
    files.write_json(path, {"n": 2, "text": "x" * 100_000})

    assert 2 == json.loads(path.read_text())["n"]
    assert ["x.json"] == os.listdir(tmp_path)


def test_the_snapshots_stay_few_however_long_the_run(play: Any, build: Any) -> None:
    count = 1000
    nodes = [build.node("start", "start", edges=[build.edge("n0")])]
    nodes += [build.node(f"n{i}", "tool", edges=[build.edge(f"n{i + 1}")]) for i in range(count)]
    nodes.append(build.node(f"n{count}", "exit"))
    played = play(build.plan(build.document(nodes)))

    assert count + 2 == len(played.trail)
    assert 7 >= len(played.events("checkpoint_saved"))


FULL = """
import resource, signal, sys
from pathlib import Path
from attractor.runtime.files import LineFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
file = LineFile(Path(sys.argv[1]))
for line in ("a" * 59 + "\\n", "b" * 59 + "\\n", "c" * 19 + "\\n"):
    try:
        file.append_durably(line)
    except OSError as error:
        print(error.strerror)
"""


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "lines")], capture_output=True, text=True, check=True
    )

    assert "File too large" == done.stdout.strip()
    assert ["a" * 59, "c" * 19] == (tmp_path / "lines").read_text().splitlines()


KILLED = """
import sys
from pathlib import Path
from attractor.runtime.real_world import RealClock
from attractor.runtime.run_dir import RunDir
from attractor.runtime.journal import Begun, Restarted
records = RunDir.create(Path(sys.argv[1]), "r", b"{}", RealClock())
records.append(Begun("sha256:" + "0" * 64, {}))
for n in range(1, 100000):
    records.append(Restarted("", "a", "b", n, f"restart-{n}", {"n": n}))
    print(n, flush=True)
"""


@pytest.mark.broken_run_dir
def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        seen += [int(line) for line in process.stdout.read().splitlines()]

    loaded = checkpoint.load(tmp_path / "run")

    assert seen[-1] <= loaded.state.restarts <= seen[-1] + 1


@pytest.mark.broken_run_dir
def test_a_warning_is_an_event_too(tmp_path: Path) -> None:
    records = RunDir.create(tmp_path / "run", "r", b"{}", Clock())
    records.emit(Warned("look out"), "fan/1/left")
    records.close()

    line = json.loads((tmp_path / "run" / "progress.ndjson").read_text())
    assert ("warning", "look out", "fan/1/left") == (line["event"], line["message"], line["in_branch"])
