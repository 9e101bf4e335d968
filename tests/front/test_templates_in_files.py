"""Templates through the front door: prompts in the graph and in files, with the inputs of run.yaml."""

import io
import json
from pathlib import Path

import pytest

from attractor.cli.main import main

RUN = "version: 1\ngraph: graph.dot\ninputs: {name: x}\nllm: {providers: {kimi: {failover: []}}}\n"
GRAPH = """digraph g {
  prompt_engine=jinja
  start [shape=Mdiamond]
  exit [shape=Msquare]
  node [llm_model="kimi-k2.5"]
  greet [%s]
  start -> greet -> exit
}
"""


def found(attribute: str) -> list[str]:
    Path("graph.dot").write_text(GRAPH % attribute)
    stdout = io.StringIO()
    main(["compile", "--check", "--format", "json", "run.yaml"], stdout, io.StringIO())
    return [
        f"{each['path']}:{each['span']['start']['line']}:{each['span']['start']['column']} {each['rule']}"
        for each in json.loads(stdout.getvalue())["diagnostics"]
        if each["severity"] == "error"
    ]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(RUN)


def test_a_good_template_is_fine() -> None:
    assert [] == found('prompt="{{ goal }} {{ inputs.name }} {% for k, v in inputs.items() %}{{ k }}{% endfor %}"')


@pytest.mark.parametrize(
    "template",
    [
        "{{ inputs.nam | default(1) }}",
        "{% if inputs.nam is defined %}{{ inputs.nam }}{% endif %}",
        "{% if 'nam' in inputs %}{{ inputs.nam }}{% endif %}",
    ],
)
def test_an_input_that_the_template_can_do_without_need_not_be_there(template: str) -> None:
    assert [] == found(f'prompt="{template}"')


def test_an_input_that_run_yaml_does_not_have_is_found_where_it_is_read() -> None:
    assert ["graph.dot:6:50 prompt_template_unknown"] == found(
        'prompt="Say \\"hi\\" {{ inputs.name }} {{ inputs.nam }}"'
    )


def test_an_error_in_a_prompt_file_is_found_in_that_file() -> None:
    Path("greet.md").write_text("Hello\n  {{ goal }\n")

    assert ["greet.md:2:3 prompt_template_syntax"] == found('prompt_file="greet.md"')
