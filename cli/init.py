"""Begin a pipeline: a small one that works, to change into your own.

Writes a graph, a run.yaml that answers from a file (no key, no network; a real
model is one edit, shown in a comment), and the schemas that let editors
complete and check it. Refuses to overwrite.

examples:
  attractor init             in the current folder
  attractor init greeting    in a folder of its own

exit codes: 0 written, 2 something is in the way; then nothing was written
"""

import argparse
import os
from collections.abc import Iterator
from typing import TextIO

from .disk import Disk
from .editor_schemas import Step, write_schemas, write_step
from .main import ExitCode

_TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "template")
_FILES = {
    "pipeline.dot": "stages, and what follows what",
    "run.yaml": "which models answer, and limits",
    "scenario.yaml": "what the scripted model answers",
}
_CONFIG = ".pre-commit-config.yaml"
_IGNORE = ".gitignore"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default="", metavar="DIR", help="default: the current folder")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    folder = "" if not arguments.folder or os.path.normpath(arguments.folder) == "." else arguments.folder
    problem = _obstacle(folder)
    if problem:
        stderr.write(f"attractor init: {problem}\n")
        return ExitCode.USAGE
    for step in _write(folder):
        if step.verb == "failed":
            stderr.write(f"attractor init: {step.remark}\n")
            return ExitCode.USAGE
        if step.verb != "unchanged":
            stdout.write(f"{step.verb:<7}  {step.path:<33}  {step.remark}".rstrip() + "\n")
    stdout.write(_advice(folder) + _next(folder))
    return ExitCode.OK


def _obstacle(folder: str) -> str:
    """Return why nothing may be written into `folder`, after making it; "" when nothing is in the way."""
    there = [name for name in _FILES if os.path.lexists(os.path.join(folder, name))]
    if there:
        paths = ", ".join(os.path.join(folder, name) for name in there)
        return f"in the way: {paths}; nothing was written: name another folder"
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except FileExistsError:
        return f"{folder!r} is a file; name a folder"
    except (OSError, ValueError) as error:
        return f"cannot make the folder {folder!r}: {(getattr(error, 'strerror', None) or str(error)).lower()}"
    return ""


def _write(folder: str) -> Iterator[Step]:
    for name, remark in _FILES.items():
        yield write_step(os.path.join(folder, name), _template(name), remark)
    schemas = list(write_schemas(folder))
    yield from (step for step in schemas if step.verb == "failed")
    yield Step("wrote", os.path.join(folder, ".attractor/schemas/"), "for editors: completion, errors")
    yield _ignore(os.path.join(folder, _IGNORE))
    if not _config_stands_elsewhere(folder):
        yield write_step(
            os.path.join(folder, _CONFIG), _template("pre-commit-config.yaml"), "the check before each commit"
        )


def _ignore(path: str) -> Step:
    """Add the lines that are missing in .gitignore."""
    try:
        before = Disk().read(path, 1 << 24)
    except FileNotFoundError:
        before = b""
    except OSError as error:
        return Step("failed", path, f"cannot read {path!r}: {(error.strerror or str(error)).lower()}")
    there = before.splitlines()
    missing = [line for line in _template("gitignore").splitlines() if line not in there]
    glue = b"\n" if before and not before.endswith(b"\n") else b""
    return write_step(path, before + glue + b"".join(line + b"\n" for line in missing), "plans, status files")


def _template(name: str) -> bytes:
    with open(os.path.join(_TEMPLATE, name), "rb") as file:
        return file.read()


def _config_stands_elsewhere(folder: str) -> bool:
    """Whether pre-commit would not look at a configuration written to `folder`, or there is one already."""
    root = Disk().repository(folder)
    within = root is not None and os.path.realpath(root) != os.path.realpath(folder or ".")
    return within or os.path.exists(os.path.join(folder, _CONFIG))


def _advice(folder: str) -> str:
    """Return how to add the check to the pre-commit configuration that there is; "" when it is in it."""
    config = os.path.join(Disk().repository(folder) or folder, _CONFIG)
    try:
        text = Disk().read(config, 1 << 24)
    except OSError:
        text = b""
    if b"attractor-compile" in text:
        return ""
    entry = _template("pre-commit-config.yaml").decode()
    if text:
        entry = entry.removeprefix("repos:\n")
    return f"\nto check before each commit, add to {config}:\n\n{entry}"


def _next(folder: str) -> str:
    into = f"  cd {folder}\n" if folder else ""
    return f"\nnext:\n{into}  attractor compile\n  attractor run\n"
