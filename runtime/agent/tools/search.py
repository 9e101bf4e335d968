"""Walking through folders and looking for lines.

An ordinary module, and a program: `grep` runs it as a child, because there are patterns for which Python's `re` needs
longer than anybody waits, and only a process can be stopped then. So it imports nothing of this package.

ripgrep, when it is there, only chooses the files that are worth a look. Which files are looked at, in which order, and
which lines match is decided here in either case.
"""

import fnmatch
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence

# Folders that hold no sources of the project: entered only when the search begins there, or a glob names them.
NOT_ENTERED = frozenset(
    (
        ".git",
        ".hg",
        ".svn",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
    )
)
LINE_CHARS = 500  # of a line that is shown
BEFORE_CHARS = 100  # of them before the match, when the line is longer
PROBED_BYTES = 8192
MOST_ALTERNATIVES = 64  # that braces may stand for
FOUND, BAD_PATTERN, MORE = 0, 2, 3  # exit codes

# What Python and ripgrep read alike, where all is ASCII; a pattern of anything else is left to Python alone.
_CLASS = r"""\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[\w .,:;/=!@#%*+?(){}|<>"'])+\]"""
_TOKEN = re.compile(
    rf"(?P<atom>[\w \"'#%&,/:;<=>@!`~-]|\\[^\w\s]|\\[dDwWsS]|\.|{_CLASS}|\))"
    r"|(?P<times>[*+?]|\{[0-9]{1,3}(?:,(?:[0-9]{1,3})?)?\})"
    r"|(?P<other>\((?:\?:)?|\||\^|\$|\\[bB])",
    re.ASCII,
)
# Files that hold anything else are looked at in any case: there the two differ in what a character or a blank is.
_NOT_ALIKE = r"(?-u:[\x0b-\x1f\x80-\xff])"


def walk(folder: str, named: Collection[str] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the regular files below `folder`, relative to it, sorted; links are not followed.

    Args:
        named: folders that are entered though they are among `NOT_ENTERED`.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        below: list[str] = []
        for name, status in _entries(os.path.join(folder, prefix)):
            if stat.S_ISREG(status.st_mode):
                yield prefix + name, status
            elif stat.S_ISDIR(status.st_mode) and (name in named or name not in NOT_ENTERED):
                below.append(f"{prefix}{name}/")
        pending += reversed(below)


def _entries(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:  # gone, or not ours to read
        return
    for entry in found:
        try:
            yield entry.name, entry.stat(follow_symlinks=False)
        except OSError:
            continue


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Return whether a relative path fits `pattern`: `*`, `?`, `[…]`, `{a,b}`, and `**` for any number of folders."""
    alternatives = [
        [None if part == "**" else re.compile(fnmatch.translate(part)) for part in alternative.split("/")]
        for alternative in _without_braces(pattern)
    ]
    return lambda path: any(_fits(parts, path.split("/")) for parts in alternatives)


def _fits(pattern: Sequence["re.Pattern[str] | None"], names: Sequence[str]) -> bool:
    """Walk all ways through the pattern at once: the time is bounded by its length times the path's."""
    at = {0}
    for name in [*names, None]:
        for index in sorted(at):
            while index < len(pattern) and pattern[index] is None:
                index += 1
                at.add(index)
        if name is None:
            return len(pattern) in at
        at = {
            index + (pattern[index] is not None)
            for index in at
            if index < len(pattern) and ((part := pattern[index]) is None or part.match(name))
        }
    return False


def _without_braces(pattern: str) -> list[str]:
    """Return the patterns that braces stand for; braces that do not close are plain characters."""
    waiting = [pattern]
    done: list[str] = []
    while waiting:
        text = waiting.pop()
        braces = re.search(r"\{([^{}]*,[^{}]*)\}", text)
        if braces is None or len(waiting) + len(done) >= MOST_ALTERNATIVES:
            done.append(text)
        else:
            waiting += [text[: braces.start()] + word + text[braces.end() :] for word in braces[1].split(",")]
    return done


def alike(pattern: str) -> bool:
    """Whether Python and ripgrep mean the same by `pattern`, on ASCII."""
    at, before = 0, ""
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or (token.lastgroup == "times" and before != "atom"):
            return False
        at, before = token.end(), str(token.lastgroup)
    return True


def candidates(folder: str, pattern: str, ignore_case: bool) -> frozenset[str] | None:
    """Return the files below `folder` that may hold a match, and more; None without ripgrep's help."""
    if not alike(pattern):
        return None
    command = ["rg", "--no-config", "--files-with-matches", "--null", "--text", "--no-ignore", "--hidden"]
    command += ["--no-messages", "--encoding", "none", *(f"--glob=!{name}/" for name in sorted(NOT_ENTERED))]
    command += ["--regexp", f"(?i:{pattern})" if ignore_case else pattern, "--regexp", _NOT_ALIKE, "--", "./"]
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return None
    if found.returncode not in (0, 1):
        return None
    return frozenset(os.fsdecode(path.removeprefix(b"./")) for path in found.stdout.split(b"\0"))


def matching_lines(path: str, regex: "re.Pattern[str]") -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that match, with their numbers; nothing of a binary or unreadable one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    with open(descriptor, "rb") as file:
        if b"\0" in file.read(PROBED_BYTES):
            return
        file.seek(0)
        for number, raw in enumerate(file, 1):
            line = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
            match = regex.search(line.removeprefix("\ufeff") if number == 1 else line)
            if match:
                yield number, _shown(line, match.start())


def _shown(line: str, at: int) -> str:
    if len(line) <= LINE_CHARS:
        return line
    start = max(0, min(at - BEFORE_CHARS, len(line) - LINE_CHARS))
    end = start + LINE_CHARS
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"


def _files(root: str, ignore_case: bool, pattern: str, glob_filter: str) -> Iterator[tuple[str, str]]:
    """Yield the files to look at: path, and how it continues the root."""
    if not os.path.isdir(root):
        yield root, ""
        return
    # A filter without a slash is for the file's name, wherever it is.
    fits = glob_matcher(glob_filter if "/" in glob_filter else f"**/{glob_filter or '*'}")
    chosen = candidates(root, pattern, ignore_case)
    for name, _ in walk(root):
        if fits(name) and (chosen is None or name in chosen):
            yield os.path.join(root, name), name


def main() -> int:
    """Read the request from stdin, write `path:line:text` for each match, at most as many as are wanted."""
    request = json.load(sys.stdin)
    pattern, ignore_case = request["pattern"], request["ignore_case"]
    try:
        regex = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, RecursionError, OverflowError) as error:
        sys.stderr.write(str(error))
        return BAD_PATTERN
    left = request["most"]
    for path, name in _files(request["root"], ignore_case, pattern, request["glob_filter"]):
        shown = os.fsencode(request["prefix"] + name)
        for number, line in matching_lines(path, regex):
            if not left:
                return MORE
            left -= 1
            sys.stdout.buffer.write(b"%s:%d:%s\n" % (shown, number, line.encode("utf-8", "replace")))
            sys.stdout.buffer.flush()
    return FOUND


if __name__ == "__main__":
    sys.exit(main())
