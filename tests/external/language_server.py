"""A client of a language server over stdin and stdout: as much of the protocol as the tests here speak."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 60
SETTINGS = {
    "yaml": {"schemaStore": {"enable": False}, "validate": True, "hover": True, "completion": True},  # no network
}


class LanguageServer:
    """Started with the project in `root`; a context manager, so that it is gone when the test is."""

    def __init__(self, command: Sequence[str], root: Path, path: str) -> None:
        self.root = root
        self._process = subprocess.Popen(
            command, cwd=root, env={**os.environ, "PATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._diagnostics: queue.Queue[dict[str, Any]] = queue.Queue()
        self._last_id = 0
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "LanguageServer":
        documentation = {"completionItem": {"documentationFormat": ["markdown", "plaintext"]}}
        capabilities = {
            "textDocument": {"completion": documentation, "hover": {"contentFormat": ["markdown"]}},
            "workspace": {"configuration": True},
        }
        self.ask("initialize", {"processId": None, "rootUri": self.root.as_uri(), "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def open(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Open `path` as if it held `text`, and return what the server finds wrong with it."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while True:
            published = self._diagnostics.get(timeout=PATIENCE_S)
            if published["uri"] == path.as_uri():
                found: list[dict[str, Any]] = published["diagnostics"]
                return found

    def at(self, method: str, path: Path, line: int, column: int) -> Any:
        """Ask about a place; lines and columns count from 0."""
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
        return self.ask(f"textDocument/{method}", place)

    def ask(self, method: str, parameters: object) -> Any:
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": parameters})
        while True:
            answer = self._answers.get(timeout=PATIENCE_S)
            if answer["id"] == self._last_id:
                assert "error" not in answer, answer
                return answer["result"]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass  # further headers
            message = json.loads(stream.read(length))
            if "method" not in message:
                self._answers.put(message)
            elif "id" in message:
                self._send({"id": message["id"], "result": self._reply(message)})
            elif message["method"] == "textDocument/publishDiagnostics":
                self._diagnostics.put(message["params"])

    def _reply(self, message: dict[str, Any]) -> Any:
        """Answer what the server asks: it asks for settings, by section."""
        if message["method"] == "workspace/configuration":
            return [SETTINGS.get(item.get("section"), {}) for item in message["params"]["items"]]
        return None
