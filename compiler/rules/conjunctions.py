"""What a condition asks: per key one `Need`. Two conditions can then be compared without running anything.

An outcome is looked at as a set of words, because a stage can end only with the words of its domain; every other key
may hold any text, the empty one when it was never set.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..graph import Clause

OUTCOME = "outcome"
LABEL = "preferred_label"
_UNTRUE = frozenset({"", "false"})


class Need(NamedTuple):
    """A key must hold `equal`, or, where that is None, none of `differs`."""

    equal: str | None
    differs: frozenset[str]

    def allows(self, value: str) -> bool:
        return value == self.equal if self.equal is not None else value not in self.differs


Needs = Mapping[str, Need]


def need_of(clause: Clause) -> Need:
    if clause.op == "=":
        return Need(clause.literal, frozenset())
    return Need(None, frozenset({clause.literal}) if clause.op == "!=" else _UNTRUE)


def needs_of(condition: Sequence[Clause]) -> Needs | None:
    """Return what `condition` asks of each key, None when it contradicts itself."""
    equal: dict[str, str] = {}
    differs: dict[str, set[str]] = {}
    for clause in condition:
        if clause.op == "=":
            if equal.setdefault(clause.key, clause.literal) != clause.literal:
                return None
        else:
            differs.setdefault(clause.key, set()).update(need_of(clause).differs)
    if any(value in differs.get(key, ()) for key, value in equal.items()):
        return None
    keys = dict.fromkeys(clause.key for clause in condition)
    return {key: Need(equal[key], frozenset()) if key in equal else Need(None, frozenset(differs[key])) for key in keys}


def contradiction(condition: Sequence[Clause]) -> tuple[Clause, Clause] | None:
    """Return the first clause that cannot hold beside an earlier one, as (earlier, it)."""
    first_equal: dict[str, Clause] = {}
    for at, clause in enumerate(condition):
        first = first_equal.get(clause.key)
        if first is not None and not need_of(clause).allows(first.literal):
            return first, clause
        if clause.op == "=" and first is None:
            for earlier in condition[:at]:  # once per key
                if earlier.key == clause.key and not need_of(earlier).allows(clause.literal):
                    return earlier, clause
            first_equal[clause.key] = clause
    return None


def words_that_fit(needs: Needs, domain: frozenset[str]) -> frozenset[str]:
    """Return the words of `domain` with which the part of `needs` about the outcome holds."""
    need = needs.get(OUTCOME)
    if need is None:
        return domain
    return domain - need.differs if need.equal is None else domain & {need.equal}


def overlap(one: Needs, other: Needs, domain: frozenset[str]) -> frozenset[str]:
    """Return the outcomes of `domain` with which both can hold at once; none when they exclude each other."""
    for key in one.keys() & other.keys():
        if key != OUTCOME and _exclude_each_other(one[key], other[key]):
            return frozenset()
    return words_that_fit(one, words_that_fit(other, domain))


def implies(one: Needs, other: Needs, domain: frozenset[str]) -> bool:
    """Whether `other` holds wherever `one` does, for outcomes of `domain`."""
    if not words_that_fit(one, domain) <= words_that_fit(other, domain):
        return False
    return all(key == OUTCOME or (key in one and _covers(need, one[key])) for key, need in other.items())


def _exclude_each_other(one: Need, other: Need) -> bool:
    if one.equal is not None:
        return not other.allows(one.equal)
    return other.equal is not None and not one.allows(other.equal)


def _covers(wide: Need, narrow: Need) -> bool:
    """Whether every value that `narrow` allows is allowed by `wide`."""
    if narrow.equal is not None:
        return wide.allows(narrow.equal)
    return wide.equal is None and wide.differs <= narrow.differs
