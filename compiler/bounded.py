"""A list of diagnostics that stays short: a file of noise gives a page of them, not a million."""

from collections.abc import Iterable

from .diagnostics import Diagnostic

MOST_OF_A_RULE = 100
MOST_FIXABLE_OF_A_RULE = 10_000  # `--fix` is to mend a whole generated file


class Bounded:
    __slots__ = ("_counts", "_left_out", "_reported")

    def __init__(self) -> None:
        self._reported: list[Diagnostic] = []
        self._counts: dict[str, int] = {}
        self._left_out: dict[str, tuple[int, Diagnostic]] = {}

    def add(self, found: Diagnostic) -> None:
        rule = found.rule
        count = self._counts[rule] = self._counts.get(rule, 0) + 1
        if count <= (MOST_FIXABLE_OF_A_RULE if found.fix else MOST_OF_A_RULE):
            self._reported.append(found)
        else:
            number, first = self._left_out.get(rule, (0, found))
            self._left_out[rule] = (number + 1, first)

    def is_full(self, rule: str) -> bool:
        """Whether more of `rule` would only be counted, fix or no fix."""
        return self._counts.get(rule, 0) >= MOST_FIXABLE_OF_A_RULE

    def extend(self, found: Iterable[Diagnostic]) -> None:
        for each in found:
            self.add(each)

    def all(self) -> list[Diagnostic]:
        """Return what was added, one line standing for all that was left out of a rule."""
        return self._reported + [
            Diagnostic(rule, first.span, f"{number} more of this rule from here on are not shown", first.severity)
            for rule, (number, first) in self._left_out.items()
        ]
