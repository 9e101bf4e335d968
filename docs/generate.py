"""Write the reference pages from the schemas and the registry: `make docs`. A test compares them with what is here."""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attractor.cli.main import main as attractor
from attractor.runtime.agent.profiles import FAMILIES, tools_of
from attractor.runtime.agent.tools.contract import Tool

HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "schemas"
GENERATED = "<!-- from here on written by `make docs` -->"  # what stands above it in a page is kept


def pages() -> dict[str, str]:
    """Return the text of each generated page by its name in docs/."""
    return {
        "attributes.md": _attributes(_schema("graph")),
        "events.md": _events(_schema("event")),
        "rules.md": _rules(),
        "run-yaml.md": _run_yaml(_schema("run")),
        "tools.md": _tools(),
    }


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


def _rules() -> str:
    text = io.StringIO()
    attractor(["rules", "--format", "markdown"], text, io.StringIO())
    return text.getvalue()


def _attributes(schema: Mapping[str, Any]) -> str:
    lines = [
        "# Attributes",
        "",
        "Generated from `schemas/graph.schema.json`: what graphs, nodes and edges can say.",
        "",
    ]
    for scope in schema["definitions"].values():
        lines += [f"## {scope['title']}", "", scope["description"], ""]
        lines += ["| attribute | type | default | for | meaning |", "|---|---|---|---|---|"]
        for key, spec in scope["properties"].items():
            kinds = ", ".join(f"`{kind}`" for kind in spec.get("x-kinds", ())) or "all"
            aliases = ", ".join(f"`{alias}`" for alias in spec.get("x-aliases", ()))
            meaning = f"{spec['description']} Also written {aliases}." if aliases else spec["description"]
            lines.append(f"| `{key}` | {_type(spec)} | {_default(spec)} | {kinds} | {_cell(meaning)} |")
        lines.append("")
    return "\n".join(lines)


def _run_yaml(schema: Mapping[str, Any]) -> str:
    lines = ["# run.yaml", "", "Generated from `schemas/run.schema.json`.", "", schema["description"], ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for path, spec in _keys(schema, schema, ""):
        meaning = " ".join(spec[key] for key in ("description", "deprecationMessage") if key in spec)
        lines.append(f"| `{path}` | {_type(spec)} | {_default(spec)} | {_cell(meaning)} |")
    return "\n".join([*lines, ""])


def _keys(schema: Mapping[str, Any], part: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every key with its dotted path; a free word stands as NAME."""
    inner = part.get("additionalProperties")
    if isinstance(inner, dict):  # a map: the names that are known all mean the same
        spec = _resolved(schema, inner)
        yield f"{prefix}NAME", spec
        yield from _keys(schema, spec, f"{prefix}NAME.")
        return
    for key, written in part.get("properties", {}).items():
        spec = _resolved(schema, written)
        yield prefix + key, spec
        yield from _keys(schema, spec, f"{prefix}{key}.")


def _resolved(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = spec.get("$ref")
    if reference is None:
        return spec
    return {**schema["definitions"][reference.rpartition("/")[2]], **spec}


def _events(schema: Mapping[str, Any]) -> str:
    lines = ["# Events", "", "Generated from `schemas/event.schema.json`: the lines of `progress.ndjson`.", ""]
    definitions = schema["definitions"].values()
    common = [
        field for field in next(iter(definitions))["properties"] if all(field in d["properties"] for d in definitions)
    ]
    first = next(iter(definitions))["properties"]
    lines += [
        "Every event has its name in `event`, and these fields:",
        "",
        "| field | type | meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{field}` | {_type(first[field])} | {_cell(first[field].get('description', ''))} |" for field in common
    ]
    lines.append("")
    for name in schema["properties"]["event"]["enum"]:
        spec = schema["definitions"][name]
        lines += [f"## {name}", "", spec.get("description", ""), "", "| field | type | meaning |", "|---|---|---|"]
        for field, value in spec["properties"].items():
            if field not in ("event", *common):
                lines.append(f"| `{field}` | {_type(value)} | {_cell(value.get('description', ''))} |")
        lines.append("")
    return "\n".join(lines)


def _tools() -> str:
    tools = {tool.name: tool for family in FAMILIES for tool in tools_of(family)}
    written, marker, _ = (HERE / "tools.md").read_text("utf-8").partition(GENERATED)
    lines = [written + marker, ""]
    lines += ["| tool | given to | side by side | characters shown | lines shown |", "|---|---|---|---|---|"]
    for name, tool in sorted(tools.items()):
        families = [family for family in FAMILIES if tool in tools_of(family)]
        given_to = "all" if len(families) == len(FAMILIES) else ", ".join(families)
        part = {"head_tail": "start and end", "head": "start", "tail": "end"}[tool.cut.mode]
        lines.append(
            f"| [`{name}`](#{name}) | {given_to} | {'yes' if tool.reads_only else 'no'} "
            f"| {tool.cut.max_chars:,}, {part} | {tool.cut.max_lines or ''} |"
        )
    for _, tool in sorted(tools.items()):
        lines += ["", *_tool(tool)]
    return "\n".join([*lines, ""])


def _tool(tool: Tool) -> Iterator[str]:
    yield f"### {tool.name}"
    yield ""
    first, *form = tool.description.split("\n")
    yield first
    if form:
        yield from ("", "````text", *form[:-1], "````", "", form[-1])
    yield from ("", "| argument | type | required | meaning |", "|---|---|---|---|")
    required = list(tool.parameters["required"])  # type: ignore[arg-type]
    for name, spec in tool.parameters["properties"].items():  # type: ignore[union-attr]
        needed = "yes" if name in required else ""
        yield f"| `{name}` | {_type(spec)} | {needed} | {_cell(spec['description'])} |"


def _type(spec: Mapping[str, Any]) -> str:
    if "x-type" in spec:
        return str(spec["x-type"])
    if "enum" in spec:
        return " \\| ".join(
            f"`{json.dumps(word, ensure_ascii=False).strip(chr(34))}`" for word in spec["enum"] if word is not None
        )
    if "const" in spec:
        return f"`{spec['const']}`"
    if "anyOf" in spec and any(each.get("type") == "string" for each in spec["anyOf"]):
        return "string"  # the listed words are suggestions
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(_type(each) for each in spec["anyOf"]))
    written = spec.get("type", "any")
    kinds = [kind for kind in written if kind != "null"] if isinstance(written, list) else [written]
    if "array" in kinds and isinstance(spec.get("items"), dict):
        return f"list of {_type(spec['items'])}"
    return " or ".join(kinds)


def _default(spec: Mapping[str, Any]) -> str:
    if spec.get("default") in (None, {}):
        return ""
    return f"`{_cell(json.dumps(spec['default'], ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, "utf-8")
    sys.stdout.write(f"wrote {', '.join(pages())}\n")
