"""What happens to failures: what ends the run, what catches them, and what would hide them."""

import pytest

from attractor.compiler.diagnostics import Severity

from .graphs import message, of

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
BUILD = 'build [shape=parallelogram, tool_command="make"]'
FAILED = "failed [shape=Msquare, exit_status=fail]"


def _ends(body: str) -> list[str]:
    return [subject for _, subject, _ in of("stage_failure_ends_run", body)]


def test_a_failure_that_nothing_routes_ends_the_run() -> None:
    assert ["build", "deploy"] == _ends(f'{BUILD} deploy [prompt="Deploy"] begin -> build -> deploy -> done')


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param('build -> done [condition="outcome=success"] build -> failed [condition="outcome=fail"]', id="if"),
        pytest.param('build -> done [condition="outcome=success"] build -> failed', id="else"),
        pytest.param("build -> check", id="always"),
        pytest.param("build -> deploy -> check", id="catch"),
        pytest.param('build [retry_target="deploy"] build -> done deploy -> build', id="retry-target"),
        pytest.param('build [fallback_retry_target="deploy"] build -> done deploy -> build', id="fallback"),
    ],
)
def test_a_failure_that_something_routes_does_not(edges: str) -> None:
    body = f"""{BUILD} deploy [shape=parallelogram, tool_command="make deploy"] check [shape=diamond] {FAILED}
    begin -> build {edges} check -> done [condition="outcome=success"] check -> failed"""

    assert "build" not in _ends(body)


def test_the_retry_target_of_the_graph_serves_goal_gates_only() -> None:
    plain = f'retry_target="build" {BUILD} begin -> build -> done'

    assert ["build"] == _ends(plain)
    assert [] == _ends(plain.replace("tool_command", "goal_gate=true, tool_command"))


def test_a_failure_inside_a_branch_is_the_joins_business() -> None:
    body = """fork [shape=component] a [prompt="A"] b [prompt="B"] join [shape=tripleoctagon] check [shape=diamond]
    failed [shape=Msquare, exit_status=fail]
    begin -> fork fork -> a -> join fork -> b -> join join -> check
    check -> done [condition="outcome=success"] check -> failed"""

    assert [] == _ends(body)


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        pytest.param('build -> done [condition="outcome=fail"] build -> ok', [ERROR], id="fail"),
        pytest.param('build -> done [condition="outcome!=success"] build -> ok', [ERROR], id="not-success"),
        pytest.param('build -> done build -> ok [condition="outcome=success"]', [WARNING], id="else"),
        pytest.param('build -> done [condition="outcome=success"] build -> ok', [], id="success"),
        pytest.param('build -> done build -> ok [condition="outcome=fail"]', [], id="else-after-a-fail-edge"),
        pytest.param("build -> done", [], id="then: a failure does not follow it"),
        pytest.param('build -> done [condition="outcome=skipped"] build -> ok', [], id="no-failure"),
    ],
)
def test_a_failure_must_not_end_at_a_success_exit(edges: str, found: list[Severity]) -> None:
    body = f'build [prompt="Build"] ok [prompt="Go on"] begin -> build {edges} ok -> done'

    assert found == [severity for severity, *_ in of("failure_routes_to_success_exit", body)]


def test_with_an_exit_that_reports_failure_the_author_has_thought_of_it() -> None:
    body = f"""{BUILD} {FAILED} begin -> build
    build -> done [condition="outcome=fail"] build -> failed [condition="outcome=success"]"""

    assert [] == of("failure_routes_to_success_exit", body)


@pytest.mark.parametrize(
    ("on", "edge", "found"),
    [
        pytest.param("any", 'condition="outcome=fail"', [INFO], id="unguarded"),
        pytest.param("transient_infra", 'condition="outcome=fail"', [WARNING], id="unguarded-and-blocked"),
        pytest.param("transient_infra", 'condition="outcome=bigger"', [], id="not-about-failure"),
        pytest.param("any", 'condition="outcome=fail && context.failure_class=transient_infra"', [INFO], id="alone"),
    ],
)
def test_a_restart_after_a_failure_looks_at_its_class(on: str, edge: str, found: list[Severity]) -> None:
    body = f"""loop_restart_on={on} build [prompt="Report bigger"] begin -> build
    build -> done [condition="outcome=success"] build -> build [{edge}, loop_restart=true]"""

    assert found == [severity for severity, *_ in of("loop_restart_failure_class_guard", body)]


def test_a_pair_of_a_guarded_restart_and_an_edge_for_the_rest_is_fine() -> None:
    body = """loop_restart_on=transient_infra build [prompt="Build"] begin -> build
    build -> done [condition="outcome=success"]
    build -> build [condition="outcome=fail && context.failure_class=transient_infra", loop_restart=true]
    build -> build [condition="outcome=fail && context.failure_class!=transient_infra"]"""

    assert [] == of("loop_restart_failure_class_guard", body)


def test_a_failure_that_goes_round_names_the_limit_that_ends_it() -> None:
    body = f"""loop_restart_signature_limit=5 {BUILD} check [shape=diamond] begin -> build -> check
    check -> done [condition="outcome=success"] check -> build [condition="outcome=fail"]"""

    assert "the same failure has occurred 5 times" in message("fail_loop_failure_class_guard", body)
    assert [] == of(
        "fail_loop_failure_class_guard", body.replace("=fail", "=fail && context.failure_class!=structural")
    )


def test_a_gate_with_a_default_choice_or_a_way_for_no_answer_does_not_fail_closed() -> None:
    def gate(attributes: str, edge: str) -> str:
        return f'ask [shape=hexagon, label="?"{attributes}] begin -> ask ask -> done [label="Yes"] {edge}'

    assert [(INFO, "ask", '"2h"')] == of("human_fail_closed", gate(', human.timeout="2h"', ""))
    assert [] == of("human_fail_closed", gate(', human.default_choice="done"', ""))
    assert [] == of("human_fail_closed", gate("", 'ask -> ask [condition="outcome=fail"]'))
