"""What the project says about rules, and the last step of checking: severities, suppressions, order.

Settings stand in `.attractor.toml`, or in `[tool.attractor]` of pyproject.toml, in the folder of the pipeline or the
nearest one above it:

    profile = "recommended"     # spec | recommended | strict
    [rules]                     # [tool.attractor.rules] in pyproject.toml
    provider_unused = "off"     # off | info | warning | error
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .diagnostics import Diagnostic, Edit, Fix, Severity, sorted_unique
from .reading import Files
from .rules import RULES, Rule
from .source import MAX_SOURCE_BYTES, Source, Span
from .suggest import did_you_mean
from .suppressions import Index, Suppression, canonical_rule, suppressions_in_dot, suppressions_in_yaml

SPEC: Final = "spec"
RECOMMENDED: Final = "recommended"
STRICT: Final = "strict"
PROFILES = (SPEC, RECOMMENDED, STRICT)
LEVELS: Mapping[str, Severity | None] = {"off": None, **{severity.value: severity for severity in Severity}}
RULES_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}

_DOTFILE = ".attractor.toml"
_PYPROJECT = "pyproject.toml"
_HAS_TABLE = re.compile(r"""^\s*+\[\s*+tool\s*+(?:\.\s*+["']?attractor\b|\])""", re.MULTILINE)


class Settings(NamedTuple):
    profile: str = RECOMMENDED
    levels: Mapping[str, Severity | None] = {}  # per rule, as the settings file says; None: off
    strict: bool = False  # warnings fail the run, whatever the profile
    problems: tuple[Diagnostic, ...] = ()  # what is wrong with the settings file

    @property
    def warnings_fail(self) -> bool:
        return self.strict or self.profile == STRICT

    def severity(self, rule: Rule, found: Severity | None = None) -> Severity | None:
        """Return what a finding of `rule` counts as, None: nothing. `found`: as the check itself graded it."""
        if rule.id in self.levels:
            return self.levels[rule.id]
        if rule.severity is None or (self.profile == SPEC and not rule.spec):
            return None
        severity = found or rule.severity
        return Severity.WARNING if self.profile == STRICT and severity is Severity.INFO else severity


def is_essential(rule: Rule) -> bool:
    """Whether no plan could be written over a finding of `rule`: it can be neither ignored nor switched off."""
    return rule.spec and rule.severity is Severity.ERROR


def fails(diagnostics: Iterable[Diagnostic], settings: Settings) -> bool:
    """Whether settled `diagnostics` are a reason for exit code 1."""
    failing = {Severity.ERROR, Severity.WARNING} if settings.warnings_fail else {Severity.ERROR}
    return any(found.severity in failing for found in diagnostics)


# --- settle


def settle(
    diagnostics: Iterable[Diagnostic],
    settings: Settings,
    graphs: Sequence[Source] = (),
    configs: Sequence[Source] = (),
) -> list[Diagnostic]:
    """Return what is to be shown of `diagnostics`: graded, without the suppressed, in order, each once.

    Args:
        graphs: the .dot files that were read; their suppressions hold, and unused ones are reported.
        configs: likewise the run.yaml files; without one, rules that need it count as not run.
    """
    found = sorted_unique([*settings.problems, *diagnostics])
    suppressions = [entry for source in graphs for entry in suppressions_in_dot(source)]
    suppressions += [entry for source in configs for entry in suppressions_in_yaml(source)]
    if suppressions:
        used: set[tuple[Suppression, str]] = set()
        index = Index(suppressions)
        found = [each for each in found if not _suppressed(each, index, used)]
        found += _about_suppressions(suppressions, used, _rules_that_ran(found, settings, bool(configs)))
    graded = (each._replace(severity=_grade(each, settings)) for each in found)
    return sorted_unique(each for each in graded if each.severity is not None)


def _grade(found: Diagnostic, settings: Settings) -> Severity | None:
    rule = RULES_BY_ID.get(found.rule)
    return (found.severity or Severity.ERROR) if rule is None else settings.severity(rule, found.severity)


def _suppressed(found: Diagnostic, index: Index, used: set[tuple[Suppression, str]]) -> bool:
    rule = RULES_BY_ID.get(found.rule)
    entries = [] if rule is None or is_essential(rule) else index.about(found.rule, found.span)
    used.update((entry, found.rule) for entry in entries)
    return bool(entries)


def _rules_that_ran(found: Iterable[Diagnostic], settings: Settings, with_config: bool) -> frozenset[str]:
    """Return the rules whose silence means something: neither off, nor kept back for want of run.yaml or by errors."""
    broken = any(each.rule.startswith("dot_") and _grade(each, settings) is Severity.ERROR for each in found)
    return frozenset(
        rule.id
        for rule in RULES
        if settings.severity(rule) is not None and not (rule.config and not with_config) and not (rule.whole and broken)
    )


def _about_suppressions(
    suppressions: Iterable[Suppression],
    used: set[tuple[Suppression, str]],
    ran: frozenset[str],
) -> Iterator[Diagnostic]:
    for entry in suppressions:
        if not entry.rules:
            yield Diagnostic(
                "unused_suppression",
                entry.comment,
                "this comment is addressed to attractor but silences nothing",
                help='write "attractor: ignore[rule] reason", with the name of a rule',
            )
        for at, named in enumerate(entry.rules):
            rule = RULES_BY_ID.get(named.rule)
            if rule is None:
                yield _unknown_rule(named.rule, named.span)
            elif is_essential(rule):
                yield Diagnostic(
                    "unused_suppression",
                    named.span,
                    f'"{rule.id}" cannot be ignored: no plan can be written over it',
                    subject=rule.id,
                    fix=Fix("remove it", (_without(entry, at),)),
                )
            elif (entry, rule.id) not in used and rule.id in ran:
                yield Diagnostic(
                    "unused_suppression",
                    named.span,
                    f'nothing here needs "{rule.id}" to be ignored',
                    subject=rule.id,
                    fix=Fix("remove it", (_without(entry, at),)),
                )


def _without(entry: Suppression, at: int) -> Edit:
    """Return the edit that takes rule number `at` out of the comment: with the last rule goes the comment."""
    source, text = entry.comment.source, entry.comment.source.text
    spans = [named.span for named in entry.rules]
    if len(spans) > 1:
        stretch = (spans[at].start, spans[at + 1].start) if at + 1 < len(spans) else (spans[at - 1].end, spans[at].end)
        return Edit(source.span(*stretch), "")
    line, _ = source.position(entry.comment.start)
    start, end = entry.comment.start, entry.comment.end
    if entry.own_line:
        start = source.line_starts[line - 1]
        end = source.line_starts[line] if line < len(source.line_starts) else len(text)
    else:
        start = len(text[:start].rstrip(" \t"))
    return Edit(source.span(start, end), "")


def _unknown_rule(word: str, span: Span) -> Diagnostic:
    hint = did_you_mean(word, RULES_BY_ID)
    return Diagnostic(
        "unknown_rule",
        span,
        f'there is no rule "{word}"' + (f"; {hint}" if hint else ""),
        subject=word,
        help="" if hint else "`attractor rules` lists them",
    )


# --- load


def load(folder: str, files: Files) -> Settings:
    """Return the settings that hold for files in `folder`: those of the nearest settings file from there upwards."""
    folder = os.path.normpath(folder or ".")
    while True:
        for name in (_DOTFILE, _PYPROJECT):
            path = os.path.normpath(os.path.join(folder, name))
            text = _text_of(path, files)
            if text is not None and (name == _DOTFILE or _HAS_TABLE.search(text)):
                settings = read_settings(Source(path, text))
                if settings is not None:
                    return settings
        if os.path.dirname(os.path.abspath(folder)) == os.path.abspath(folder):
            return Settings()
        folder = os.path.normpath(os.path.join(folder, os.pardir))


def _text_of(path: str, files: Files) -> str | None:
    try:
        return files.read(path, MAX_SOURCE_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def read_settings(source: Source) -> Settings | None:
    """Return what `source` says, None when it is a pyproject.toml that says nothing about attractor."""
    import tomllib

    try:
        document = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        return Settings(problems=(_toml_error(source, str(error)),))
    tool = document.get("tool")
    table = tool.get("attractor") if isinstance(tool, dict) else None
    if table is None:
        if os.path.basename(source.path) == _PYPROJECT:
            return None
        table = document
    return _Reader(source).read(table)


def _toml_error(source: Source, message: str) -> Diagnostic:
    place = re.search(r"line (\d+), column (\d+)", message)
    start = len(source.text)
    if place is not None:
        start = min(start, source.line_starts[min(int(place[1]), len(source.line_starts)) - 1] + int(place[2]) - 1)
    words = message.split(" (at ")[0]
    return Diagnostic("settings_invalid", source.span(start, start + 1), f"not TOML: {words[:1].lower()}{words[1:]}")


class _Reader:
    """Reads one settings table; keeps what it complains about."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._problems: list[Diagnostic] = []

    def read(self, table: object) -> Settings:
        values = self._table(table, "attractor")
        for key in values:
            if key not in {"profile", "rules"}:
                hint = did_you_mean(key, ("profile", "rules"))
                self._complain(key, f'there is no setting "{key}"; ' + (hint or 'there are "profile" and "rules"'))
        levels: dict[str, Severity | None] = {}
        for word, level in self._table(values.get("rules", {}), "rules").items():
            self._read_level(word, level, levels)
        return Settings(self._profile(values.get("profile", RECOMMENDED)), levels, problems=tuple(self._problems))

    def _table(self, value: object, key: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._complain(key, f'"{key}" must be a table')
        return {}

    def _profile(self, value: object) -> str:
        if isinstance(value, str) and value in PROFILES:
            return value
        hint = did_you_mean(str(value), PROFILES)
        self._complain("profile", f"there is no profile {value!r}; " + (hint or "there are " + _listed(PROFILES)))
        return RECOMMENDED

    def _read_level(self, word: str, level: object, levels: dict[str, Severity | None]) -> None:
        rule = RULES_BY_ID.get(canonical_rule(word))
        if rule is None:
            self._problems.append(_unknown_rule(word, self._span(word)))
        elif not isinstance(level, str) or level not in LEVELS:
            hint = did_you_mean(str(level), LEVELS)
            self._complain(word, f"{level!r} is no severity; " + (hint or "there are " + _listed(LEVELS)))
        elif is_essential(rule) and LEVELS[level] is not Severity.ERROR:
            self._complain(word, f'"{rule.id}" is always an error: no plan can be written over it')
        else:
            levels[rule.id] = LEVELS[level]

    def _complain(self, key: str, message: str) -> None:
        self._problems.append(Diagnostic("settings_invalid", self._span(key), message, subject=key))

    def _span(self, key: str) -> Span:
        """Return where `key` is assigned or names a table: the TOML reader keeps no positions."""
        text = self._source.text
        table = text.find("attractor") if os.path.basename(self._source.path) == _PYPROJECT else 0
        bare = re.escape(key)
        place = re.compile(rf"""(?<![\w-])(?P<key>["']?{bare}["']?)\s*+(?:=|\])""").search(text, max(table, 0))
        return self._source.span(*place.span("key")) if place else self._source.span(0, 0)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
