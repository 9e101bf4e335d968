"""Which answer a request gets: the scenario's first that fits and is not used up."""

import threading
from typing import NamedTuple

from .scenario import ECHO, Answer, Match, Scenario
from .turn import Asked


class Chosen(NamedTuple):
    answer: Answer | None  # None: the scenario has none left
    label: str  # for the record


class Chooser:
    """Counts how often each answer was given; `per` says whether all requests share the counts."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._given: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    def choose(self, protocol: str, path: str, key: str, asked: Asked) -> Chosen:
        scenario = self._scenario
        lane = {"any": "", "model": asked.model, "key": key}[scenario.per]
        with self._lock:
            for position, answer in enumerate(scenario.answers):
                given = self._given.get((lane, position), 0)
                if (answer.repeat is None or given < answer.repeat) and _fits(answer.match, protocol, path, key, asked):
                    self._given[lane, position] = given + 1
                    return Chosen(answer, str(position))
        if scenario.otherwise is not None:
            return Chosen(scenario.otherwise, "otherwise")
        return Chosen(None, "none") if scenario.answers else Chosen(ECHO, "fixed")

    def unused(self) -> list[int]:
        """Return the positions of the answers that nobody has asked for yet."""
        with self._lock:
            given = {position for _, position in self._given}
            return [position for position in range(len(self._scenario.answers)) if position not in given]


def _fits(match: Match, protocol: str, path: str, key: str, asked: Asked) -> bool:
    return (
        match.protocol in {"", protocol}
        and path.startswith(match.path)
        and match.model in {"", asked.model}
        and match.key in {"", key}
        and (not match.contains or match.contains in "".join(asked.user_texts[-1:]))
        and (not match.said or any(match.said in text for text in asked.user_texts))
        and match.stream in {None, asked.stream}
    )
