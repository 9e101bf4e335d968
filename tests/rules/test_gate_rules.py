"""Goal gates, retry targets, loops and parallel regions."""

import pytest

from attractor.compiler.diagnostics import Severity

from .graphs import lint, message, of

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
GATE = 'review [prompt="Review it", goal_gate=true, retry_target="build"]'
BUILD = 'build [prompt="Build it"]'
FORK = """fork [shape=component] a [prompt="A"] b [prompt="B"] join [shape=tripleoctagon]
    begin -> fork fork -> a fork -> b b -> join join -> done """


def _rules(body: str) -> set[str]:
    return {each.rule for each in lint(body)}


def test_a_gate_on_every_way_to_a_success_exit_cannot_be_bypassed() -> None:
    ways = """mid [shape=diamond] failed [shape=Msquare, exit_status=fail] begin -> build -> mid
    mid -> review mid -> failed [condition="outcome=fail"] review -> done"""

    assert [] == of("gate_bypassable", f"{GATE} {BUILD} {ways}")


def test_a_way_around_a_gate_is_found_for_each_exit_and_gate() -> None:
    body = f"""{GATE} {BUILD} second [shape=Msquare] audit [prompt="Audit", goal_gate=true, retry_target="build"]
    begin -> build build -> review [condition="outcome=success"] build -> audit
    review -> done audit -> second"""

    assert ["audit", "review"] == sorted(subject for _, subject, _ in of("gate_bypassable", body))
    assert [] == of("gate_bypassable", f"{GATE} {BUILD} begin -> build -> review -> done")


def test_a_way_back_to_the_gate_may_lead_through_a_loop() -> None:
    forward = f"{GATE} {BUILD} later [prompt=L] begin -> build -> review -> later -> done"

    assert [] == of("gate_not_reentrant", forward)
    assert [(ERROR, "review", '"later"')] == of("gate_not_reentrant", forward.replace('"build"', '"later"'))
    loop = forward.replace('retry_target="build"', 'retry_target="later"')
    assert [] == of("gate_not_reentrant", f'{loop} later -> build [condition="outcome=fail"]')


def test_the_target_of_a_gate_is_the_nodes_then_its_fallback_then_the_graphs() -> None:
    body = f"""retry_target="later" {BUILD} later [prompt="L"] begin -> build -> review -> later -> done
    review [prompt="R", goal_gate=true GOES]"""

    assert [(ERROR, "review", '"later"')] == of("gate_not_reentrant", body.replace("GOES", ""))
    assert [] == of("gate_not_reentrant", body.replace("GOES", ', fallback_retry_target="build"'))


def test_the_way_back_must_do_some_work() -> None:
    body = f"""{BUILD} check [shape=diamond] failed [shape=Msquare, exit_status=fail]
    review [prompt="R", goal_gate=true, retry_target="check"] begin -> build -> check
    check -> review [condition="outcome=success"] check -> TO review -> done"""

    assert [(WARNING, "review", '"check"')] == of("retry_target_no_progress", body.replace("TO", "failed"))
    assert [] == of("retry_target_no_progress", body.replace("TO", "build"))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        pytest.param("outcome=success", False, id="success"),
        pytest.param("outcome=partial_success", False, id="partial"),
        pytest.param("outcome!=fail", False, id="negation"),
        pytest.param("outcome=approved", True, id="custom"),
        pytest.param("outcome=fail", True, id="fail"),
    ],
)
@pytest.mark.parametrize("through", ["", "check"], ids=["direct", "through-a-diamond"])
def test_a_gate_leaves_for_an_exit_only_when_it_is_satisfied(condition: str, found: bool, through: str) -> None:
    source = through or "review"
    body = f"""review [prompt="Report approved", goal_gate=true, retry_target="build"] {BUILD}
    {"check [shape=diamond]" if through else ""} begin -> build -> review {"-> check" if through else ""}
    {source} -> done [condition="{condition}"] {source} -> build"""

    assert found == bool(of("goal_gate_exit_status_contract", body))


def test_an_exit_that_reports_failure_does_not_look_at_gates() -> None:
    body = f"""{GATE} {BUILD} failed [shape=Msquare, exit_status=fail] begin -> build -> review
    review -> done [condition="outcome=success"] review -> failed [condition="outcome=fail"]"""

    assert [] == of("goal_gate_exit_status_contract", body)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        pytest.param("bild", "retry_target_exists", id="misspelt"),
        pytest.param("done", "retry_target_is_terminal", id="exit"),
        pytest.param("begin", "retry_target_is_start", id="start"),
        pytest.param("review", "retry_target_is_self", id="self"),
    ],
)
@pytest.mark.parametrize("key", ["retry_target", "fallback_retry_target"])
def test_a_retry_target_is_an_earlier_stage(key: str, target: str, rule: str) -> None:
    body = f'{BUILD} review [prompt="R", {key}="{target}"] begin -> build -> review -> done'

    assert [("review", f'"{target}"')] == [(subject, text) for _, subject, text in of(rule, body)]


@pytest.mark.parametrize("key", ["retry_target", "fallback_retry_target"])
def test_the_graphs_retry_targets_are_checked_too(key: str) -> None:
    assert [(ERROR, key, '"bild"')] == of("retry_target_exists", f'{key}="bild" {BUILD} begin -> build -> done')


def test_a_circle_of_retry_targets_is_reported_once() -> None:
    body = """a [prompt="A", retry_target="b"] b [prompt="B", retry_target="c"] c [prompt="C", retry_target="a"]
    d [prompt="D", retry_target="a"] begin -> a -> b -> c -> d -> done"""

    assert ["the retry targets lead in a circle: a -> b -> c -> a"] == [
        each.message for each in lint(body) if each.rule == "retry_target_mutual"
    ]
    assert [] == of("retry_target_mutual", body.replace('"C", retry_target="a"', '"C", retry_target="c"'))


# --- loops


def test_a_loop_is_bounded_by_what_its_author_wrote() -> None:
    loop = f"""{BUILD} test [shape=parallelogram, tool_command="make"] begin -> build -> test
    test -> done [condition="outcome=success"] test -> build [condition="outcome=fail"] """

    assert [(INFO, "test -> build", "test -> build")] == of("loop_unbounded", loop)
    assert "only the built-in max_node_visits=50 bounds" in message("loop_unbounded", loop)
    assert [WARNING] == [severity for severity, *_ in of("loop_unbounded", f"max_node_visits=0 {loop}")]
    assert [] == of("loop_unbounded", f"max_node_visits=9 {loop}")
    assert [] == of("loop_unbounded", loop.replace('"Build it"', '"Build it", max_visits=3'))
    assert [] == of("loop_unbounded", f"max_node_visits=0 {loop.replace('tool_command', 'max_visits=3, tool_command')}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            'test [shape=parallelogram, tool_command="make"] begin -> test test -> done [condition="outcome=success"] '
            'test -> test [condition="outcome=fail"]',
            id="no-llm-stage",
        ),
        pytest.param(
            'build [prompt="B"] begin -> build build -> done [condition="outcome=success"] '
            "build -> build [loop_restart=true]",
            id="restarts-have-their-own-limit",
        ),
    ],
)
def test_loops_that_cost_little_or_have_a_limit_are_not_mentioned(body: str) -> None:
    assert [] == of("loop_unbounded", body)


def test_a_closed_loop_is_named_once_and_with_it_what_leads_only_there() -> None:
    body = """build [prompt="B"] x [prompt="X"] y [prompt="Y"] z [prompt="Z"] begin -> build
    build -> done [condition="outcome=success"] build -> x x -> y y -> z z -> y"""

    assert [(ERROR, "y", "y")] == of("loop_no_exit", body)
    assert [(ERROR, "x", "x")] == of("cannot_reach_exit", body)


@pytest.mark.parametrize(
    ("edge", "found"),
    [
        pytest.param("n -> n", [WARNING], id="plain"),
        pytest.param('n -> n [condition="outcome=retry"]', [INFO], id="conditional"),
    ],
)
def test_an_edge_to_itself_is_weighed_by_what_bounds_it(edge: str, found: list[Severity]) -> None:
    body = f'n [prompt="N"] begin -> n n -> done [condition="outcome=success"] {edge}'

    assert found == [severity for severity, *_ in of("self_loop", body)]
    assert [WARNING] == [severity for severity, *_ in of("self_loop", f"max_node_visits=0 {body}")]


# --- parallel regions


@pytest.mark.parametrize(
    ("rest", "subject"),
    [
        pytest.param("a -> done", "a -> done", id="to-an-exit"),
        pytest.param('a -> join [condition="outcome=success"] a -> fork', "a -> fork", id="back-to-the-component"),
        pytest.param("a -> join a -> pre", "a -> pre", id="back-before-it"),
        pytest.param("a -> join a -> pre [loop_restart=true]", "a -> pre", id="restart"),
        pytest.param('a -> join a [retry_target="pre"]', "a", id="retry-target"),
        pytest.param("a -> join pre -> b", "pre -> b", id="into-it"),
    ],
)
def test_nothing_leaves_or_enters_a_region_but_at_its_ends(rest: str, subject: str) -> None:
    body = FORK.replace("begin -> fork", 'pre [prompt="P"] begin -> pre pre -> fork') + rest
    body = body.replace("b -> join", "a -> join b -> join") if rest == "a -> done" else body

    assert [subject] == [each for _, each, _ in of("parallel_branch_escape", body)]


def test_loops_retries_and_regions_inside_a_region_are_fine() -> None:
    body = f"""{FORK} c [prompt="C", retry_target="a"] check [shape=diamond] a -> c -> check
    check -> inner [condition="outcome=success"] check -> a
    inner [shape=component] d [prompt="D"] e [prompt="E"] meet [shape=tripleoctagon]
    inner -> d -> meet inner -> e -> meet meet -> join"""

    assert {"parallel_branch_escape", "parallel_no_fan_in"}.isdisjoint(_rules(body))


def test_a_gate_inside_a_branch_is_the_joins_business() -> None:
    body = FORK.replace('"A"', '"A", goal_gate=true, max_retries=1') + "a -> join"

    assert [(WARNING, "a", "true")] == of("gate_in_branch", body)
    assert [] == of("gate_bypassable", body)


def test_branches_that_meet_in_a_box_have_no_join() -> None:
    body = FORK.replace("join [shape=tripleoctagon]", 'join [prompt="J"]') + "a -> join"

    assert [(ERROR, "fork", "fork")] == of("parallel_no_fan_in", body)
