"""Applying fixes: whole, without overlaps, until nothing is left, and nothing lost."""

import re
from collections.abc import Callable, Mapping

import pytest

from attractor.compiler.diagnostics import Diagnostic, Edit, Fix, Severity
from attractor.compiler.fixes import MAX_ROUNDS, apply_edits, fix_until_stable, select_fixes
from attractor.compiler.source import Source


def _checker(
    pattern: str, new: str, *, safe: bool = True, then: str = ""
) -> Callable[[Mapping[str, str]], list[Diagnostic]]:
    """Return a check that wants `pattern` replaced by `new`, and reports `then` as an error."""

    def check(texts: Mapping[str, str]) -> list[Diagnostic]:
        found = []
        for path, text in texts.items():
            source = Source(path, text)
            for match in re.finditer(pattern, text):
                span = source.span(*match.span())
                fix = Fix(f"write {new}", (Edit(span, new),), safe)
                found.append(Diagnostic("r", span, "m", Severity.WARNING, fix=fix))
            if then and then in text:
                found.append(Diagnostic("e", source.span(0, 1), "m", Severity.ERROR))
        return found

    return check


def test_fixing_goes_on_until_nothing_is_left() -> None:
    fixed = fix_until_stable({"a": "xxxx", "b": "-"}, _checker("xx", "x"))

    assert {"a": "x", "b": "-"} == fixed.texts
    assert [] == fixed.diagnostics
    assert 2 + 1 == len(fixed.applied)


def test_fixing_ends_even_when_a_fix_breeds_itself() -> None:
    fixed = fix_until_stable({"a": "x"}, _checker("x", "xy"))

    assert MAX_ROUNDS == len(fixed.applied)


def test_unsafe_fixes_wait_to_be_asked_for() -> None:
    check = _checker("x", "y", safe=False)

    assert {"a": "x"} == fix_until_stable({"a": "x"}, check).texts
    assert {"a": "y"} == fix_until_stable({"a": "x"}, check, unsafe=True).texts


def test_a_round_that_brings_an_error_is_taken_back() -> None:
    fixed = fix_until_stable({"a": "x"}, _checker("x", "y", then="y"))

    assert ({"a": "x"}, []) == (fixed.texts, list(fixed.applied))


def test_overlapping_and_touching_fixes_do_not_go_together_and_a_fix_is_applied_whole() -> None:
    source = Source("a", "0123456789")

    def fix(*stretches: tuple[int, int]) -> Diagnostic:
        edits = tuple(Edit(source.span(*stretch), "-") for stretch in stretches)
        return Diagnostic("r", source.span(0, 1), "m", fix=Fix(str(stretches), edits))

    first, half_taken, touching, apart, again = fix((0, 2)), fix((1, 3), (8, 9)), fix((2, 3)), fix((4, 4)), fix((0, 2))

    selected = select_fixes([first, half_taken, touching, apart, again], ["a"])

    assert [first.fix, apart.fix] == selected


def test_fixes_in_files_that_may_not_be_changed_are_left() -> None:
    source = Source("prompt.md", "x")
    found = Diagnostic("r", source.span(0, 1), "m", fix=Fix("t", (Edit(source.span(0, 1), "y"),)))

    assert [] == select_fixes([found], ["g.dot"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\nb\n", "1\n2\nb\n", id="lf"),
        pytest.param("a\r\nb\r\n", "1\r\n2\r\nb\r\n", id="crlf"),
        pytest.param("\ufeffa\nb\n", "\ufeff1\n2\nb\n", id="byte-order-mark"),
    ],
)
def test_line_ends_and_the_byte_order_mark_stay(text: str, expected: str) -> None:
    at = text.index("a")

    assert {"p": expected} == apply_edits({"p": text}, [Edit(Source("p", text).span(at, at + 1), "1\n2")])


def test_many_fixes_are_applied_in_linear_time() -> None:
    fixed = fix_until_stable({"a": "x " * 50_000}, _checker("x", "y"))

    assert 50_000 == len(fixed.applied)
