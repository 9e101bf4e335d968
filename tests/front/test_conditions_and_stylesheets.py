"""What conditions and stylesheets mean; where their errors stand is said in test_string_positions."""

import pytest

from attractor.compiler.comma_list import split_words
from attractor.compiler.condition import parse_condition
from attractor.compiler.duration import parse_duration_ms
from attractor.compiler.source import MappedText, Source
from attractor.compiler.stylesheet import parse_stylesheet
from attractor.compiler.template import parse_template


def written(text: str) -> MappedText:
    return MappedText(text, Source("graph.dot", text), 0)


CONDITIONS = {
    "outcome=success": [("outcome", "=", "success")],
    "outcome = success&&context.a!=b": [("outcome", "=", "success"), ("context.a", "!=", "b")],
    "preferred_label=Fix": [("preferred_label", "=", "Fix")],
    "context.ready": [("context.ready", "set", "")],
    "context.tool.exit_status=0": [("context.tool.exit_status", "=", "0")],
    'context.a="x && y"': [("context.a", "=", "x && y")],
    r'context.a="say \"hi\""': [("context.a", "=", 'say "hi"')],
    'context.a=""': [("context.a", "=", "")],
    "context.a=feature/x-1.2": [("context.a", "=", "feature/x-1.2")],
    "context.a=and": [("context.a", "=", "and")],
    "outcome=needs_dod": [("outcome", "=", "needs_dod")],
    "  \n": [],
}
REPAIRED = {
    "failure_class=x": [("context.failure_class", "=", "x")],
    "outcome==success": [("outcome", "=", "success")],
    "outcome=a and context.b": [("outcome", "=", "a"), ("context.b", "set", "")],
    "outcome=ok": [("outcome", "=", "success")],
    "outcome=succeeded": [("outcome", "=", "success")],
    "outcome=failed": [("outcome", "=", "fail")],
    "outcome!=FAILURE": [("outcome", "!=", "fail")],
    "outcome=error": [("outcome", "=", "fail")],
    "outcome=skip": [("outcome", "=", "skipped")],
    "outcome=Success": [("outcome", "=", "success")],
    "context.a=b c": [("context.a", "=", "b c")],
    "context.a='b'": [("context.a", "=", "b")],
}
UNCLEAR = [
    *(
        "outcome=a || outcome=b",
        "outcome=a or outcome=b",
        "!context.a",
        "outcome>success",
        "outcome=",
        "=success",
        "&&",
    ),
    *('context.a="b', "outcome contains x", "outcome=success junk=1", "outcome=(a)", '"outcome"=a', "1a=b", "outcome!"),
]


@pytest.mark.parametrize(("text", "expected"), CONDITIONS.items(), ids=CONDITIONS)
def test_a_good_condition_is_its_clauses(text: str, expected: list[tuple[str, str, str]]) -> None:
    clauses, found = parse_condition(written(text))

    assert ([], expected) == (found, [clause[:3] for clause in clauses])


@pytest.mark.parametrize(("text", "expected"), REPAIRED.items(), ids=REPAIRED)
def test_a_condition_whose_meaning_is_clear_keeps_it(text: str, expected: list[tuple[str, str, str]]) -> None:
    clauses, found = parse_condition(written(text))

    assert [] != found
    assert expected == [clause[:3] for clause in clauses]


@pytest.mark.parametrize("text", UNCLEAR)
def test_a_condition_whose_meaning_is_not_clear_has_no_clauses(text: str) -> None:
    clauses, found = parse_condition(written(text))

    assert () == clauses
    assert {"cond_or_unsupported", "condition_syntax", "cond_empty_clause"} & {each.rule for each in found}


def test_a_clause_knows_where_its_parts_stand() -> None:
    clause = parse_condition(written(' context.a != "b" '))[0][0]

    assert ('context.a != "b"', "context.a", '"b"') == (
        clause.span.text, clause.key_span.text, clause.literal_span.text)  # fmt: skip


def test_all_errors_of_a_condition_are_reported() -> None:
    found = parse_condition(written("Outcome==ok & & (failure_class=x) and"))[1]

    assert [
        "cond_case", "cond_double_equals", "outcome_dialect", "cond_single_amp", "cond_empty_clause", "cond_single_amp",
        "condition_syntax", "cond_unqualified_key", "condition_syntax", "cond_word_operator", "cond_empty_clause",
    ] == [each.rule for each in found]  # fmt: skip


def test_a_stylesheet_is_its_rules_in_order() -> None:
    rules, found = parse_stylesheet(
        written(
            '* { llm_model: kimi-k2.5; llm_provider: "kimi" } box{max_tokens:9;}.hard{} #a { agent_mode: one_shot; }'
        )
    )

    assert ["style_empty_rule"] == [each.rule for each in found]
    assert [("*", "", 0), ("shape", "box", 1), ("class", "hard", 2), ("id", "a", 3)] == [
        (rule.kind, rule.name, rule.specificity) for rule in rules
    ]
    assert [
        {"llm_model": "kimi-k2.5", "llm_provider": "kimi"},
        {"max_tokens": "9"},
        {},
        {"agent_mode": "one_shot"},
    ] == [{each.key: each.text for each in rule.declarations} for rule in rules]


SHEETS = {
    "a semicolon is missing": ("* { llm_model: x llm_provider: y }", {"llm_model": "x", "llm_provider": "y"}),
    "it is missing without blanks": ("* { llm_model:x llm_provider:y }", {"llm_model": "x", "llm_provider": "y"}),
    "another name": ("* { model: x; }", {"llm_model": "x"}),
    "no colon": ("* { llm_model x; llm_provider = y }", {"llm_model": "x", "llm_provider": "y"}),
    "no value": ("* { llm_model: ; llm_provider: y }", {"llm_provider": "y"}),
    "no value before the next": ("* { llm_model: llm_provider: y }", {"llm_provider": "y"}),
    "an unknown property": ("* { temperature: 1; llm_model: x }", {"llm_model": "x"}),
    "a value with blanks": ("* { llm_model: gpt 5; llm_provider: y }", {"llm_model": "gpt", "llm_provider": "y"}),
    "a value with a colon": ("* { llm_model: a:b/c }", {"llm_model": "a:b/c"}),
}


@pytest.mark.parametrize(("sheet", "expected"), SHEETS.values(), ids=SHEETS)
def test_what_can_be_read_of_a_stylesheet_is_read(sheet: str, expected: dict[str, str]) -> None:
    rules, _ = parse_stylesheet(written(sheet))

    assert [expected] == [{each.key: each.text for each in rule.declarations} for rule in rules]


def test_all_errors_of_a_stylesheet_are_reported_and_the_rules_around_them_read() -> None:
    rules, found = parse_stylesheet(
        written(".a { llm_model: x\n#b { llm_model = y; } .c, .d { model: z; } box .e { } } .F { max_tokens: 1; }")
    )

    assert [".a", "#b", ".c", ".d", ".e"] == [rule.selector for rule in rules]
    assert [
        "style_unclosed_brace", "style_missing_colon", "style_comma_selector", "style_unknown_property",
        "stylesheet_syntax", "style_empty_rule", "stylesheet_syntax", "style_bad_class_name",
    ] == [each.rule for each in found]  # fmt: skip


DURATIONS = {"250ms": 250, "900s": 900_000, "15m": 900_000, "2h": 7_200_000, "1d": 86_400_000, "0s": 0}
NO_DURATIONS = ["", "900", "1h30m", "1.5h", "-1s", "5 s", "5S", "s", "5sec", "５s", "9" * 13 + "s"]


@pytest.mark.parametrize(("text", "expected"), DURATIONS.items(), ids=DURATIONS)
def test_a_duration_is_one_number_with_one_unit(text: str, expected: int) -> None:
    assert expected == parse_duration_ms(text)


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration_ms(text) is None


def test_the_words_of_a_list_keep_their_places() -> None:
    text = written(" a b , ,c,")

    assert [("a", 1), ("b", 3), ("c", 8)] == [(part.text, part.offset(0)) for part in split_words(text)]


def test_names_that_a_template_reads_are_found_with_their_attributes() -> None:
    text = "{% for item in inputs.items %}{{ item.name }} of {{ goal }}{% endfor %}"

    names, found = parse_template(written(text))

    assert [] == found
    assert [("goal", ""), ("inputs", "items")] == sorted((name.name, name.attribute) for name in names)


def test_every_unknown_name_of_a_template_is_reported_once() -> None:
    found = parse_template(written("{{ a }}\n{{ b }} {{ a }}"))[1]

    assert [("a", (1, 4)), ("b", (2, 4))] == sorted((each.subject, each.span.position) for each in found)
