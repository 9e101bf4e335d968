"""`attractor simulate-provider`, as a process."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

ATTRACTOR = (sys.executable, "-m", "attractor.cli.main", "simulate-provider")


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen([*ATTRACTOR, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(url: str, base: str = "") -> requests.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return requests.post(f"{url}{base}/v1/messages", json=body, headers={"x-api-key": "canary-77"}, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_serves_a_scenario_records_the_requests_and_stops_at_a_signal(tmp_path: Path, number: int) -> None:
    (tmp_path / "s.yaml").write_text("version: 1\nanswers:\n- {match: {path: /kimi}, text: from kimi}\n- text: other\n")
    with served("--scenario", str(tmp_path / "s.yaml"), "--record", str(tmp_path / "r.ndjson")) as (process, url):
        texts = [ask(url, base).json()["content"][0]["text"] for base in ("", "/kimi")]
        remote = requests.get(url + "/_simulator/requests", timeout=10).json()["requests"]
        process.send_signal(number)

        assert 0 == process.wait(timeout=10)
    assert ["other", "from kimi"] == texts
    recorded = (tmp_path / "r.ndjson").read_text()
    assert remote == [json.loads(line) for line in recorded.splitlines()]
    assert "canary" not in recorded


def test_it_stops_while_a_client_waits_for_a_silent_answer(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"version": 1, "answers": [{"delivery": {"silence": {"s": 600}}}]}')
    with served("--scenario", str(tmp_path / "s.json")) as (process, url):
        body = {"model": "m", "stream": True, "messages": []}
        with requests.post(url + "/v1/messages", json=body, stream=True, timeout=10) as answer:
            assert b"event: message_start" == next(answer.iter_lines())
            process.terminate()

            assert 0 == process.wait(timeout=10)


def test_the_line_for_run_yaml_is_one_the_compiler_takes(tmp_path: Path) -> None:
    with served() as (process, url):
        assert process.stdout is not None
        line = process.stdout.readline()
    graph = 'digraph g { s [shape=Mdiamond] a [prompt="x", llm_provider=anthropic, llm_model="claude-sonnet-4-5"]\n'
    (tmp_path / "g.dot").write_text(graph + "e [shape=Msquare] s -> a -> e }\n")
    (tmp_path / "run.yaml").write_text("version: 1\ngraph: g.dot\n" + line)
    command = [sys.executable, "-m", "attractor.cli.main", "compile", str(tmp_path / "run.yaml"), "-o", "-"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, url) == (result.returncode, json.loads(result.stdout)["providers"]["anthropic"]["api"]["base_url"])


def test_a_wrong_scenario_is_refused_with_its_places(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("version: 1\nanswers:\n- txt: done\n- error: {kind: rate_limits}\n")
    result = subprocess.run([*ATTRACTOR, "--scenario", str(path)], capture_output=True, text=True, check=False)

    assert (2, "") == (result.returncode, result.stdout)
    assert f'{path}:3:3: error[script_invalid] unknown key "txt"' in result.stderr
    assert f"{path}:4:17: error[script_invalid]" in result.stderr
    assert 'did you mean "rate_limit"?' in result.stderr
