"""Completion scripts, written from the shapes of the commands."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from .command_shapes import Option, Shape, Value

# bash: also the 3.2 of macOS, so no compopt without a way around, and no mapfile.
_BASH = r"""# completion of attractor, for bash 3.2 and newer
_attractor_words() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$current")
}
_attractor_files() {
  compopt -o filenames 2>/dev/null
  local path end
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -d -- "$current")
  [ "$1" = / ] && return
  while IFS= read -r path; do
    [ -d "$path" ] && continue
    [ -z "$1" ] && COMPREPLY+=("$path")
    for end in $1; do case $path in *."$end") COMPREPLY+=("$path") ;; esac; done
  done < <(compgen -f -- "$current")
}
_attractor() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} program=${COMP_WORDS[0]}
  local at=$COMP_CWORD place=0 first= taking= word i
  COMPREPLY=()
  if [ "$current" = = ]; then current=; elif [ "$previous" = = ]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
  if [ "$at" -eq 1 ]; then _attractor_words '@COMMANDS@'; return; fi
  case ${COMP_WORDS[1]} in
@TAKING@
  esac
  for ((i = 2; i < at; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      =) i=$((i + 1)) ;;
      -*) case " $taking " in *" $word "*) [ "${COMP_WORDS[i+1]}" = = ] || i=$((i + 1)) ;; esac ;;
      *) [ -n "$first" ] || first=$word; place=$((place + 1)) ;;
    esac
  done
  case ${COMP_WORDS[1]} in
@CASES@
  esac
}
complete -F _attractor attractor
"""


def bash(shapes: Sequence[Shape]) -> str:
    taking = (f"    {shape.name}) taking='{' '.join(_taking(shape))}' ;;" for shape in shapes)
    cases = (line for shape in shapes for line in _bash_case(shape))
    return (
        _BASH.replace("@COMMANDS@", " ".join(shape.name for shape in shapes))
        .replace("@TAKING@", "\n".join(taking))
        .replace("@CASES@", "\n".join(cases))
    )


def _taking(shape: Shape) -> Iterator[str]:
    """Yield the options that the next word belongs to."""
    for option in shape.options:
        if option.value is not None and not option.optional:
            yield from option.names


def _bash_case(shape: Shape) -> Iterator[str]:
    yield f"    {shape.name})"
    yield "      case $previous in"
    for option in shape.options:
        if option.value is not None:
            yield f"        {'|'.join(option.names)}) {_bash_value(option.value)}; return ;;"
    yield "      esac"
    names = " ".join(name for option in shape.options for name in option.names)
    yield f"      case $current in -*) _attractor_words '{names}'; return ;; esac"
    if shape.places:
        yield "      case $place in"
        for at, place in enumerate(shape.places):
            yield f"        {at if at + 1 < len(shape.places) else '*'}) {_bash_value(place)} ;;"
        yield "      esac"
    yield "      ;;"


def _bash_value(value: Value) -> str:
    if value.folder:
        return "_attractor_files /"
    if value.ends is not None:
        return f"_attractor_files '{' '.join(value.ends)}'"
    if value.asked == "nodes":
        return '_attractor_words "$("$program" completion --nodes "$first" 2>/dev/null)"'
    if value.asked == "runs":
        return '_attractor_words "latest $("$program" completion --runs 2>/dev/null)"; _attractor_files /'
    return f"_attractor_words '{' '.join(value.words)}'"


# zsh


def zsh(shapes: Sequence[Shape]) -> str:
    lines = ["#compdef attractor", "_attractor_nodes() {", "  local -a nodes"]
    lines += ['  nodes=(${(f)"$(_call_program nodes attractor completion --nodes ${(Q)line[1]} 2>/dev/null)"})']
    lines += ["  compadd -a nodes", "}", "_attractor_runs() {"]
    lines += ['  compadd latest ${(f)"$(_call_program runs attractor completion --runs 2>/dev/null)"}; _files -/', "}"]
    lines += ["_attractor() {", "  local -a commands line", "  commands=("]
    lines += [f"    {_quoted(f'{shape.name}:{_plain(shape.help)}')}" for shape in shapes]
    lines += ["  )", "  if (( CURRENT == 2 )); then _describe command commands; return; fi"]
    lines += ["  local command=$words[2]", "  shift words; (( CURRENT-- ))", "  case $command in"]
    for shape in shapes:
        specs = [*_zsh_options(shape), *_zsh_places(shape)]
        lines.append(f"    {shape.name}) _arguments -s {' '.join(map(_quoted, specs))} ;;")
    lines += ["  esac", "}", "compdef _attractor attractor"]
    return "\n".join(lines) + "\n"


def _zsh_options(shape: Shape) -> Iterator[str]:
    for option in shape.options:
        help_ = _plain(option.help).replace("[", "(").replace("]", ")").replace(":", "\\:")
        for name in option.names:
            if option.value is None:
                yield f"{name}[{help_}]"
            else:
                sign = "=" * name.startswith("--") + "-" * option.optional
                colons = "::" if option.optional else ":"
                yield f"{name}{sign}[{help_}]{colons}value:{_zsh_value(option.value)}"


def _zsh_places(shape: Shape) -> Iterator[str]:
    for at, place in enumerate(shape.places):
        yield f"{'*' if at + 1 == len(shape.places) else at + 1}:argument:{_zsh_value(place)}"


def _zsh_value(value: Value) -> str:
    if value.folder:
        return "_files -/"
    if value.ends is not None:
        return f'_files -g "*.({"|".join(value.ends)})"' if value.ends else "_files"
    if value.asked:
        return f"_attractor_{value.asked}"
    return f"({' '.join(value.words)})" if value.words else " "


# fish


def fish(shapes: Sequence[Shape]) -> str:
    lines = [
        "# completion of attractor, for fish",
        "function __attractor_node_place",
        "  set -l words (commandline -opc | string match -v -- '-*')",
        "  test (count $words) -eq 3",
        "end",
        "function __attractor_nodes",
        "  set -l words (commandline -opc | string match -v -- '-*')",
        "  attractor completion --nodes $words[3] 2>/dev/null",
        "end",
        "complete -c attractor -f",
    ]
    for shape in shapes:
        named = f"-n {_quoted(f'__fish_seen_subcommand_from {shape.name}')}"
        begin = "complete -c attractor"
        lines.append(f"{begin} -n __fish_use_subcommand -a {shape.name} -d {_fish(shape.help)}")
        lines += [f"{begin} {named} {_fish_option(option)}" for option in shape.options]
        for place in dict.fromkeys(shape.places):
            node = f"-n {_quoted(f'__fish_seen_subcommand_from {shape.name}; and __attractor_node_place')}"
            lines.append(f"{begin} {node if place.asked == 'nodes' else named} {_fish_value(place)}")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    names = (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    value = "" if option.value is None else f" -x {_fish_value(option.value)}".replace(" -f", "")
    return f"{' '.join(names)} -d {_fish(option.help)}{value}"


def _fish_value(value: Value) -> str:
    if value.folder:
        return "-a '(__fish_complete_directories)'"
    if value.ends is not None:
        ends = " ".join(f".{end}" for end in value.ends)
        return f"-k -a '(__fish_complete_suffix {ends})'" if value.ends else "-F"
    if value.asked == "nodes":
        return "-a '(__attractor_nodes)'"
    if value.asked == "runs":
        return "-a 'latest (attractor completion --runs 2>/dev/null) (__fish_complete_directories)'"
    return f"-a {_fish(' '.join(value.words))}"


def _fish(text: str) -> str:
    return "'" + _plain(text).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(text: str) -> str:
    """Return `text` as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _plain(text: str) -> str:
    return " ".join(text.replace("%%", "%").split())


SCRIPTS: Mapping[str, Callable[[Sequence[Shape]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
