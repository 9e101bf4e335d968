"""What an attempt leaves of its calls to models: request-N.json, response-N.json, events.ndjson, provider_used.json.

Keys never get here: headers are not written, and every text has been through `hide`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ..files import utf8
from ..journal import spent_to_json
from ..llm.client import Attempt
from ..llm.errors import LlmError
from ..llm.messages import Part, Response, StreamEvent
from ..llm.wire import Endpoint, HttpRequest
from ..outcome import Json
from ..plan import Model
from ..session_log import SessionLog, write_text
from .contract import Visit

_TOGETHER_BYTES = 1 << 16


class WireFiles:
    """Shown every request and response of one attempt of a stage, and writes them down."""

    def __init__(self, folder: Path, log: SessionLog) -> None:
        self._folder = folder
        self._log = log
        self.hide: Callable[[str], str] = str  # set once the keys are known

    def sent(self, number: int, endpoint: Endpoint, post: HttpRequest) -> None:
        self._log.add("LLM_REQUEST", {"request": number, "provider": endpoint.provider, "model": endpoint.model})
        head = {
            "provider": endpoint.provider,
            "model": endpoint.model,
            "protocol": endpoint.api.protocol,
            "url": post.url.partition("?")[0],
        }
        opened = json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}")
        # The body is long and has been written already, in lines: it is neither written nor held a second time.
        with (self._folder / f"request-{number}.json").open("wb") as file:
            file.write(utf8(self.hide(f'{opened},\n  "body": ')))
            body = BytesIO(post.content)
            while lines := body.readlines(_TOGETHER_BYTES):
                file.write(utf8(self.hide(b"".join(lines).decode())))
            file.write(b"\n}\n")

    def heard(self, event: StreamEvent) -> None:
        """Deltas are not written: they may belong to a response that breaks off."""

    def ended(self, attempt: Attempt) -> None:
        ended = {"request": attempt.number, "duration_ms": attempt.duration_ms}
        if attempt.response is not None:
            response = attempt.response
            self._log.add(
                "LLM_RESPONSE", ended | {"finish_reason": response.finish, "usage": spent_to_json(attempt.usage)}
            )
            for warning in response.warnings:
                self._log.add("WARNING", {"message": self.hide(warning)})
            self._write(f"response-{attempt.number}.json", response_json(response))
        elif attempt.error is not None:
            self._log.add("ERROR", ended | error_json(attempt.error))
            self._write(f"response-{attempt.number}.json", {"error": error_json(attempt.error)})

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        write_text(self._folder / name, self.hide(json.dumps(document, ensure_ascii=False, indent=2)) + "\n")


def response_json(response: Response) -> dict[str, Any]:
    return {
        "id": response.id,
        "provider": response.provider,
        "model": response.model,
        "finish": response.finish,
        "finish_raw": response.finish_raw,
        "finish_detail": response.finish_detail,
        "parts": [_part(part) for part in response.parts],
        "tokens": response.usage._asdict(),
        "request_id": response.request_id,
        "warnings": list(response.warnings),
    }


def _part(part: Part) -> dict[str, Any]:
    return {"part": type(part).__name__, **part._asdict()}


def error_json(error: LlmError) -> dict[str, Json]:
    return {
        "kind": error.kind,
        "message": error.message,
        "status": error.status,
        "code": error.code,
        "retry_after_s": error.retry_after_s,
        "request_id": error.request_id,
    }


def attempts_json(attempts: Sequence[Attempt]) -> list[Json]:
    """Return the attempts as provider_used.json lists them."""
    return [
        {
            "request": attempt.number,
            "provider": attempt.endpoint.provider,
            "model": attempt.endpoint.model,
            "served_model": attempt.response.model if attempt.response else "",
            "duration_ms": attempt.duration_ms,
            "finish_reason": str(attempt.response.finish) if attempt.response else "",
            "error": attempt.error.kind if attempt.error else "",
            "message": attempt.error.message if attempt.error else "",
            "status": attempt.error.status if attempt.error else 0,
            "request_id": (attempt.response or attempt.error).request_id,  # type: ignore[union-attr]
            **spent_to_json(attempt.usage),
        }
        for attempt in attempts
    ]


def last_place(visit: Visit, chain: Sequence[Model]) -> int:
    """Return where in its chain the stage's last attempt was answered: a failover is for the whole stage.

    An attempt that nobody answered begins again with the node's own model.
    """
    path = visit.folder.parent / f"{visit.number}-{visit.attempt - 1}" / "provider_used.json"
    try:
        used = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    answered = bool(used["attempts"]) and not used["attempts"][-1]["error"]
    return min(int(used["failovers"]), len(chain) - 1) if answered else 0
