"""Settings, profiles, severities: what becomes of diagnostics before they are shown."""

from pathlib import Path

import pytest

from attractor.cli.disk import Disk
from attractor.compiler.diagnostics import Diagnostic, Severity
from attractor.compiler.fixes import apply_edits
from attractor.compiler.settings import RULES_BY_ID, Settings, fails, is_essential, load, read_settings, settle
from attractor.compiler.source import Source

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
RECOMMENDED = Settings()


def _found(source: Source, rule: str, needle: str, severity: Severity | None = None) -> Diagnostic:
    at = source.text.index(needle)
    return Diagnostic(rule, source.span(at, at + len(needle)), "message", severity)


def _settled(
    source: Source, found: list[Diagnostic], settings: Settings = RECOMMENDED
) -> list[tuple[str, Severity | None]]:
    return [(each.rule, each.severity) for each in settle(found, settings, graphs=[source])]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(Settings(), [("attr_legacy_alias", INFO), ("unknown_attribute", WARNING)], id="recommended"),
        pytest.param(Settings("strict"), [("attr_legacy_alias", WARNING), ("unknown_attribute", WARNING)], id="strict"),
        pytest.param(Settings("spec"), [], id="spec"),
        pytest.param(
            Settings(levels={"unknown_attribute": ERROR, "attr_legacy_alias": None}),
            [("unknown_attribute", ERROR)],
            id="own-levels",
        ),
        pytest.param(
            Settings("spec", {"unknown_attribute": INFO}), [("unknown_attribute", INFO)], id="level-over-profile"
        ),
    ],
)
def test_the_profile_and_the_levels_grade(settings: Settings, expected: list[tuple[str, Severity]]) -> None:
    source = Source("g.dot", "a [llm_prompt=x, y=z]")
    found = [_found(source, "unknown_attribute", "y"), _found(source, "attr_legacy_alias", "llm_prompt")]

    assert expected == _settled(source, found, settings)


def test_a_check_may_grade_its_finding_itself_and_strict_still_raises_it() -> None:
    source = Source("g.dot", "a")
    found = [_found(source, "model_unknown", "a", INFO)]

    assert [("model_unknown", INFO)] == _settled(source, found)
    assert [("model_unknown", WARNING)] == _settled(source, found, Settings("strict"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [(Settings(), False), (Settings(strict=True), True), (Settings("strict"), True), (Settings("spec"), False)],
    ids=["recommended", "--strict", "strict", "spec"],
)
def test_warnings_fail_a_strict_run_only(settings: Settings, expected: bool) -> None:
    source = Source("g.dot", "a")

    assert expected == fails([_found(source, "unknown_attribute", "a", WARNING)], settings)
    assert fails([_found(source, "attr_type", "a", ERROR)], settings)
    assert not fails([_found(source, "attr_type", "a", INFO)], settings)


def test_findings_are_sorted_and_each_is_shown_once() -> None:
    source = Source("g.dot", "a b")
    second, first = _found(source, "unknown_attribute", "b"), _found(source, "unknown_attribute", "a")

    assert [first.span, second.span] == [each.span for each in settle([second, first, second], Settings(), [source])]


# Suppressions


def test_a_suppressed_finding_is_gone_and_its_neighbours_stay() -> None:
    source = Source("g.dot", "a [x=1] // attractor: ignore[unknown-attribute] ours\nb [y=1]\n")
    found = [_found(source, "unknown_attribute", "x"), _found(source, "unknown_attribute", "y")]

    assert ["y"] == [each.span.text for each in settle(found, Settings(), [source])]


def test_a_suppression_holds_in_its_own_file_only() -> None:
    dot = Source("g.dot", "a // attractor: ignore[unknown_attribute]\n")
    other = Source("h.dot", "a\n")
    found = [_found(dot, "unknown_attribute", "a"), _found(other, "unknown_attribute", "a")]

    assert ["h.dot"] == [each.span.source.path for each in settle(found, Settings(), [dot, other])]


def test_yaml_comments_silence_findings_in_run_yaml() -> None:
    source = Source("run.yaml", "llm: 1 # attractor: ignore[provider_unused]\n")

    assert [] == settle([_found(source, "provider_unused", "llm")], Settings(), configs=[source])


@pytest.mark.parametrize(
    ("before", "rules", "after"),
    [
        pytest.param("a\n  // attractor: ignore[attr_legacy_alias] why\nb\n", 1, "a\nb\n", id="own-line"),
        pytest.param("a // attractor: ignore[attr_legacy_alias]\nb\n", 1, "a\nb\n", id="end-of-line"),
        pytest.param("a // attractor: ignore[attr_legacy_alias]\r\nb\r\n", 1, "a\r\nb\r\n", id="crlf"),
        pytest.param(
            "x // attractor: ignore[unknown_attribute, attr_legacy_alias]\n",
            1,
            "x // attractor: ignore[unknown_attribute]\n",
            id="last-of-two",
        ),
        pytest.param(
            "x // attractor: ignore[attr_legacy_alias, unknown_attribute]\n",
            1,
            "x // attractor: ignore[unknown_attribute]\n",
            id="first-of-two",
        ),
        pytest.param("a // attractor: ignore[attr_type]", 1, "a", id="cannot-be-ignored"),
    ],
)
def test_an_unused_suppression_is_reported_and_its_fix_removes_it(before: str, rules: int, after: str) -> None:
    source = Source("g.dot", before)
    found = [_found(source, "unknown_attribute", "x")] if before.startswith("x") else []

    settled = settle(found, Settings(), [source])

    assert ["unused_suppression"] * rules == [each.rule for each in settled]
    assert settled[0].fix is not None
    assert {"g.dot": after} == apply_edits({"g.dot": before}, settled[0].fix.edits)


@pytest.mark.parametrize(
    ("text", "settings", "found"),
    [
        pytest.param("a // attractor: ignore[attr_legacy_alias]", Settings("spec"), None, id="rule-off"),
        pytest.param("a // attractor: ignore[provider_unused]", Settings(), None, id="needs-run-yaml"),
        pytest.param(
            "a // attractor: ignore[reachability_x]", Settings(levels={"unknown_rule": None}), None, id="meta-off"
        ),
    ],
)
def test_the_silence_of_a_rule_that_did_not_run_proves_nothing(text: str, settings: Settings, found: None) -> None:
    assert [] == _settled(Source("g.dot", text), [], settings)


def test_an_essential_error_cannot_be_ignored() -> None:
    source = Source("g.dot", "a // attractor: ignore[attr_type]\n")

    assert [("attr_type", ERROR), ("unused_suppression", WARNING)] == _settled(
        source, [_found(source, "attr_type", "a")]
    )


def test_an_unknown_rule_in_a_suppression_gets_a_suggestion() -> None:
    source = Source("g.dot", "a // attractor: ignore[unknown_atribute]\n")

    (found,) = settle([], Settings(), [source])

    assert ("unknown_rule", "unknown_atribute") == (found.rule, found.span.text)
    assert 'there is no rule "unknown_atribute"; did you mean "unknown_attribute"?' == found.message


def test_a_comment_to_attractor_that_is_not_understood_is_reported() -> None:
    source = Source("g.dot", "a // attractor: ignroe[x]\n")

    assert [("unused_suppression", WARNING)] == _settled(source, [])


# Files


def _load(folder: Path) -> Settings:
    return load(str(folder), Disk())


def test_the_nearest_settings_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".attractor.toml").write_text('profile = "strict"\n')
    assert "strict" == _load(inner).profile

    (tmp_path / "a" / "pyproject.toml").write_text('[tool.other]\nname = "attractor"\n')
    assert "strict" == _load(inner).profile

    (tmp_path / "a" / "pyproject.toml").write_text('[tool.attractor]\nprofile = "spec"\n')
    assert "spec" == _load(inner).profile

    (inner / ".attractor.toml").write_text('[rules]\nunknown-attribute = "off"\nattr_legacy_alias = "error"\n')
    assert Settings(levels={"unknown_attribute": None, "attr_legacy_alias": ERROR}) == _load(inner)


def test_settings_in_pyproject_may_hold_rules(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.attractor.rules]\nprovider_unused = "warning"\n')

    assert Settings(levels={"provider_unused": WARNING}) == _load(tmp_path)


@pytest.mark.parametrize(
    ("text", "rule", "place", "message"),
    [
        pytest.param(
            'profil = "spec"\n', "settings_invalid", (1, 1), 'no setting "profil"; did you mean "profile"?', id="key"
        ),
        pytest.param('profile = "strickt"\n', "settings_invalid", (1, 1), 'did you mean "strict"?', id="profile"),
        pytest.param(
            "profile = 3\n", "settings_invalid", (1, 1), 'there are "spec", "recommended", "strict"', id="type"
        ),
        pytest.param(
            'a = 1\n[rules]\nattr_typ = "off"', "unknown_rule", (3, 1), 'did you mean "attr_type"?', id="rule"
        ),
        pytest.param(
            '[rules]\nprovider_unused = "of"\n', "settings_invalid", (2, 1), 'did you mean "off"?', id="level"
        ),
        pytest.param('[rules]\nattr_type = "info"\n', "settings_invalid", (2, 1), "always an error", id="essential"),
        pytest.param("rules = 1\n", "settings_invalid", (1, 1), '"rules" must be a table', id="no-table"),
        pytest.param("[rules]\n= 1\n", "settings_invalid", (2, 1), "not TOML", id="syntax"),
        pytest.param("[rules", "settings_invalid", (1, 7), "not TOML", id="syntax-at-the-end"),
    ],
)
def test_a_wrong_setting_is_reported_at_its_place(text: str, rule: str, place: tuple[int, int], message: str) -> None:
    settings = read_settings(Source(".attractor.toml", text))

    assert settings is not None
    shown = [each for each in settle([], settings) if message in each.message]
    assert [(rule, ".attractor.toml", place)] == [
        (each.rule, each.span.source.path, each.span.position) for each in shown
    ]


def test_every_essential_rule_is_an_error_of_the_profile_spec() -> None:
    essential = [rule for rule in RULES_BY_ID.values() if is_essential(rule)]

    assert essential
    assert {ERROR} == {Settings("spec").severity(rule) for rule in essential}
