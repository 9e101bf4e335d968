"""Every syntax error has its rule and its exact place; one run names them all; one mistake is one error."""

from collections.abc import Callable

import pytest

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.graph import Graph

Read = Callable[[str], tuple[Graph | None, list[Diagnostic]]]
Places = Callable[[list[Diagnostic]], list[str]]

FILES = {
    "an empty file": ("", ["dot_not_digraph 1:1-1:1"]),
    "only comments": ("// nothing\n/* here */\n", ["dot_not_digraph 3:1-3:1"]),
    "prose": ("Here you are: a = pipeline [x] -> y\nEnjoy!\n", ["dot_not_digraph 1:1-1:5"]),
    "prose around the graph": (
        "Sure! Here it is:\n\ndigraph g { a }\n\nLet me know what you think.\n",
        ["dot_not_digraph 1:1-1:6", "dot_trailing_content 5:1-5:4"],
    ),
    "a markdown fence": ("```dot\ndigraph g { a }\n```\n", ["dot_not_digraph 1:1-1:7", "dot_trailing_content 3:1-3:4"]),
    "an undirected graph": ("graph g {\n a -- b\n}", ["dot_not_digraph 1:1-1:6", "dot_undirected_edge 2:4-2:6"]),
    "a capital keyword": ("Digraph g { a }", ["dot_not_digraph 1:1-1:8"]),
    "strict": ("strict digraph g { a }", ["dot_strict_modifier 1:1-1:7"]),
    "no name": ("digraph { a }", ["dot_graph_name 1:1-1:8"]),
    "a quoted name": ('digraph "my graph" { a }', ["dot_graph_name 1:9-1:19"]),
    "a name with a hyphen": ("digraph my-graph { a }", ["dot_graph_name 1:9-1:17"]),
    "no brace": ("digraph g\n a -> b\n}", ["dot_unexpected_token 2:2-2:3"]),
    "two graphs, both read": (
        "digraph a { x } digraph b { y -- z }",
        ["dot_multiple_graphs 1:17-1:24", "dot_undirected_edge 1:31-1:33"],
    ),
    "a graph that is not closed before the next": (
        "digraph a {\n x\ndigraph b { y }\n",
        ["dot_multiple_graphs 3:1-3:8", "dot_unclosed 3:1-3:8"],
    ),
    "a closing brace too early": ("digraph g { a }\n b -> c\n}\n", ["dot_trailing_content 1:15-1:16"]),
    "a closing brace too many": ("digraph g { a }}\n", ["dot_trailing_content 1:15-1:16"]),
    "one semicolon behind the graph is fine": ("digraph g { a };\n", []),
    "a byte order mark": ("\ufeffdigraph g { a }", ["dot_illegal_char 1:1-1:2"]),
    "blocks never closed": ("digraph g {\n subgraph s {\n  a\n", ["dot_unclosed 4:1-4:1"]),
}

BODIES = {
    "-- for ->": ("a -- b", ["dot_undirected_edge 2:3-2:5"]),
    "other arrows": ("a => b; c --> d; e → f; g > h", [
        "dot_unexpected_token 2:3-2:5", "dot_unexpected_token 2:11-2:14",
        "dot_unexpected_token 2:20-2:21", "dot_unexpected_token 2:27-2:28"]),
    "an edge to nowhere": ("a -> ;", ["dot_unexpected_token 2:6-2:7"]),
    "an edge from nowhere": ("-> a", ["dot_unexpected_token 2:1-2:3"]),
    "two arrows": ("a -> -> b", ["dot_unexpected_token 2:6-2:8"]),
    "a group": ("a -> {b; c}", ["dot_edge_group 2:6-2:12"]),
    "a group at the left": ("{a b} -> c", ["dot_edge_group 2:1-2:6"]),
    "a subgraph as an end": ("a -> subgraph s { b c }", ["dot_edge_group 2:6-2:24"]),
    "a group of one": ("a -> {b}", ["dot_edge_group 2:6-2:9"]),
    "a group of one at the left": ("{a} -> b", ["dot_edge_group 2:1-2:4"]),
    "a subgraph at the left": ("subgraph s { a } -> b", ["dot_edge_group 2:16-2:17"]),
    "a group of statements": ("a -> { b -> c [x=y] }", ["dot_edge_group 2:6-2:22"]),
    "ports": ("a:n -> b:s:w; c:p", ["dot_port 2:2-2:4", "dot_port 2:9-2:13", "dot_port 2:16-2:18"]),
    "a quoted id": ('"a" -> b', ["dot_quoted_node_id 2:1-2:4"]),
    "a hyphen in an id, said once": ("run-it -> b; c -> run-it", ["dot_invalid_node_id 2:1-2:7"]),
    "a dot in an id": ("a.b -> c", ["dot_invalid_node_id 2:1-2:4"]),
    "a digit first": ("1st -> b", ["dot_invalid_node_id 2:1-2:4"]),
    "a letter that is not ASCII": ("é -> b", ["dot_invalid_node_id 2:1-2:2"]),
    "a reserved word as a node": ("a -> Edge", ["dot_reserved_id 2:6-2:10"]),
    "a capital keyword": ("Subgraph s { a }", ["dot_reserved_id 2:1-2:9"]),
    "`if` is a word like others": ("if [x=y]", []),
    "a block without subgraph": ("{ rank=same; a; b }", ["dot_unexpected_token 2:1-2:2"]),
    "a named block without subgraph": ("s { a }", ["dot_unexpected_token 2:1-2:2"]),
    "a subgraph without a name is fine": ("subgraph { a }", []),
    "attributes of nothing": ("[a=b]", ["dot_unexpected_token 2:1-2:2"]),
    "a bracket too many": ("a ]", ["dot_unexpected_token 2:3-2:4"]),
    "commas between statements": ("a, b", ["dot_unexpected_token 2:2-2:3"]),
    "characters of no language": ("a @ ! ( b", [
        "dot_illegal_char 2:3-2:4", "dot_illegal_char 2:5-2:6", "dot_illegal_char 2:7-2:8"]),
    "a NUL": ("a [x=y\0z]", ["dot_illegal_char 2:6-2:9"]),
    "a hash comment": ("# note", ["dot_hash_comment 2:1-2:2"]),
    "a hash comment behind a statement": ("a -> b # note", ["dot_hash_comment 2:8-2:9"]),
    "a comment never closed": ("a /* note\n b -> c", ["dot_unterminated_comment 2:3-2:5"]),
}  # fmt: skip

LISTS = {
    "no comma": ('x="1" y="2"', ["dot_missing_comma 2:10-2:11"]),
    "semicolons": ("x=1; y=2;", ["dot_semicolon_in_attrs 2:7-2:8", "dot_semicolon_in_attrs 2:12-2:13"]),
    "a trailing comma": ("x=1,", ["dot_trailing_comma 2:7-2:8"]),
    "two commas": ("x=1,,y=2", ["dot_unexpected_token 2:8-2:9"]),
    "a leading comma": (",x=1", ["dot_unexpected_token 2:4-2:5"]),
    "two lists": ("x=1] [y=2", ["dot_multiple_attr_blocks 2:9-2:10"]),
    "an empty value": ("x=, y=2", ["dot_empty_value 2:4-2:6"]),
    "an empty value before the next key": ("x= y=2", ["dot_empty_value 2:4-2:6"]),
    "a key alone": ("bold", ["dot_empty_value 2:4-2:8"]),
    "a colon": ('x: "1"', ["dot_unexpected_token 2:5-2:6"]),
    "a quoted key": ('"x"="1"', ["dot_unexpected_token 2:4-2:7"]),
    "a hyphen in a key": ("max-tokens=3", ["dot_illegal_char 2:4-2:14"]),
    "a dotted key is fine": ("human.default_choice=a", []),
    "bad numbers": ("x=1., y=1.2.3, z=12abc", [
        "dot_bad_number 2:6-2:8", "dot_bad_number 2:12-2:17", "dot_bad_number 2:21-2:26"]),
    "good numbers": ("a=1, b=-2, c=3.5, d=-0.5, e=.5", []),
    "not portable": ("a=gpt-5.2, b=summary:high, c=900s", [
        "graphviz_portability 2:6-2:13", "graphviz_portability 2:17-2:29", "graphviz_portability 2:33-2:37"]),
    "needs quotes": ("a=b/c, d=http://x/y, e=#fff", [
        "dot_illegal_char 2:6-2:9", "dot_illegal_char 2:13-2:23", "dot_illegal_char 2:27-2:31"]),
    "other quotation marks": ("a=“x, y”, b='z', c=`w`", [
        "dot_illegal_char 2:6-2:12", "dot_illegal_char 2:16-2:19", "dot_illegal_char 2:23-2:26"]),
    "HTML": ("a=<b>x</b>, b=<<i>x</i>>", ["dot_html_label 2:6-2:14", "dot_html_label 2:18-2:28"]),
    "strings joined": ('a="x" + "y" +\n "z"', ["dot_string_concat 2:6-3:5"]),
    "unknown escapes": (r'a="\d \" \\ \n \t \w"', ["dot_unknown_escape 2:7-2:9", "dot_unknown_escape 2:22-2:24"]),
    "a line continued": ('a="one \\\ntwo"', []),
    "a template's literal dollar": (r'a="\$goal \${x}"', []),
    "set twice": ("a=1, b=2, a=3", ["duplicate_attribute 2:14-2:15"]),
    "set twice by two names": ("prompt=x, llm_prompt=y", ["duplicate_attribute 2:14-2:24"]),
    "never closed": ("a=1\nb -> c", ["dot_unclosed 3:1-3:2"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_what_stands_around_a_graph_is_reported_at_its_place(
    text: str, expected: list[str], read: Read, places: Places
) -> None:
    assert expected == places(read(text)[1])


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
def test_a_bad_statement_is_reported_at_its_place(body: str, expected: list[str], read: Read, places: Places) -> None:
    assert expected == places(read("digraph g {\n" + body + "\n}\n")[1])


@pytest.mark.parametrize(("inner", "expected"), LISTS.values(), ids=LISTS)
def test_a_bad_attribute_is_reported_at_its_place(inner: str, expected: list[str], read: Read, places: Places) -> None:
    closing = "" if "b -> c" in inner else "]"

    assert expected == places(read("digraph g {\nn [" + inner + closing + "\n}\n")[1])


UNTERMINATED = {
    "the next key on the same line": 'a [prompt="oops, label="x"]\n b [label="y"]',
    "the next key on the next line": 'a [prompt="oops,\n label="x"]\n b [label="y"]',
    "behind lines of text": 'a [prompt="one\n two\n three,\n label="x"]\n b [label="y"]',
    "the next statement": 'a [prompt="oops]\n b [label="y"]',
    "no other string in the file": 'a [prompt="oops]\n b [label=y]',
    "the last statement": 'b [label="y"]\n a [prompt="oops]',
}


@pytest.mark.parametrize("body", UNTERMINATED.values(), ids=UNTERMINATED)
def test_an_unterminated_string_is_one_error_and_loses_no_node(body: str, read: Read) -> None:
    graph, found = read("digraph g {\n" + body + "\n a -> b\n}\n")

    assert ["dot_unterminated_string"] == [each.rule for each in found]
    assert '"' == found[0].span.text
    assert graph is not None
    assert ({"a", "b"}, 1) == (set(graph.nodes), len(graph.edges))


def test_all_errors_of_a_file_are_reported_in_one_run(read: Read, places: Places) -> None:
    whole = {name: case for name, case in LISTS.items() if name != "never closed"}
    text, expected, line = "digraph g {\n", [], 2
    for number, (inner, errors) in enumerate(whole.values()):
        text += f"\nn [{inner}] // {number}".replace("\nn", f"n{number}\n", 1) + "\n"
        expected += [(error.split()[0], line + 1 + int(error.split()[1].split(":")[0]) - 2) for error in errors]
        line += 2 + inner.count("\n")

    found = read(text + "}\n")[1]

    assert sorted(expected) == sorted((each.rule, each.span.position[0]) for each in found)


def test_blocks_may_nest_64_deep_and_no_deeper(read: Read, places: Places) -> None:
    def nested(depth: int) -> str:
        return "digraph g " + "{ subgraph s " * (depth - 1) + "{ a }" + "}" * (depth - 1)

    assert [] == places(read(nested(64))[1])
    assert [f"dot_limit 1:{11 + 64 * 13}-1:{12 + 64 * 13}"] == places(read(nested(65))[1])


def test_a_file_of_noise_gives_a_page_of_diagnostics(read: Read) -> None:
    found = read("digraph g {\n" + "@ !\n" * 100_000 + "}")[1]

    assert 102 == len(found)
    assert {
        "9900 more of this rule from here on are not shown",
        "more than 10,000 errors; the rest of the file is not read",
    } == {each.message for each in found if "stand here" not in each.message}


def test_ten_megabytes_of_braces_are_refused(read: Read, places: Places) -> None:
    assert ["dot_not_digraph 1:1-1:2"] == places(read("{" * 10_000_000)[1])
    assert ["dot_limit", "dot_unexpected_token"] == sorted(
        each.rule for each in read("digraph g " + "{" * 10_000_000)[1]
    )
