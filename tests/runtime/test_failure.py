"""Failure classes and signatures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime.failure import classify, normalise, parse_class, signature
from attractor.runtime.outcome import FailureClass

TRANSIENT, DETERMINISTIC = FailureClass.TRANSIENT_INFRA, FailureClass.DETERMINISTIC
CANCELED, BUDGET, STRUCTURAL = FailureClass.CANCELED, FailureClass.BUDGET_EXHAUSTED, FailureClass.STRUCTURAL


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", DETERMINISTIC),
        ("2 tests failed", DETERMINISTIC),
        ("main.rs:503: unexpected token", DETERMINISTIC),
        ("assertion failed at line 429", DETERMINISTIC),
        ("status of 502 items unknown", DETERMINISTIC),
        ("HTTP 503", TRANSIENT),
        ("http/1.1 502", TRANSIENT),
        ("status code: 429", TRANSIENT),
        ("status=504 from upstream", TRANSIENT),
        ("request timed out after 30 s", TRANSIENT),
        ("timeouts.py has a syntax error", DETERMINISTIC),
        ("connect ECONNREFUSED 127.0.0.1", TRANSIENT),
        ("Connection reset by peer", TRANSIENT),
        ("curl: (6) Could not resolve host: crates.io", TRANSIENT),
        ("rate limited by the provider", TRANSIENT),
        ("interrate limitless", DETERMINISTIC),
        ("the run was cancelled", CANCELED),
        ("canceled: timed out", CANCELED),
        ("turn limit reached (max_turns=2)", BUDGET),
        ("context window exceeded", BUDGET),
        ("write scope violation: /etc/passwd", STRUCTURAL),
    ],
)
def test_the_text_of_a_reason_tells_its_class(reason: str, expected: FailureClass) -> None:
    assert expected is classify(reason)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", None),
        ("   ", None),
        ("transient", TRANSIENT),
        ("Transient-Infra", TRANSIENT),
        ("infrastructure transient", TRANSIENT),
        ("permanent", DETERMINISTIC),
        ("cancelled", CANCELED),
        ("budget", BUDGET),
        ("scope_violation", STRUCTURAL),
        ("gremlins", DETERMINISTIC),
    ],
)
def test_a_named_class_is_read_through_its_aliases(word: str, expected: FailureClass | None) -> None:
    assert expected is parse_class(word)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exit code 1", "exit code 101"),
        ("at 0xdeadbeef01", "at 0x7ffee3"),
        ("commit 3f9a1c2b4d", "commit a0b1c2d3e4"),
        ("id 0b9de38e-32f4-4fa2-9bd1-1e4b3c8f1f0a", "id 7c1de38e-1111-4fa2-9bd1-0e4b3c8f1f0b"),
        ("took 0.32s", "took 12.9s"),
        ("a\n  b\tc", "A b C"),
        ("line 12, column 4", "line 1,200, column 44"),
    ],
)
def test_what_differs_from_time_to_time_is_not_part_of_a_signature(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cargo is missing", "wasm-pack is missing"),
        ("the decade of defaced facades", "the decade of effaced facades"),
    ],
)
def test_words_stay_part_of_a_signature(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_a_signature_names_node_class_and_reason() -> None:
    assert "build|transient_infra|exit code <n> at <hex>" == signature("build", TRANSIENT, "Exit code 1 at 0x1f")


def test_a_reason_is_cut_to_240_characters() -> None:
    assert 240 == len(normalise("word " * 1000))


@given(st.text(max_size=300))
def test_normalising_twice_changes_nothing(reason: str) -> None:
    once = normalise(reason)

    assert once == normalise(once)[:240]
