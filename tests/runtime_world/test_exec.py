"""`attractor exec` and `attractor run`: what they print, leave behind and exit with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attractor.cli.main import main

TOOLS = """
  a [shape=parallelogram, tool_command="echo hello; echo oops >&2"]
  start -> a -> exit
"""
FAILING = """
  a [shape=parallelogram, tool_command="echo 'missing required tool: wasm-pack' >&2; exit 3"]
  start -> a -> exit
"""
SLOW = """
  a [shape=parallelogram, tool_command="echo up > up; sleep 60"]
  start -> a -> exit
"""
REAL_MODEL = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: kimi, model: kimi-k2.5}
  providers: {kimi: {backend: api, failover: []}}
"""
AGENT = '  a [prompt="do it"]\n  start -> a -> exit'


def test_success_exits_0_and_the_last_line_names_the_run_directory(pipeline) -> None:
    done = pipeline(TOOLS).exec()

    assert (0, "") == (done.code, done.stderr)
    assert f"success: {done.folder}" == done.stdout.splitlines()[-1]
    assert ["start=success", "a=success", "exit=success"] == done.walked()


def test_failure_exits_1_and_the_reason_reaches_the_person(pipeline) -> None:
    done = pipeline(FAILING).exec("--quiet")

    assert 1 == done.code
    assert [
        "'a' failed: tool_command failed with exit code 3: missing required tool: wasm-pack",
        f"fail: {done.folder}",
    ] == done.stdout.splitlines()
    assert ("fail", "deterministic", "a") == tuple(done.final[key] for key in ("status", "failure_class", "node"))


def test_the_files_of_a_tool_stage_hold_what_it_printed(pipeline) -> None:
    done = pipeline(TOOLS).exec("--quiet")

    stage = done.folder / "stages/a/1-1"
    assert ("hello\n", "oops\n") == ((stage / "stdout.log").read_text(), (stage / "stderr.log").read_text())
    context = json.loads((done.folder / "checkpoint.json").read_text())["context"]
    assert ("hello\noops\n", 0) == (context["tool.output"], context["tool.exit_status"])


def test_tool_output_in_the_context_is_its_first_8000_characters(pipeline) -> None:
    body = """
      a [shape=parallelogram, tool_command="head -c 9000 /dev/zero | tr '\\\\0' x; echo end"]
      start -> a -> exit"""

    done = pipeline(body).exec("--quiet")

    assert "x" * 8000 == json.loads((done.folder / "checkpoint.json").read_text())["context"]["tool.output"]


@pytest.mark.parametrize(
    ("attributes", "reason", "failure_class"),
    [
        pytest.param('tool_command="exit 1"', "tool_command failed with exit code 1", "deterministic", id="silent"),
        pytest.param('tool_command="echo said; exit 1"', "exit code 1: said", "deterministic", id="only stdout"),
        pytest.param('tool_command="kill -9 $$"', "exit code 137 (SIGKILL)", "deterministic", id="killed"),
        pytest.param(
            'tool_command="echo still here; sleep 60", timeout="300ms"',
            "tool_command timed out after 300 ms: still here",
            "transient_infra",
            id="timed out",
        ),
        pytest.param(
            'tool_command="echo curl: connection refused >&2; exit 7"',
            "exit code 7: curl: connection refused",
            "transient_infra",
            id="the network",
        ),
        pytest.param(
            'tool_command="echo the build was cancelled; exit 1"', "was cancelled", "deterministic", id="only words"
        ),
        pytest.param(
            'tool_command="touch one", outputs="one,two"', "promised outputs are missing: two", "deterministic",
            id="outputs",
        ),
    ],
)  # fmt: skip
def test_a_tool_fails_with_its_reason_and_its_class(pipeline, attributes: str, reason: str, failure_class: str) -> None:
    done = pipeline(f"  a [shape=parallelogram, {attributes}]\n  start -> a -> exit").exec("--quiet")

    assert reason in done.final["reason"]
    assert failure_class == done.final["failure_class"]


def test_a_tool_whose_outputs_exist_succeeds(pipeline) -> None:
    body = '  a [shape=parallelogram, tool_command="mkdir d; touch d/one", outputs="d/one"]\n  start -> a -> exit'

    assert 0 == pipeline(body).exec("--quiet").code


@pytest.mark.flaky(reruns=3)
def test_a_background_process_does_not_hold_the_run_up(pipeline) -> None:
    started = time.monotonic()
    done = pipeline('  a [shape=parallelogram, tool_command="sleep 30 & echo $!"]\n  start -> a -> exit').exec(
        "--quiet"
    )

    assert 0 == done.code
    assert time.monotonic() - started < 10
    os.kill(int((done.folder / "stages/a/1-1/stdout.log").read_text()), signal.SIGKILL)


def test_a_stage_sees_its_variables_and_no_secret(pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "canary-7c1d")
    monkeypatch.setenv("CARGO_HOME", "/cargo")
    body = '  a [shape=parallelogram, tool_command="env"]\n  start -> a -> exit'

    done = pipeline(body, "inputs: {seed: 42}\nenv: {pass: [CARGO_HOME]}\n").exec("--quiet", "--run-id", "r-1")

    seen = dict(line.split("=", 1) for line in (done.folder / "stages/a/1-1/stdout.log").read_text().splitlines())
    assert "canary-7c1d" not in seen.values()
    assert ("42", "/cargo", "r-1", "a", "start", "success") == tuple(
        seen[name]
        for name in (
            "ATTRACTOR_INPUT_SEED", "CARGO_HOME", "ATTRACTOR_RUN_ID", "ATTRACTOR_NODE_ID",
            "ATTRACTOR_PREVIOUS_NODE", "ATTRACTOR_PREVIOUS_OUTCOME",
        )
    )  # fmt: skip
    every_file = b"".join(path.read_bytes() for path in done.folder.rglob("*") if path.is_file())
    assert b"canary-7c1d" not in every_file


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process in /proc")
def test_a_stage_finds_no_secret_in_the_environment_of_the_process_that_runs_it(pipeline) -> None:
    command = "for each in /proc/$PPID/environ /proc/self/environ; do tr '\\\\0' '\\\\n' < $each; done"
    body = f'  a [shape=parallelogram, tool_command="{command}"]\n  start -> a -> exit'
    folder = pipeline(body).folder
    secrets = {"SOME_API_KEY": "canary-7c1e", "DB_PASSWORD": "canary-7c1e"}
    program = "import sys; from attractor.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["run", str(folder / "run.yaml"), "--run-dir", str(folder.parent / "the run"), "--quiet"]
    subprocess.run(
        [sys.executable, "-c", program, *arguments], env={**os.environ, **secrets, "PLAIN": "shown"}, check=True
    )

    seen = (folder.parent / "the run/stages/a/1-1/stdout.log").read_text()
    assert "PLAIN=shown" in seen
    assert "SOME_API_KEY=***********" in seen
    assert "canary" not in seen


@pytest.mark.parametrize("variable", ["ATTRACTOR_STATUS_PATH", "KILROY_STAGE_STATUS_PATH"])
def test_a_tool_may_say_more_in_its_status_file(pipeline, variable: str) -> None:
    body = f"""
      a [shape=parallelogram, tool_command="cp said.json \\"${variable}\\""]
      start -> a -> exit"""
    made = pipeline(body)
    (made.folder / "said.json").write_text('{"status": "fail", "failure_reason": "half done"}')

    assert "'a' failed: half done" == made.exec("--quiet").final["reason"]
    assert not (made.folder / ".attractor").exists()


def test_json_prints_the_event_stream_and_nothing_else(pipeline) -> None:
    done = pipeline(TOOLS).exec("--json")

    assert (done.folder / "progress.ndjson").read_text() == done.stdout
    assert "run_completed" == json.loads(done.stdout.splitlines()[-1])["event"]


def test_the_plain_view_has_a_line_per_event(pipeline) -> None:
    done = pipeline(TOOLS).exec()

    lines = done.stdout.splitlines()[:-1]
    assert len(done.events) == len(lines)
    assert all(re.match(r"\d\d:\d\d:\d\d  \S", line) for line in lines)
    assert "a      -> exit (only unconditional edge)" in [line[10:] for line in lines]


def test_a_default_run_directory_is_made_below_the_state_folder(pipeline, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    main(["exec", str(pipeline(TOOLS).plan), "--quiet"])

    (run,) = (tmp_path / "state/attractor/runs").iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z-p-[0-9a-f]{4}", run.name)


@pytest.mark.parametrize("shared", ["exec", "run"])
def test_an_existing_run_directory_is_refused_and_left_alone(pipeline, shared: str) -> None:
    made = pipeline(TOOLS)
    first = made.exec("--quiet")
    before = (first.folder / "final.json").read_bytes()
    source = made.plan if shared == "exec" else made.folder / "run.yaml"

    code = main([shared, str(source), "--run-dir", str(first.folder)])

    assert 2 == code
    assert before == (first.folder / "final.json").read_bytes()


def test_a_failover_to_another_kind_of_backend_is_refused_before_anything_runs(pipeline) -> None:
    mixed = REAL_MODEL.replace("failover: []}", "failover: [zai]}, zai: {backend: scripted, failover: []}")

    done = pipeline(AGENT, mixed).exec()

    assert 3 == done.code
    told = "failover provider 'zai': no failover from backend api to backend scripted; 'a' may go to it"
    assert f"fail  {told}" in done.stdout
    assert ["preflight_finished", "run_failed"] == done.names()


def test_simulation_needs_no_model(pipeline) -> None:
    assert 0 == pipeline(AGENT, REAL_MODEL).exec("--simulate").code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["exec"], "name the plan to run", id="no plan"),
        pytest.param(["exec", "nowhere.json"], "cannot read 'nowhere.json'", id="a missing plan"),
        pytest.param(["exec", "."], "cannot read '.'", id="a folder"),
        pytest.param(["exec", "PLAN", "--base", "nowhere"], "--base is not a folder", id="a missing base"),
        pytest.param(["exec", "PLAN", "--run-id", "a/b"], "is no name for a folder", id="an id with a slash"),
        pytest.param(["exec", "PLAN", "--run-id", "a.lock"], "is no name for a folder", id="an id git refuses"),
        pytest.param(["exec", "PLAN", "--simulate=nowhere.yaml"], "cannot read 'nowhere.yaml'", id="no scenario"),
        pytest.param(["exec", "PLAN", "--simulate=PLAN"], "is not a scenario", id="a plan as scenario"),
        pytest.param(["run", "nowhere.yaml"], "nowhere.yaml", id="a missing run.yaml"),
    ],
)
def test_a_wrong_call_exits_2_with_one_clear_message(pipeline, capsys, arguments: list[str], message: str) -> None:
    made = pipeline(TOOLS)
    arguments = [each.replace("PLAN", str(made.plan)) for each in arguments]

    run = made.new_run_folder()
    code = main([*arguments, "--run-dir", str(run)])

    assert 2 == code
    assert message in capsys.readouterr().err
    assert not run.exists()


def test_a_stale_plan_is_told_and_refused_where_freshness_is_required(pipeline) -> None:
    made = pipeline(TOOLS)
    (made.folder / "p.dot").write_text((made.folder / "p.dot").read_text() + "// changed\n")

    told, refused = made.exec("--quiet"), made.exec("--require-fresh")

    assert (0, 2) == (told.code, refused.code)
    assert "warning: plan is stale: p.dot changed since it was compiled" in told.stderr
    assert "plan is stale" in refused.stderr
    assert not refused.folder.exists()


def test_an_edited_plan_runs_only_when_that_is_allowed(pipeline) -> None:
    made = pipeline(TOOLS)
    made.plan.write_text(made.plan.read_text().replace("echo hello", "echo hullo"))

    refused, allowed = made.exec("--quiet"), made.exec("--quiet", "--allow-edited")

    assert (2, 0) == (refused.code, allowed.code)
    assert "hullo" in (allowed.folder / "stages/a/1-1/stdout.log").read_text()


def test_an_edited_scenario_is_checked_before_anything_runs(pipeline) -> None:
    made = pipeline(AGENT)
    plan = json.loads(made.plan.read_text())
    plan["providers"]["local"]["script"] = {"version": 1, "nodes": {"a": {"delay_ms": "long"}}}
    made.plan.write_text(json.dumps(plan))

    done = made.exec("--allow-edited")

    assert 2 == done.code
    assert "the plan's scenario for provider 'local' is none: nodes/a" in done.stderr
    assert not done.folder.exists()


def test_a_plan_elsewhere_runs_in_the_current_folder_that_holds_its_sources(pipeline, tmp_path, monkeypatch) -> None:
    made = pipeline('  a [shape=parallelogram, tool_command="pwd"]\n  start -> a -> exit')
    moved = tmp_path / "elsewhere.json"
    made.plan.rename(moved)
    monkeypatch.chdir(made.folder)

    code = main(["exec", str(moved), "--quiet", "--run-dir", str(tmp_path / "r")])

    assert 0 == code
    assert f"{made.folder}\n" == (tmp_path / "r/stages/a/1-1/stdout.log").read_text()


def test_run_compiles_first_and_keeps_the_plan(pipeline) -> None:
    made = pipeline(TOOLS)
    done = made.run("--quiet")

    assert 0 == done.code
    assert made.plan.read_bytes() == (done.folder / "plan.json").read_bytes()


def test_run_stops_at_compile_errors_with_exit_code_2(pipeline) -> None:
    done = pipeline("  start -> nowhere", compiles=False).run()

    assert 2 == done.code
    assert "p.dot:" in done.stderr
    assert not done.folder.exists()


def test_run_takes_overrides(pipeline) -> None:
    body = '  a [shape=parallelogram, tool_command="echo $ATTRACTOR_INPUT_WHO"]\n  start -> a -> exit'
    done = pipeline(body, "inputs: {who: file}\n").run("--quiet", "--set", "inputs.who=line")

    assert "line\n" == (done.folder / "stages/a/1-1/stdout.log").read_text()


def test_setup_runs_before_the_first_node(pipeline) -> None:
    yaml = "setup: {commands: ['echo made > made', 'test -f made']}\n"
    done = pipeline('  a [shape=parallelogram, tool_command="cat made"]\n  start -> a -> exit', yaml).exec("--quiet")

    assert 0 == done.code
    assert ["preflight_finished", *["setup_started", "setup_finished"] * 2, "run_started"] == done.names()[:6]


def test_a_setup_command_that_fails_ends_the_run_with_its_last_words(pipeline) -> None:
    yaml = "setup: {commands: ['echo no cargo >&2; exit 4', 'touch never'], timeout_ms: 60000}\n"
    done = pipeline(TOOLS, yaml).exec("--quiet")

    assert 1 == done.code
    assert "exit code 4: no cargo" in done.final["reason"]
    assert ["preflight_finished", "setup_started", "setup_finished", "run_failed"] == done.names()


@pytest.mark.flaky(reruns=3)
def test_all_setup_commands_share_one_timeout(pipeline) -> None:
    yaml = "setup: {commands: ['sleep 0.3', 'sleep 60'], timeout_ms: 500}\n"
    started = time.monotonic()
    done = pipeline(TOOLS, yaml).exec("--quiet")

    assert 1 == done.code
    assert "setup command 2 (sleep 60) timed out" in done.final["reason"]
    assert time.monotonic() - started < 10


def test_a_workspace_that_cannot_be_had_fails_the_run_with_a_reason(pipeline) -> None:
    yaml = "version: 1\ngraph: p.dot\nworkspace: {mode: worktree}\n"
    done = pipeline(TOOLS, yaml).exec("--quiet")

    assert 1 == done.code
    assert "is not in a git repository" in done.final["reason"]


def test_a_git_run_works_on_its_own_branch(pipeline) -> None:
    yaml = "version: 1\ngraph: p.dot\n"
    made = pipeline('  a [shape=parallelogram, tool_command="echo x > x"]\n  start -> a -> exit', yaml)
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=made.folder, check=True)

    done = made.exec("--quiet", "--run-id", "r-7")

    log = subprocess.run(
        ["git", "log", "--format=%s", "attractor/run/r-7"], cwd=made.folder, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert f"success: {done.folder} on branch attractor/run/r-7" == done.stdout.splitlines()[-1]
    assert ["exit (success)", "a (success)", "start (success)"] == [line.split(": ")[1] for line in log[:3]]
    assert not (made.folder / "x").exists()
    assert done.final["commit"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["int", "term", "hup"]
)
def test_a_signal_stops_the_run_cleanly(pipeline, number: signal.Signals, code: int) -> None:
    made = pipeline(SLOW)
    run = made.new_run_folder()
    process = start(made.plan, run)
    wait_for(made.folder / "up")

    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)

    assert (code, "") == (process.returncode, stderr)
    assert f"canceled: {run}" == stdout.splitlines()[-1]
    final = json.loads((run / "final.json").read_text())
    assert ("canceled", f"stopped by signal {number.name}") == (final["status"], final["reason"])


@pytest.mark.flaky(reruns=3)
def test_a_second_signal_stops_it_at_once(pipeline) -> None:
    body = """
      a [shape=parallelogram, tool_command="trap '' TERM; echo up > up; while :; do sleep 0.1; done"]
      start -> a -> exit"""
    made = pipeline(body)
    run = made.new_run_folder()
    process = start(made.plan, run)
    wait_for(made.folder / "up")

    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert 130 == process.returncode
    assert time.monotonic() - started < 1.9
    assert "canceled" == json.loads((run / "final.json").read_text())["status"]


def test_a_reader_that_leaves_does_not_stop_the_run(pipeline) -> None:
    chain = "".join(f'  n{i} [shape=parallelogram, tool_command="true"]\n' for i in range(20))
    made = pipeline(f"{chain}  start -> {' -> '.join(f'n{i}' for i in range(20))} -> exit")
    run = made.new_run_folder()
    process = start(made.plan, run)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()

    assert (0, "") == (process.wait(timeout=20), stderr)
    assert "success" == json.loads((run / "final.json").read_text())["status"]


def test_a_terminal_without_the_letters_shows_them_escaped(pipeline) -> None:
    made = pipeline(TOOLS, name="straße")
    run = made.folder.parent / "läuft"
    process = subprocess.run(
        [sys.executable, "-m", "attractor.cli.main", "exec", str(made.plan), "--run-dir", str(run)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )

    assert (0, b"") == (process.returncode, process.stderr)
    assert process.stdout.endswith(b"l\\xe4uft\n")


def start(plan: Path, run: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "attractor.cli.main", "exec", str(plan), "--run-dir", str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
