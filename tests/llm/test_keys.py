"""Keys: where they come from, and that they never come out again."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main
from attractor.runtime.llm import errors
from attractor.runtime.llm.errors import InvalidRequest
from attractor.runtime.llm.keys import Keys
from attractor.runtime.llm.messages import Finish, Response, Text, ToolCall
from attractor.runtime.llm.wire import Endpoint
from attractor.runtime.plan import Api

from .talking import CANARY, KEYS, asked, plan_of, talking

API = Api("openai_chat_completions", "http://127.0.0.1:9", "/v1", "MY_KEY", {}, "openai", 0, False, {}, {})
ENDPOINT = Endpoint("mine", "m", API)


def keys(value: str = CANARY) -> Keys:
    made = Keys({"MY_KEY": value})
    made.check([ENDPOINT])
    return made


def test_a_key_is_read_from_its_variable_without_the_blanks_around_it() -> None:
    assert CANARY == Keys({"MY_KEY": f" {CANARY}\n"}).of(ENDPOINT)
    assert "" == Keys({}).of(Endpoint("local", "m", API._replace(api_key_env="")))


@pytest.mark.parametrize("value", ["", "   \n"])
def test_every_missing_key_is_named_before_anything_is_sent(value: str) -> None:
    other = Endpoint("other", "m", API._replace(api_key_env="OTHER_KEY"))
    with pytest.raises(errors.Configuration) as raised:
        Keys({"MY_KEY": value}).check([ENDPOINT, other])

    expected = "no key: the environment does not have MY_KEY (provider mine), OTHER_KEY (provider other)"
    assert expected == raised.value.message


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "sk-ключ-0123456789", "tab\there"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(errors.Configuration) as raised:
        Keys({"MY_KEY": value}).of(ENDPOINT)

    assert "the key in MY_KEY has characters that no header can carry" == str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {CANARY}.", "bad key <key>."),
        (f"{CANARY}{CANARY}", "<key><key>"),
        (f"cut off: {CANARY[:15]}", "cut off: <key>"),
        (f"cut off: {CANARY[:15]} …", "cut off: <key> …"),
        (f"longer: {CANARY}xyz", "longer: <key>xyz"),
        ("nothing here", "nothing here"),
        ("sk-canary", "sk-canary"),
    ],
)
def test_a_key_is_hidden_in_any_text_also_where_it_is_cut_off(text: str, shown: str) -> None:
    assert shown == keys().hide(text)


def test_a_key_is_hidden_as_json_writes_it() -> None:
    odd = 'sk-"canary"\\0123456789'

    assert '{"a": "<key>"}' == keys(odd).hide(json.dumps({"a": odd}))


def test_placeholders_are_no_keys() -> None:
    assert "none of it" == keys("none").hide("none of it")


def test_an_error_and_a_response_come_out_clean() -> None:
    error = keys().cleaned(InvalidRequest(f"no {CANARY}", code=f"x-{CANARY}", request_id=CANARY))
    parts = (Text(f"it is {CANARY}"), ToolCall("c", "f", json.dumps({"k": CANARY}), {"k": CANARY}))
    response = keys().cleaned_response(
        Response(id="1", provider="p", model="m", asked="m", parts=parts, finish=Finish.STOP)
    )

    assert ("no <key>", "no <key>", "x-<key>", "<key>") == (str(error), error.message, error.code, error.request_id)
    assert "it is <key>" == response.text
    assert ({"k": "<key>"}, '{"k": "<key>"}') == (response.calls[0].arguments, response.calls[0].raw)


def test_a_target_without_a_key_stops_the_stage_before_it_begins(simulator: Any, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"})
    some = {name: key for name, key in KEYS.items() if name != "ZAI_API_KEY"}

    with (
        pytest.raises(errors.Configuration, match=r"does not have ZAI_API_KEY \(provider zai\)"),
        talking(plan, keys=some),
    ):
        pass
    assert [] == asked(simulator)


# The canary: a provider that repeats the key wherever it can


class Parrot(BaseHTTPRequestHandler):
    """Answers with the key it was sent: as an error, in text, in arguments, in headers, or in no format at all."""

    protocol_version = "HTTP/1.1"
    processes: list[str]
    done: threading.Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        sent = self.headers["Authorization"].removeprefix("Bearer ")
        type(self).processes += [
            path.read_bytes().decode(errors="replace")
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if _readable(path)
        ]
        kind = self.path.split("/")[1]
        match kind:
            case "error":
                body = json.dumps({"error": {"message": f"{'x' * 580} {sent}", "code": sent, "type": sent}})
                self._answer(401, "application/json", body, sent)
            case "text" | "call" | "thought":
                delta: dict[str, Any] = {"content": f"Your key is {sent}"}
                if kind == "thought":
                    delta["reasoning_content"] = f"{sent} is the key"
                if kind == "call":
                    report = json.dumps({"status": "fail", "failure_reason": sent, "context_updates": {"k": sent}})
                    delta = {"tool_calls": [{"index": 0, "id": sent, "function": {"name": "report_outcome",
                                                                                 "arguments": report}}]}  # fmt: skip
                chunk = {"id": sent, "model": sent, "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}
                self._answer(200, "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", sent)
            case "html":
                self._answer(200, "text/html", f"<p>{'y' * 480}{sent}", sent)
            case "record":
                self._answer(200, "text/event-stream", f'data: {{"broken": "{sent}\n\n', sent)
            case _:
                self._answer(302, "text/plain", "", sent)

    def _answer(self, status: int, kind: str, text: str, sent: str) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(text.encode()))),
                            ("x-request-id", sent), ("Location", f"http://127.0.0.1/?key={sent}")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


def _readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


@contextmanager
def parrot() -> Iterator[str]:
    Parrot.processes = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Parrot) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", ["error", "text", "call", "thought", "html", "record", "redirect"])
def test_a_canary_comes_out_nowhere(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "p.dot").write_text(
        'digraph p { start [shape=Mdiamond] exit [shape=Msquare] a [prompt="do", agent_mode=one_shot]\n'
        'b [shape=parallelogram, tool_command="env; exit 1"]\n'
        'start -> a; a -> exit [condition="outcome=success"]; a -> b [condition="outcome=fail"]; b -> exit }\n'
    )
    with parrot() as url:
        (home / "run.yaml").write_text(
            "version: 1\ngraph: p.dot\nworkspace: {mode: directory}\n"
            "runtime_policy: {max_llm_retries: 1, llm_backoff: {base_ms: 1}}\n"
            "llm:\n  defaults: {provider: mine, model: m}\n  providers:\n"
            f"    mine: {{failover: [], api: {{protocol: openai_chat_completions, base_url: '{url}/{kind}', "
            "api_key_env: MY_KEY}}\n"
        )
        assert 0 == main(["compile", "-q", str(home / "run.yaml")], io.StringIO(), io.StringIO())
        done = subprocess.run(
            [sys.executable, "-m", "attractor.cli.main", "exec", str(home / "p.plan.json"), "--json",
             "--skip-preflight", "--run-dir", str(tmp_path / "run")],
            env={**os.environ, "MY_KEY": CANARY, "ATTRACTOR_DEBUG": "1"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "run/stages/a/1-1/response-1.json").exists()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and CANARY[:12].encode() in path.read_bytes()]
    assert [] == files
    assert CANARY[:12] not in done.stdout + done.stderr
    assert Parrot.processes
    assert not any(CANARY in each for each in Parrot.processes)
    if kind != "redirect":
        written = "".join(path.read_text() for path in (tmp_path / "run/stages/a/1-1").glob("*"))
        assert "<key>" in written
