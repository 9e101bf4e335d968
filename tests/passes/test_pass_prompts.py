"""expand_prompts: what a stage is asked."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.compiler.graph import Graph, Hole
from attractor.compiler.passes.expand_prompts import expand

Resolve = Callable[..., Graph]

RUN = "inputs: {seed: 42, fast: true, who: null, name: Ann}"
PROMPTS = {
    "as written": ('n [prompt="Do it"]', "Do it"),
    "the goal": ('goal="Win" n [prompt="Reach $goal."]', "Reach Win."),
    "inputs": ('n [prompt="$name: $seed $fast <$who>"]', "Ann: 42 true <>"),
    "an unknown name stays": ('n [prompt="$HOME and $nobody"]', "$HOME and $nobody"),
    "a longer name is another": ('goal="Win" n [prompt="$goals"]', "$goals"),
    "a backslash keeps it": ('goal="Win" n [prompt="say \\$goal, not $goal"]', "say $goal, not Win"),
    "values are not expanded again": ('goal="$seed" n [prompt="$goal"]', "$seed"),
    "the label stands in": ('n [label="Write docs"]', "Write docs"),
    "then the id": ("n", "n"),
    "an empty prompt is none": ('n [prompt=" ", label="Write docs"]', "Write docs"),
    "an old name": ('n [llm_prompt="Do it"]', "Do it"),
    "a file": ("n [prompt_file=p]", "From the file: 42"),
    "the prompt over the file": ('n [prompt="Do it", prompt_file=p]', "Do it"),
    "an own file over a default prompt": ('node [prompt="Do it"] n [prompt_file=p]', "From the file: 42"),
    "a human gate": ('n [shape=hexagon, label="Ship $name?"]', "Ship Ann?"),
}


@pytest.mark.parametrize(("body", "expected"), PROMPTS.values(), ids=PROMPTS.keys())
def test_prompts_are_expanded(resolve: Resolve, body: str, expected: str) -> None:
    prompt = resolve(body, RUN, {"p": "From the file: $seed"}).prompts["n"]

    assert (expected, "plain", ()) == (prompt.text, prompt.engine, prompt.holes)


def test_run_yaml_overrides_the_goal(resolve: Resolve) -> None:
    assert "Lose" == resolve('goal="Win" n [prompt="$goal"]', "goal: Lose").prompts["n"].text


def test_what_only_the_run_knows_is_left_open(resolve: Resolve) -> None:
    prompt = resolve('goal="Win" n [prompt="$goal since $base_sha!"]').prompts["n"]

    assert ("Win since !", (Hole(10, "base_sha"),)) == (prompt.text, prompt.holes)


def test_a_template_is_left_for_the_run(resolve: Resolve) -> None:
    prompt = resolve('prompt_engine=jinja goal="Win" n [prompt="{{ goal }} $goal"]').prompts["n"]

    assert ("{{ goal }} $goal", "jinja") == (prompt.text, prompt.engine)


NO_PROMPT = {
    "a tool": "n [shape=parallelogram, label=x]",
    "a diamond": "n [shape=diamond, label=x]",
    "a join that does not choose": "n [shape=tripleoctagon, label=x]",
    "a file that could not be read": "n [prompt_file=gone, label=x]",
}


@pytest.mark.parametrize("body", NO_PROMPT.values(), ids=NO_PROMPT.keys())
def test_some_nodes_have_no_prompt(resolve: Resolve, body: str) -> None:
    assert {} == resolve(body).prompts


def test_a_prompt_knows_where_it_was_written(resolve: Resolve) -> None:
    graph = resolve('n [prompt="a\\n$goal"] m [prompt_file=p]', None, {"p": "text"})
    written, file = graph.prompts["n"], graph.prompts["m"]

    assert "$goal" == written.written.span(2, 7).text
    assert ("node", "prompt") == (written.origin.source, written.origin.note)
    assert ("p", "prompt_file p") == (file.written.source.path, file.origin.note)


@given(st.lists(st.sampled_from(["$goal", "$base_sha", "\\$goal", "\\$base_sha", "$x", "\\", "$", "text "])))
def test_filling_the_holes_gives_what_one_reading_from_left_to_right_gives(parts: list[str]) -> None:
    source = " ".join(parts)
    text, holes = expand(source, {"goal": "GOAL"})
    for hole in reversed(holes):
        text = text[: hole.at] + "SHA" + text[hole.at :]

    known = {"$goal": "GOAL", "$base_sha": "SHA", "\\$goal": "$goal", "\\$base_sha": "$base_sha"}
    assert " ".join(known.get(part, part) for part in parts) == text
