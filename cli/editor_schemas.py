"""The schemas that editors read, in a repository, and the first lines of YAML files that name them."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from attractor.compiler.schema import is_valid, load_schema
from attractor.compiler.source import Source
from attractor.compiler.yaml_reader import read_yaml

from .disk import Disk, save
from .run_file import RUN_NAMES

FOLDER = ".attractor/schemas"
KINDS = ("run", "scenario", "simulator")
SUFFIX = ".schema.json"
MAX_BYTES = 1 << 20  # of a file that is looked into; nobody writes a longer run.yaml by hand

_SKIPPED = {"node_modules", "target", "build", "dist", "__pycache__"}
_VERSION = re.compile(rb"""^(?:\xef\xbb\xbf)?["']?version["']?[ \t]*+:[ \t]*+1\b""", re.MULTILINE)
_MODELINE = re.compile(r"^#[ \t]*+(?:yaml-language-server[ \t]*+:[ \t]*+\$schema=|\$schema[ \t]*+:[ \t]*+)(?P<to>\S++)")


class Step(NamedTuple):
    """What was done with one file: `verb` is one of wrote, changed, unchanged, kept, failed."""

    verb: str
    path: str
    remark: str = ""


def install(folder: str) -> Iterator[Step]:
    """Write the schemas below `folder`, then name them in every YAML file there that is one of Attractor's."""
    yield from write_schemas(folder)
    for path in _yaml_files(folder):
        step = _name_schema(path, folder)
        if step is not None:
            yield step


def write_schemas(folder: str) -> Iterator[Step]:
    """Write the schemas that editors read into `FOLDER` below `folder`."""
    target = os.path.join(folder, FOLDER)
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        yield Step("failed", target, f"cannot make the folder {target!r}: {(error.strerror or str(error)).lower()}")
        return
    for kind in KINDS:
        path = os.path.join(target, kind + SUFFIX)
        content = json.dumps(for_editors(load_schema(kind)), indent=2, ensure_ascii=False) + "\n"
        yield write_step(path, content.encode())


def write_step(path: str, content: bytes, remark: str = "") -> Step:
    """Write `content` to `path` unless it is there already."""
    before = _bytes(path)
    if before == content:
        return Step("unchanged", path)
    problem = save(path, content, ())
    if problem:
        return Step("failed", path, problem)
    return Step("wrote" if before is None else "changed", path, remark)


# The schemas


def for_editors(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` as editors understand it best; it accepts the same values.

    Without `default: null`: it says nothing, and yaml-language-server offers no further keys once it meets one. With
    the default in the text that is shown, and the descriptions of words in the form of JetBrains, too.
    """
    kept = {key: _below(key, value) for key, value in schema.items() if not (key == "default" and value is None)}
    if kept.get("default") not in (None, {}) and "description" in kept:
        text = kept.get("markdownDescription", kept["description"])
        kept["markdownDescription"] = f"{text}\n\nDefault: `{json.dumps(kept['default'], ensure_ascii=False)}`"
    if "enumDescriptions" in kept:
        words = zip(kept["enum"], kept["enumDescriptions"], strict=True)
        kept["x-intellij-enum-metadata"] = {str(word): {"description": text} for word, text in words}
    return kept


def _below(key: str, value: Any) -> Any:
    """Return what stands under `key` of a schema, with each schema in it made for editors."""
    if key in {"properties", "patternProperties", "definitions"}:
        return {name: for_editors(part) for name, part in value.items()}
    if key in {"items", "additionalProperties", "propertyNames", "not", "if", "then", "else"}:
        return for_editors(value) if isinstance(value, dict) else value
    if key in {"anyOf", "oneOf", "allOf"}:
        return [for_editors(part) for part in value]
    return value


# Which files are Attractor's


def _yaml_files(folder: str) -> Iterator[str]:
    """Yield the YAML files below `folder`, but for hidden folders, what was installed or built, and other checkouts."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _foreign(root, name))
        for name in sorted(names):
            path = os.path.join(root, name)
            if name.endswith((".yaml", ".yml")) and not os.path.islink(path):
                yield path


def _foreign(root: str, name: str) -> bool:
    path = os.path.join(root, name)
    marks = (os.path.join(path, mark) for mark in ("pyvenv.cfg", ".git"))
    return name.startswith(".") or name in _SKIPPED or any(map(os.path.exists, marks))


def _kind_of(name: str, values: object) -> str | None:
    """Return which schema a file of this name with these values follows, None for a stranger's file."""
    if not isinstance(values, dict) or values.get("version") != 1:
        return None
    if name in RUN_NAMES and values.keys() & (load_schema("run")["properties"].keys() - {"version"}):
        return "run"  # also when it has mistakes: that is when an editor helps most
    telling: Mapping[str, tuple[str, ...]] = {
        "run": ("llm", "graph"), "scenario": ("nodes",), "simulator": ("answers", "otherwise")
    }  # fmt: skip
    fitting = (kind for kind, keys in telling.items() if values.keys() & set(keys) and is_valid(kind, values))
    return next(fitting, None)


# The modeline


def _name_schema(path: str, folder: str) -> Step | None:
    content = _bytes(path)
    if content is None or not _VERSION.search(content):
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    document, _ = read_yaml(Source(path, text))
    kind = _kind_of(os.path.basename(path), document.values)
    if kind is None:
        return None
    target = os.path.relpath(os.path.join(folder, FOLDER, kind + SUFFIX), os.path.dirname(path) or ".")
    return _with_modeline(path, text, target.replace(os.sep, "/"))


def _with_modeline(path: str, text: str, target: str) -> Step:
    """Put `target` into the first lines of the file, unless they name a schema that is there, or another one."""
    lines = _header(text)
    named = [(at, match) for at, line in enumerate(lines) if (match := _MODELINE.match(line))]
    if not named:
        newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
        bom = text.startswith("\ufeff")
        modeline = f"# yaml-language-server: $schema={target}{newline}# $schema: {target}{newline}"
        return write_step(path, (text[:bom] + modeline + text[bom:]).encode(), "names its schema now")
    stale = [(at, match) for at, match in named if _is_stale(match["to"], path, target)]
    if not stale:
        other = next((match["to"] for _, match in named if match["to"] != target), "")
        return Step("kept", path, f"names {other}") if other else Step("unchanged", path)
    for at, match in stale:
        lines[at] = lines[at][: match.start("to")] + target + lines[at][match.end("to") :]
    rest = text[len("".join(_header(text))) :]
    return write_step(path, ("".join(lines) + rest).encode(), "names its schema where it is now")


def _header(text: str) -> list[str]:
    """Return the lines before the content: editors look for a modeline only there."""
    lines = []
    for line in text.splitlines(keepends=True):
        if line.strip(" \t\r\n\ufeff") and not line.lstrip(" \t\ufeff").startswith("#"):
            break
        lines.append(line)
    return lines


def _is_stale(named: str, path: str, target: str) -> bool:
    """Whether `named` is one of our schemas at a place where none is."""
    ours = os.path.basename(named) == os.path.basename(target) and "://" not in named
    return ours and not os.path.exists(os.path.join(os.path.dirname(path), named))


def _bytes(path: str) -> bytes | None:
    """Return what the file at `path` holds; None: it is not there, or no file to look into."""
    try:
        content = Disk().read(path, MAX_BYTES + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= MAX_BYTES else None
