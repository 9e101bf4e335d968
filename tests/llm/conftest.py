"""The provider simulator as a fixture."""

import json
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.simulator.server import Simulator

SCHEMA = Path(__file__).parents[2] / "schemas" / "simulator.schema.json"


class ScriptedSimulator(Simulator):
    """A simulator whose scenario a test gives it answer by answer."""

    def script(self, *answers: Mapping[str, Any], **more: Any) -> None:
        """Answer with `answers`, in order; `more` are further keys of the scenario, such as `otherwise`."""
        scenario = {"version": 1, "answers": list(answers), **more}
        if not _validator().is_valid(scenario):
            from jsonschema import Draft7Validator
            from jsonschema.exceptions import best_match

            raise ValueError(best_match(Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(scenario)).message)
        self.load(scenario)


@lru_cache
def _validator() -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))


@pytest.fixture
def simulator() -> Iterator[ScriptedSimulator]:
    """A provider on 127.0.0.1 (`simulator.url`); `simulator.script(...)` says what it answers."""
    before = set(threading.enumerate())
    with ScriptedSimulator() as served:
        yield served
    left = [thread.name for thread in set(threading.enumerate()) - before if _is_ours(thread.name)]
    assert ([], []) == (left, served.bugs)


@pytest.fixture(autouse=True)
def no_thread_of_the_client_is_left() -> Iterator[None]:
    """After each test, whatever it did: nobody watches a call any more."""
    yield
    assert [] == [thread.name for thread in threading.enumerate() if thread.name.startswith("attractor-llm")]


def _is_ours(name: str) -> bool:
    return name == "simulator" or "process_request_thread" in name
