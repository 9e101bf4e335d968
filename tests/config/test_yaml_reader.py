"""YAML and JSON -> values with places; everything that a configuration has no need of is refused."""

import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import attractor.compiler.yaml_reader as yaml_reader
from attractor.compiler.source import MAX_SOURCE_BYTES, Source
from attractor.compiler.yaml_reader import read_yaml

WORDS = st.text(max_size=12).filter(lambda text: text[:1] not in set("+-.0123456789"))  # 1e3 is a number here
LOADERS = ["CSafeLoader", "SafeLoader"]


@pytest.fixture(params=LOADERS)
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_reader, "_Loader", getattr(yaml, request.param))


def _found(text: str) -> list[str]:
    _, found = read_yaml(Source("run.yaml", text))
    return [
        "{}:{}-{}:{} {}".format(*each.span.position, *each.span.source.position(each.span.end), each.rule)
        for each in found
    ]


@pytest.mark.usefixtures("_loader")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: 1\nb: [x, 'y', \"z\"]\n", {"a": 1, "b": ["x", "y", "z"]}),
        ("a: yes\nb: Off\nc: true\nd: 'no'\n", {"a": True, "b": False, "c": True, "d": "no"}),
        ("a: 2026-02-10\nb: 12:30\nc: 1.2.3\n", {"a": "2026-02-10", "b": "12:30", "c": "1.2.3"}),
        ("a: 1e3\nb: -.5\nc: 1_000\nd: 0x1F\ne: 010\n", {"a": 1000.0, "b": -0.5, "c": 1000, "d": 31, "e": 8}),
        ("a: .inf\nb: .nan\nc: .\nd: 08\ne: 1e\n", {"a": ".inf", "b": ".nan", "c": ".", "d": "08", "e": "1e"}),
        ("a:\nb: ~\nc: null\nd: ''\n", {"a": None, "b": None, "c": None, "d": ""}),
        ("on: 1\n2: x\nnull: y\n", {"on": 1, "2": "x", "null": "y"}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ('{"a": {"b": [1, null, true, "\\u00e9"]}}', {"a": {"b": [1, None, True, "é"]}}),
        ("\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\n", {"a": 1, "b": "x\ny\n"}),
        ("# nothing\n", None),
        ("", None),
        ("just words", "just words"),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
    ],
    ids=["plain", "truth", "dates_are_text", "numbers", "not_numbers", "nothing", "keys_are_text", "alias", "json",
         "bom_and_crlf", "comment_only", "empty", "scalar", "endless_number"],
)  # fmt: skip
def test_values_are_what_people_mean(text: str, values: object) -> None:
    document, found = read_yaml(Source("run.yaml", text))

    assert [] == found
    assert values == document.values
    assert document.whole


@pytest.mark.parametrize(
    ("text", "pointer", "key", "value"),
    [
        ("a:\n  b: 1 # one\n", "/a/b", "2:3-2:4", "2:6-2:7"),
        ("a:\n  - x\n  - yy\n", "/a/1", "3:5-3:7", "3:5-3:7"),
        ("a: {b: 'é😀', c: z}\n", "/a/c", "1:14-1:15", "1:17-1:18"),
        ("\ufeffa: 1\r\nbb: 2\r\n", "/bb", "2:1-2:3", "2:5-2:6"),
        ("a/b~c: 1\n", "/a~1b~0c", "1:1-1:6", "1:8-1:9"),
        ("a:\n  b:\n    c: 1\n\n\nd: 2\n", "/a", "1:1-1:2", "2:3-3:9"),
        ("a: |\n  x\n\n\nb: 1\n", "/a", "1:1-1:2", "1:4-2:4"),
        ("a: &x v\nb: *x\n", "/b", "2:1-2:2", "2:4-2:6"),
        ("a:\nb: 1\n", "/a", "1:1-1:2", "1:1-1:2"),
        ("a:\n  - # none\n  - b\n", "/a/0", "2:3-2:4", "2:3-2:4"),
    ],
    ids=[
        "block",
        "item",
        "emoji_before",
        "bom_and_crlf",
        "escaped_key",
        "mapping",
        "literal",
        "alias",
        "no_value",
        "no_item",
    ],
)
@pytest.mark.usefixtures("_loader")
def test_every_value_has_its_place(text: str, pointer: str, key: str, value: str) -> None:
    source = Source("run.yaml", text)
    document, _ = read_yaml(source)

    spans = ["{}:{}-{}:{}".format(*span.position, *source.position(span.end)) for span in document.spans[pointer]]
    assert [key, value] == spans


@pytest.mark.usefixtures("_loader")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\na: 2\n", ["2:1-2:2 run_duplicate_key"]),
        ("a: 1\n---\nb: 2\n", ["2:1-2:4 run_multiple_documents"]),
        ("a: !!python/object/apply:os.system [ls]\n", ["1:4-1:35 run_syntax"]),
        ("a: !secret x\n", ["1:4-1:11 run_syntax"]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ["3:3-3:5 run_syntax"]),
        ("? [a, b]\n: 1\n", ["1:3-1:4 run_syntax"]),
        ("a: &x [*x]\n", ["1:8-1:10 run_syntax"]),
        ("a: *nobody\n", ["1:4-1:11 run_syntax"]),
        ("a: b\x00c\nd: \x07\n", ["1:5-1:6 run_syntax", "2:4-2:5 run_syntax"]),
        ("a: \ud800\n", ["1:4-1:5 run_syntax"]),
        ("a: [1, 2\nb: 3\n", ["1:4-1:5 run_syntax"]),
        ("a: 'x\nb: 3\n", ["1:4-1:6 run_syntax"]),
        ("a:\n\tb: 1\n", ["2:1-2:2 run_syntax"]),
        ("a: b: c\n", ["1:5-1:6 run_syntax"]),
        ("a: @x\n", ["1:4-1:6 run_syntax"]),
        ("a: " + "[" * 100, ["1:67-1:68 run_syntax"]),
    ],
    ids=["duplicate", "second_document", "python_tag", "tag", "merge_key", "list_as_key", "cycle", "undefined_alias",
         "control_characters", "surrogate", "open_list", "open_quote", "tab", "second_colon", "reserved", "too_deep"],
)  # fmt: skip
def test_what_is_wrong_is_reported_at_its_place(text: str, found: list[str]) -> None:
    assert found == _found(text)


def test_a_duplicate_key_shows_both_places() -> None:
    _, (found,) = read_yaml(Source("run.yaml", "a: 1\nb: 2\na: 3\n"))

    assert 'key "a" is given twice, first on line 1; keep one' == found.message
    assert [(1, 1)] == [related.span.position for related in found.related]


def test_every_broken_part_is_reported_and_the_others_are_read() -> None:
    text = "version: 1\nworkspace: {mode: auto\nllm:\n  providers:\n   kimi: {}\n  x: 'y\nhuman: {mode: fail}\n"
    document, found = read_yaml(Source("run.yaml", text))

    assert [(2, 12), (6, 6)] == [each.span.position for each in found]
    assert {"version": 1, "human": {"mode": "fail"}} == document.values
    assert not document.whole


@pytest.mark.flaky(reruns=3)
def test_an_alias_bomb_is_refused_with_one_error_and_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    started = time.perf_counter()

    document, found = read_yaml(Source("run.yaml", "\n".join(lines)))

    assert ["aliases expand to more than 10000 values; write them out"] == [each.message for each in found]
    assert len(document.spans) < 40_000
    assert time.perf_counter() - started < 2


def test_a_file_above_16_mib_is_refused() -> None:
    document, found = read_yaml(Source("run.yaml", "a" * (MAX_SOURCE_BYTES + 1)))

    assert ["file is larger than 16 MiB"] == [each.message for each in found]
    assert document.values is None


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize("text", ["{" * 10_000_000, "[" * 10_000_000, "- " * 5_000_000], ids=["{", "[", "-"])
def test_ten_megabytes_of_nesting_are_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    _, found = read_yaml(Source("run.yaml", text))

    assert "nested deeper than 64 levels" == found[-1].message
    assert len(found) <= 2
    assert time.perf_counter() - started < 5


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@,? \n\t\\é😀\x00\ufeff\x85\r"), max_size=60))
@example("a: &a [*a")
@example("? ")
@example("&a &b c")
@example("!<x> y")
@example("--- |\n a")
@example("%TAG ! x\n--- !y z")
@settings(max_examples=600, deadline=None)
def test_any_text_gives_values_or_positioned_errors(text: str) -> None:
    source = Source("run.yaml", text)
    document, found = read_yaml(source)

    assert document.whole or found
    for span in [each.span for each in found] + [span for both in document.spans.values() for span in both]:
        assert 0 <= span.start <= span.end <= len(text)
    assert all(each.span.start < each.span.end or each.span.end == len(text) or not text.strip() for each in found)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_what_was_written_is_read_back(values: object) -> None:
    text = yaml.safe_dump(values, allow_unicode=True)
    document, found = read_yaml(Source("run.yaml", text))
    if not found:  # an unprintable character or `<<` is refused
        assert yaml.safe_load(text) == document.values or values == document.values
