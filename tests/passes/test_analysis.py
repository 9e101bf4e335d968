"""What rules ask of a resolved graph."""

from collections.abc import Callable

from attractor.compiler.analysis import Analysis
from attractor.compiler.graph import Graph, Kind

Resolve = Callable[..., Graph]

LOOP = """
    start [shape=Mdiamond] done [shape=Msquare]
    start -> impl -> verify -> check
    check [shape=diamond]
    check -> done [condition="outcome=success"]
    check -> impl [condition="outcome=fail"]
    impl [retry_target=rescue] rescue -> impl
    lost -> lost
"""


def test_reach(resolve: Resolve) -> None:
    analysis = Analysis(resolve(LOOP))

    assert (["start"], ["done"]) == (list(analysis.starts), list(analysis.exits))
    assert {"start", "impl", "verify", "check", "done"} == analysis.reachable
    assert {"start", "impl", "verify", "check", "done", "rescue"} == analysis.reachable_with_retries
    assert {"start", "impl", "verify", "check", "done", "rescue"} == analysis.reaches_exit
    assert ["check"] == list(analysis.of_kind(Kind.CONDITIONAL))


def test_cycles(resolve: Resolve) -> None:
    analysis = Analysis(resolve(LOOP))

    assert {frozenset({"impl", "verify", "check"}), frozenset({"lost"})} == set(analysis.components)
    assert {"impl", "verify", "check", "lost"} == set(analysis.component_of)
    assert "check" in analysis.components[analysis.component_of["impl"]]


def test_dominators(resolve: Resolve) -> None:
    analysis = Analysis(resolve(LOOP))

    assert {"impl": "start", "verify": "impl", "check": "verify", "done": "check"} == analysis.dominators
    assert analysis.dominates("verify", "done")
    assert analysis.dominates("done", "done")
    assert analysis.dominates("start", "done")
    assert not analysis.dominates("done", "verify")
    assert not analysis.dominates("lost", "lost")
    assert not analysis.dominates("rescue", "impl")


def test_domains_leave_out_a_retry_that_no_condition_names(resolve: Resolve) -> None:
    analysis = Analysis(resolve('a -> x [condition="outcome=retry"] b -> x t [shape=parallelogram]'))

    assert {"retry"} == analysis.domains["a"] - analysis.domains["b"]
    assert {"success", "fail"} == analysis.domains["t"]


def test_an_empty_graph_has_answers_too(resolve: Resolve) -> None:
    analysis = Analysis(resolve(""))

    assert (frozenset(), frozenset(), [], {}, {}) == (
        analysis.reachable,
        analysis.reaches_exit,
        list(analysis.components),
        analysis.dominators,
        analysis.domains,
    )
