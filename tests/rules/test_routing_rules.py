"""Whether every outcome has a way on, and only one: what is reported, and what must stay silent."""

import pytest

from attractor.compiler.diagnostics import Severity

from .graphs import errors, lint, message, of

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
TOOL = 'test [shape=parallelogram, tool_command="make test"]'
AGENT = 'build [prompt="Build it"]'


# --- routing_not_exhaustive


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param('test -> done [condition="outcome=success"] test -> test [condition="outcome=fail"]', id="tool"),
        pytest.param('test -> done [condition="outcome!=fail"] test -> test [condition="outcome=fail"]', id="negated"),
        pytest.param(
            'test -> done [condition="outcome=success"]'
            'test -> begin2 [condition="outcome=fail && context.failure_class=transient_infra"]'
            'test -> test [condition="outcome=fail && context.failure_class!=transient_infra"] begin2 -> test '
            'begin2 [shape=parallelogram, tool_command="true"]',
            id="pair-on-a-context-key",
        ),
        pytest.param(
            'test -> done [condition="outcome=success"] test -> test [condition="outcome=fail && tool.exit_status"]',
            id="an-unrouted-failure-ends-the-run-by-design",
        ),
    ],
)
def test_a_tool_whose_two_outcomes_have_edges_is_exhaustive(edges: str) -> None:
    assert [] == of("routing_not_exhaustive", f"{TOOL} begin -> test {edges}")


def test_success_and_fail_leave_words_that_an_agent_may_report_as_a_note() -> None:
    body = f"""{AGENT} check [shape=diamond]
    begin -> build -> check
    check -> done [condition="outcome=success"] check -> build [condition="outcome=fail"]"""

    assert [(INFO, "check", "check")] == of("routing_not_exhaustive", body)
    assert (
        'no edge of "check" matches outcome=partial_success or skipped, with which "build" may end; '
        "the run would fail there"
    ) == message("routing_not_exhaustive", body)


@pytest.mark.parametrize(
    "node",
    [
        pytest.param('build [prompt="Write status.json with outcome=success or outcome=partial_success"]', id="prompt"),
        pytest.param('build [prompt="report_outcome: {\\"status\\": \\"partial_success\\"}"]', id="json-in-prompt"),
        pytest.param('build [prompt="Report success|partial_success"]', id="the-word-alone"),
        pytest.param('build [prompt="Build it", allow_partial=true]', id="attribute"),
    ],
)
def test_an_outcome_that_the_stage_is_told_to_report_is_an_error(node: str) -> None:
    body = f"""{node} check [shape=diamond]
    begin -> build -> check
    check -> done [condition="outcome=success"] check -> build [condition="outcome=fail"]"""

    found = of("routing_not_exhaustive", body)

    assert (ERROR, "check", "check") in found
    assert (INFO, "check", "check") in found  # for skipped


def test_a_prompt_of_a_stage_that_only_fails_over_to_the_check_does_not_count() -> None:
    body = """impl [prompt="outcome=partial_success if half done"] verify [shape=parallelogram, tool_command="make"]
    check [shape=diamond]
    begin -> impl -> verify -> check
    check -> done [condition="outcome=success"] check -> impl [condition="outcome=fail"]"""

    assert [] == of("routing_not_exhaustive", body)


def test_a_success_without_an_edge_is_an_error() -> None:
    body = f'{TOOL} fix [prompt="Fix it"] begin -> test test -> fix [condition="outcome=fail"] fix -> done'

    assert [(ERROR, "test", "test")] == of("routing_not_exhaustive", body)


def test_a_stage_that_is_told_only_words_of_its_own_may_leave_success_open() -> None:
    body = """triage [prompt="Report outcome=bug or outcome=wish"]
    fix [prompt="Fix it"]
    begin -> triage
    triage -> fix [condition="outcome=bug"] triage -> done [condition="outcome=wish"] fix -> done"""

    assert [INFO] == [severity for severity, *_ in of("routing_not_exhaustive", body)]


def test_a_custom_word_that_hangs_on_a_context_value_is_a_note_with_its_witness() -> None:
    body = """triage [prompt="Report outcome=bug. Set severity."]
    fix [prompt="Fix it"]
    begin -> triage
    triage -> fix  [condition="outcome=bug && context.severity=high"]
    triage -> done [condition="outcome!=bug"] fix -> done"""

    assert [(INFO, "triage", "triage")] == of("routing_not_exhaustive", body)
    assert "outcome=bug with context.severity of any other value" in message("routing_not_exhaustive", body)


def test_a_gate_that_routes_every_label_is_exhaustive_and_one_that_forgets_one_is_not() -> None:
    def gate(edges: str) -> str:
        return f"""ask [shape=hexagon, label="Good?", human.default_choice="done"] fix [prompt="Fix it"]
        begin -> ask {edges} fix -> ask"""

    full = """ask -> done [label="[Y] Yes", condition="preferred_label=yes"]
              ask -> fix  [label="[N] No", condition="preferred_label=No"]"""
    short = """ask -> done [label="[Y] Yes", condition="preferred_label=yes"]
               ask -> fix  [label="[N] No", condition="preferred_label=yes && context.inputs.x=1"]"""

    assert [] == of("routing_not_exhaustive", gate(full))
    assert [(ERROR, "ask", "ask")] == of("routing_not_exhaustive", gate(short))


def test_a_condition_that_could_not_be_read_silences_the_rule() -> None:
    body = f'{TOOL} begin -> test test -> done [condition="outcome=success || outcome=fail"]'

    assert [] == of("routing_not_exhaustive", body)


def test_too_many_cases_are_said_to_be_too_many() -> None:
    edges = "\n".join(
        'test -> done [condition="outcome=success && ' + f'context.k{at}=a && context.k{at + 1}=b"]' for at in range(12)
    )
    body = f"{TOOL} begin -> test {edges} "

    found = of("routing_not_exhaustive", body)

    assert [(INFO, "test", "test")] == found
    assert "too many to find out" in message("routing_not_exhaustive", body)


@pytest.mark.parametrize(
    "edge",
    [
        pytest.param('build -> fix [condition="outcome=retry"]', id="named"),
        pytest.param('build -> fix [condition="outcome=fail"]', id="not-named"),
    ],
)
def test_a_retry_never_needs_an_edge(edge: str) -> None:
    body = f"""{AGENT} fix [prompt="Fix it"] begin -> build
    build -> done [condition="outcome=success"] build -> done [condition="outcome=partial_success"]
    build -> done [condition="outcome=skipped"] {edge} fix -> build"""

    assert [] == of("routing_not_exhaustive", body)


# --- dead, always true, ambiguous, shadowed


@pytest.mark.parametrize(
    ("source", "condition"),
    [
        pytest.param(TOOL, "outcome=partial_success", id="tool-partial"),
        pytest.param(TOOL, "outcome=retry", id="tool-retry"),
        pytest.param(TOOL, "outcome!=success && outcome!=fail", id="nothing-left"),
        pytest.param('test [shape=hexagon, label="?"]', "preferred_label=Aprove", id="no-such-option"),
        pytest.param(TOOL, "outcome=fail && context.failure_class=transient", id="no-failure-class"),
    ],
)
def test_a_condition_outside_the_domain_of_its_node_is_dead(source: str, condition: str) -> None:
    body = f'{source} begin -> test test -> done [label="[A] Approve"] test -> test [condition="{condition}"]'

    assert 1 == len(of("cond_dead_for_source", body))


@pytest.mark.parametrize(
    ("source", "condition"),
    [
        pytest.param(TOOL, "outcome=fail", id="tool"),
        pytest.param(TOOL, "outcome=fail && context.failure_class=transient_infra", id="a-failure-class"),
        pytest.param(TOOL, "outcome=fail && context.failure_class!=transient", id="another-failure-class"),
        pytest.param('test [prompt="Report port"]', "outcome=port", id="custom-word"),
        pytest.param('test [prompt="Report port"]', "outcome=retry", id="agent-retry"),
        pytest.param('test [shape=hexagon, label="?"]', "preferred_label=approve", id="an-option-normalised"),
        pytest.param('test [shape=hexagon, label="?"]', "outcome=fail", id="nobody-answered"),
    ],
)
def test_a_condition_within_the_domain_is_not(source: str, condition: str) -> None:
    body = f'{source} begin -> test test -> done [label="[A] Approve"] test -> test [condition="{condition}"]'

    assert [] == of("cond_dead_for_source", body)


def test_the_words_that_reach_a_conditional_node_are_those_its_edges_let_through() -> None:
    body = f"""{TOOL} triage [shape=diamond] fix [prompt="Fix it"]
    begin -> test test -> done [condition="outcome=success"] test -> triage [condition="outcome=fail"]
    triage -> fix [condition="context.failure_class=deterministic"] triage -> test
    fix -> test"""
    dead = body.replace("context.failure_class=deterministic", "outcome=success")
    always = body.replace("context.failure_class=deterministic", "outcome=fail")

    assert [] == of("cond_dead_for_source", body) + of("cond_always_true", body)
    assert [(WARNING, "triage -> fix", "success")] == of("cond_dead_for_source", dead)
    assert [(WARNING, "triage -> fix", '"outcome=fail"')] == of("cond_always_true", always)


def test_what_lies_behind_dead_edges_is_reported_once_at_its_first_stage() -> None:
    body = f"""{TOOL} polish [prompt="Polish it"] shine [prompt="Let it shine"]
    begin -> test test -> done [condition="outcome=success"] test -> polish [condition="outcome=partial_success"]
    test -> test polish -> shine -> test"""

    assert [(WARNING, "polish", "polish")] == of("unreachable_by_condition", body)


def test_of_two_edges_that_can_match_at_once_the_winner_is_named() -> None:
    body = f"""{TOOL} alpha [prompt="A"] zeta [prompt="Z"]
    begin -> test test -> done [condition="outcome=success"]
    test -> zeta [condition="outcome=fail && context.failure_class=deterministic"]
    test -> alpha [condition="outcome=fail"] alpha -> test zeta -> test"""

    assert [WARNING] == [severity for severity, *_ in of("routing_ambiguous", body)]
    assert (
        'when outcome=fail the edge to "alpha" matches too and wins, as its target sorts first; this one is never taken'
    ) == message("routing_ambiguous", body)
    assert [(WARNING, "zeta", "zeta")] == of("unreachable_by_condition", body)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("outcome=success", "outcome=fail"), id="outcomes"),
        pytest.param(("context.x=a", "context.x=b"), id="values"),
        pytest.param(("context.x=a", "context.x!=a"), id="value-and-not"),
        pytest.param(("context.x", "context.x="), id="set-and-empty"),
        pytest.param(("outcome=fail && context.x=a", "outcome=fail && context.x=b"), id="one-key-apart"),
        pytest.param(("outcome!=fail", "outcome!=success"), id="apart-for-a-tool-only"),
    ],
)
def test_edges_that_exclude_each_other_are_not_ambiguous(pair: tuple[str, str]) -> None:
    body = f"""{TOOL} fix [prompt="Set x to a or b"] begin -> test
    test -> done [condition="{pair[0]}"] test -> fix [condition="{pair[1]}"] fix -> test"""

    assert [] == of("routing_ambiguous", body)


def test_a_greater_weight_settles_it_but_may_hide_the_narrower_edge() -> None:
    def body(wide: int, narrow: int) -> str:
        return f"""{TOOL} fix [prompt="F"] wait [prompt="W"] begin -> test
        test -> done [condition="outcome=success"] test -> fix [condition="outcome=fail", weight={wide}]
        test -> wait [condition="outcome=fail && context.failure_class=transient_infra", weight={narrow}]
        fix -> test wait -> test"""

    assert [] == of("edge_shadowed", body(0, 1)) + of("routing_ambiguous", body(0, 1))
    assert ["test -> wait"] == [subject for _, subject, _ in of("edge_shadowed", body(1, 0))]


def test_a_duplicate_differs_in_nothing() -> None:
    def body(second: str) -> str:
        return f'{TOOL} begin -> test test -> done [condition="outcome=success"]\ntest -> done [{second}]\ntest -> test'

    assert 1 == len(of("edge_duplicate", body('condition="outcome=succeeded"')))
    for other in (
        'condition="outcome=success", label="x"',
        'condition="outcome=success", weight=3',
        'condition="outcome=success", loop_restart=true',
        'condition="outcome=fail"',
    ):
        assert [] == of("edge_duplicate", body(other)), other


# --- words


@pytest.mark.parametrize("word", ["succes", "sucess", "suceess", "fial", "fails", "partial_sucess", "skiped", "retyr"])
def test_a_misspelt_outcome_is_an_error(word: str) -> None:
    body = f'{AGENT} begin -> build build -> done [condition="outcome={word}"] build -> build'

    assert [(ERROR, "build -> done", word)] == of("outcome_typo", body)
    assert [] == of("cond_dead_for_source", body) + of("outcome_never_produced", body)


@pytest.mark.parametrize("word", ["ready", "entry", "port", "done", "yes", "more_work", "mail"])
def test_a_word_of_ones_own_is_no_misspelt_outcome(word: str) -> None:
    body = f'build [prompt="Report {word}"] begin -> build build -> done [condition="outcome={word}"] build -> build'

    assert [] == of("outcome_typo", body) + of("outcome_never_produced", body)


def test_a_word_that_drifted_from_the_prompts_is_a_misspelt_one() -> None:
    body = """triage [prompt="Report outcome=confirmed or outcome=rejected"] begin -> triage
    triage -> done [condition="outcome=confirmd"] triage -> done [condition="outcome=rejected"] triage -> triage"""

    assert [(ERROR, "triage -> done", "confirmd")] == of("outcome_typo", body)


def test_a_custom_word_is_looked_for_through_conditional_nodes_and_prompt_files() -> None:
    body = """triage [prompt_file="triage.md"] check [shape=diamond] begin -> triage -> check
    check -> done [condition="outcome=port"] check -> triage"""

    assert [] == of("outcome_never_produced", body, triage_md="Say port when it is worth it")
    assert [(WARNING, "check -> done", "port")] == of("outcome_never_produced", body, triage_md="Look at it")


def test_a_word_that_a_prompt_asks_for_and_no_edge_compares_is_underlined_in_the_prompt_file() -> None:
    body = 'triage [prompt_file="triage.md"] begin -> triage -> done'

    found = [
        each for each in lint(body, triage_md="outcome=success,\nor outcome=later") if each.rule == "outcome_unrouted"
    ]

    assert [("triage.md", (2, 12), "later")] == [(f.span.source.path, f.span.position, f.span.text) for f in found]


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param('GET /health answers {\\"status\\": \\"healthy\\"}', id="status-of-an-api"),
        pytest.param("The expected outcome: a working game", id="prose"),
        pytest.param("outcome=ok, else outcome=failed", id="aliases"),
        pytest.param("outcome=X", id="placeholder"),
    ],
)
def test_prompts_that_ask_for_no_word_of_their_own_are_left_alone(prompt: str) -> None:
    assert [] == of("outcome_unrouted", f'build [prompt="{prompt}"] begin -> build -> done')


@pytest.mark.parametrize(
    ("key", "found"),
    [
        pytest.param("context.failure_class", False, id="the-engine"),
        pytest.param("context.tool.output", False, id="the-engine-dotted"),
        pytest.param("context.graph.goal", False, id="a-graph-attribute"),
        pytest.param("context.inputs.seed", False, id="an-input-nobody-can-check"),
        pytest.param("context.mode", False, id="a-prompt"),
        pytest.param("context.plan.mode", False, id="a-prompt-by-its-last-part"),
        pytest.param("context.modus", True, id="nothing"),
        pytest.param("context.failure_clas", True, id="misspelt"),
    ],
)
def test_a_context_key_that_nothing_sets_is_reported(key: str, found: bool) -> None:
    body = f'build [prompt="Set mode"] begin -> build build -> done [condition="{key}=a"] build -> build'

    assert ([(WARNING, "build -> done", key)] if found else []) == of("context_key_never_set", body)


# --- labels


def test_labels_are_not_conditions_unless_the_stage_is_told_to_choose_one() -> None:
    def body(node: str) -> str:
        return f'{node} fix [prompt="Fix it"] begin -> n n -> done [label="Yes"]\nn -> fix [label="No"] fix -> n'

    assert 2 == len(of("label_used_as_condition", body('n [prompt="Is it good?"]')))
    assert 2 == len(of("label_used_as_condition", body('n [shape=parallelogram, tool_command="true"]')))
    assert [] == of("label_used_as_condition", body('n [shape=hexagon, label="Good?"]'))
    assert [] == of("label_used_as_condition", body('n [prompt="Is it good? Set preferred_label to Yes or No"]'))


def test_one_labelled_edge_beside_conditions_is_a_fallback() -> None:
    body = f'{TOOL} begin -> test test -> done [condition="outcome=success"] test -> test [label="retry"]'

    assert [] == of("label_used_as_condition", body)


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param("n -> a [weight=1]\nn -> b", id="weight"),
        pytest.param('n -> a [label="simple"]\nn -> b [label="thorough"]', id="labels"),
        pytest.param('n -> a [condition="outcome=success"]\nn -> b', id="condition"),
    ],
)
def test_edges_that_something_tells_apart_are_no_tie(edges: str) -> None:
    body = f'n [prompt="N"] a [prompt="A"] b [prompt="B"] begin -> n\n{edges}\na -> done b -> done'

    assert [] == of("lexical_tiebreak", body)


# --- the public specification's own examples


def test_the_examples_of_the_public_specification_have_no_errors() -> None:
    simple = """goal="Run tests and report" rankdir=LR
    run_tests [label="Run Tests", prompt="Run the test suite and report results"]
    report    [label="Report", prompt="Summarize the test results"]
    begin -> run_tests -> report -> done"""
    branch = """goal="Implement and validate a feature" rankdir=LR
    node [shape=box, timeout="900s"]
    plan      [label="Plan", prompt="Plan the implementation"]
    implement [label="Implement", prompt="Implement the plan"]
    validate  [label="Validate", prompt="Run tests"]
    gate      [shape=diamond, label="Tests passing?"]
    begin -> plan -> implement -> validate -> gate
    gate -> done      [label="Yes", condition="outcome=success"]
    gate -> implement [label="No", condition="outcome!=success"]"""
    human = """rankdir=LR
    review_gate [shape=hexagon, label="Review Changes", type="wait.human"]
    ship_it [shape=box] fixes [shape=box]
    begin -> review_gate
    review_gate -> ship_it [label="[A] Approve"]
    review_gate -> fixes   [label="[F] Fix"]
    ship_it -> done
    fixes -> review_gate"""

    assert [] == errors(simple) + errors(branch) + errors(human)


def test_a_node_with_too_many_conditional_edges_is_said_not_to_be_compared() -> None:
    edges = "\n".join(f'test -> done [condition="outcome=fail && context.x=v{at}"]' for at in range(120))

    found = of("check_skipped", f'{TOOL} fix [prompt="x"] begin -> test {edges} test -> fix fix -> test')

    assert (INFO, "routing_ambiguous", "test") in found
