"""Rules of the language itself, found while reading: syntax, conditions, the stylesheet, templates."""

from collections.abc import Iterable, Iterator

from ..diagnostics import Diagnostic, Severity
from ..run_config import RunConfig
from ..suggest import did_you_mean
from ..template import TemplateName, parse_template
from .registry import Check, Project, Rule

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_FILE = (
    Rule(
        "dot_not_digraph",
        _ERROR,
        "the file does not start with `digraph NAME {`",
        "A pipeline is one directed graph. Text or a markdown fence around it, as chat programs write it, is not part "
        "of the language, and an undirected `graph` has no routes.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_strict_modifier",
        _ERROR,
        "the graph is `strict`",
        "Graphviz would keep only one of several edges between two nodes: routes would be lost.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "dot_graph_name",
        _ERROR,
        "the graph has no name, or one that is not an id",
        "The name becomes part of folder and branch names.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_multiple_graphs",
        _ERROR,
        "a second graph stands in the file",
        "Most readers would pass over it in silence. Put it into a file of its own.",
        spec=True,
    ),
    Rule(
        "dot_trailing_content",
        _ERROR,
        "text stands behind the end of the graph",
        "Either a `}` stands too early, and part of the pipeline is not in it, or the text is a comment without `//`.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_limit",
        _ERROR,
        "the file goes beyond what a pipeline can sensibly hold",
        "Blocks nested deeper than 64, more than 256 defaults in a scope and more than 10,000 errors are refused, "
        "so that no file can take the compiler's time or memory.",
        spec=True,
    ),
)

_STATEMENTS = (
    Rule(
        "dot_unexpected_token",
        _ERROR,
        "something stands where the language has no place for it",
        "Part of what was written would not be in the pipeline.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_unclosed",
        _ERROR,
        "a `}` or `]` is missing",
        "Where a block or list ends decides what belongs to it. The place where it was opened is named too.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "dot_illegal_char",
        _ERROR,
        "a character that the language does not use",
        "Typographic quotes, byte order marks and the like come with text pasted from chats and documents.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_undirected_edge",
        _ERROR,
        "an edge is written `--`",
        "Routes have a direction.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_edge_group",
        _ERROR,
        "an edge leads to or from a group, `a -> {b c}`",
        "It stands for several edges. Written out, each can have its own condition and label.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_port",
        _ERROR,
        "an edge names a port, `a:n`",
        "Ports only matter to a drawing; a stage has none.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_quoted_node_id",
        _ERROR,
        "a node's id is quoted",
        "Ids become names of folders and branches, so they are plain words; what people read goes into `label`.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_invalid_node_id",
        _ERROR,
        "a node's id is not letters, digits and `_`",
        "A hyphen or a dot reads as something else in other engines, and ids become names of folders and branches.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "dot_reserved_id",
        _ERROR,
        "a reserved word is used as an id",
        "`graph`, `digraph`, `subgraph`, `node`, `edge` and `strict` are words of the language in any case of letters: "
        "`Node [..]` would set defaults for every node in Graphviz.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "duplicate_node",
        _WARNING,
        "a node has attributes in two statements",
        "They are merged, and of what both set the later one holds: often a copied line whose id was not changed.",
    ),
)

_ATTRIBUTES = (
    Rule(
        "dot_missing_comma",
        _ERROR,
        "a comma is missing between two attributes",
        "Graphviz accepts it, other engines of this language do not.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_semicolon_in_attrs",
        _ERROR,
        "attributes are separated by `;`",
        "Graphviz accepts it, other engines of this language do not.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_trailing_comma",
        _INFO,
        "a comma stands before `]`",
        "It is accepted here, but not by every engine.",
        fix="safe",
    ),
    Rule(
        "dot_multiple_attr_blocks",
        _ERROR,
        "a statement has two attribute lists",
        "Graphviz accepts it, other engines of this language read only the first, or fail.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_empty_value",
        _ERROR,
        "an attribute has no value",
        'What was meant is unknown: an empty text is written `""`.',
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "dot_bad_number",
        _ERROR,
        "a value begins like a number and is none",
        "`1.` or `1.2.3` would be read in part, or as text, depending on the engine.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "dot_html_label",
        _ERROR,
        "a value is an HTML label, `<..>`",
        "Labels are text: people choose by them at gates, and routes are matched with them.",
        spec=True,
    ),
    Rule(
        "duplicate_attribute",
        _ERROR,
        "an attribute is set twice",
        "The last one would hold, in silence, and the first one is still there to be read and believed.",
    ),
    Rule(
        "graphviz_portability",
        _INFO,
        "a bare value that Graphviz cannot read",
        "`timeout=900s` and `llm_model=gpt-5.2` are read here, but Graphviz shows an error instead of a drawing.",
        fix="safe",
    ),
)

_TEXT = (
    Rule(
        "dot_unterminated_string",
        _ERROR,
        "a quoted string is never closed",
        "All that follows would become part of it. The place named is the opening quote.",
        spec=True,
    ),
    Rule(
        "dot_unterminated_comment",
        _ERROR,
        "a comment is never closed",
        "The rest of the file would be a comment.",
        spec=True,
    ),
    Rule(
        "dot_unknown_escape",
        _WARNING,
        "a backslash stands before a character that it does not change",
        "Both characters stay in the text. Other engines drop the backslash or refuse the file, "
        "so patterns and Windows paths are best written with `\\\\`.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_string_concat",
        _ERROR,
        "strings are joined with `+`",
        "Only Graphviz does that. A string may span lines.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "dot_hash_comment",
        _WARNING,
        "a comment begins with `#`",
        "Only at the start of a line is it read as a comment; elsewhere it is an error. `//` works everywhere.",
        spec=True,
        fix="safe",
    ),
)

_CONDITIONS = (
    Rule(
        "condition_syntax",
        _ERROR,
        "a condition cannot be read",
        "A condition that is misread sends the pipeline the wrong way without a word.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "cond_double_equals",
        _ERROR,
        "a condition compares with `==`",
        "Other engines compare with the text `=success`, which never matches.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "cond_word_operator",
        _ERROR,
        "clauses are joined with `and`",
        "Other engines take it for part of the value, which then never matches.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "cond_single_amp",
        _ERROR,
        "clauses are joined with a single `&`",
        "Other engines take it for part of the value, which then never matches.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "cond_or_unsupported",
        _ERROR,
        "a condition says `||` or `or`",
        "A condition is a list of clauses that all must hold. Two edges to the same node say `or`.",
        spec=True,
    ),
    Rule(
        "cond_empty_clause",
        _ERROR,
        "a clause is missing beside `&&`",
        "Perhaps one was deleted and the edge is now taken more often than it should be.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "cond_unqualified_key",
        _INFO,
        "a context key is written without `context.`",
        "It works, but reads like a built-in key and hides a misspelt one.",
        fix="safe",
    ),
    Rule(
        "cond_case",
        _ERROR,
        "a key or an outcome word has capital letters",
        "Comparison is exact: `outcome=Success` never matches.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "outcome_dialect",
        _WARNING,
        "a condition uses another engine's word for an outcome",
        "`ok`, `failed` and the like are read as the canonical word here, not everywhere.",
        fix="safe",
    ),
)

_STYLESHEET = (
    Rule(
        "stylesheet_syntax",
        _ERROR,
        "the model stylesheet cannot be read",
        "Stages would run with another model than was meant.",
        spec=True,
    ),
    Rule(
        "style_missing_semicolon",
        _ERROR,
        "a semicolon is missing between two declarations",
        "Other engines read the second declaration as part of the first one's value.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_missing_colon",
        _ERROR,
        "a declaration has no colon",
        "Declarations are `property: value;`.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_unknown_property",
        _ERROR,
        "a declaration sets a property that there is not",
        "It would do nothing, and the stages would run with a default.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_bad_class_name",
        _ERROR,
        "a class has capital letters, `_` or other characters that no class can have",
        "The classes of subgraph labels are small letters, digits and `-`, and so are selectors: nothing can match.",
        spec=True,
    ),
    Rule(
        "style_unknown_shape",
        _ERROR,
        "a selector is neither a shape nor a class nor an id",
        "It selects nothing. Perhaps its `.` or `#` is missing.",
        spec=True,
    ),
    Rule(
        "style_comma_selector",
        _ERROR,
        "a rule has several selectors, `.a, .b {..}`",
        "The language of stylesheets has one selector to a rule.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_unclosed_brace",
        _ERROR,
        "a `}` is missing in the stylesheet",
        "The rules that follow would be read as declarations.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_empty_rule",
        _ERROR,
        "a rule of the stylesheet sets nothing",
        "A rule has at least one declaration.",
        spec=True,
        fix="safe",
    ),
    Rule(
        "style_comment",
        _ERROR,
        "a comment stands in the stylesheet",
        "The language of stylesheets has none; other engines fail on it.",
        spec=True,
        fix="safe",
    ),
)

_TEMPLATES = (
    Rule(
        "prompt_template_syntax",
        _ERROR,
        "a Jinja2 prompt cannot be read",
        "The stage would fail at run time, after everything before it was paid for.",
    ),
    Rule(
        "prompt_template_unknown",
        _ERROR,
        "a Jinja2 prompt reads a name that nothing sets",
        "Templates are strict: rendering it would fail at run time. Known are `goal`, `inputs`, `run`, `node`, "
        "`context` and `previous`.",
    ),
)


def check_templates(project: Project) -> Iterator[Diagnostic]:
    """prompt_template_syntax, prompt_template_unknown: the one check here, as prompt files are read after the graph."""
    seen = set()
    for prompt in project.graph.prompts.values():
        place = prompt.written.span()
        if prompt.engine == "jinja" and "{" in prompt.written.text and place not in seen:
            seen.add(place)
            names, found = parse_template(prompt.written)
            yield from found
            if project.config is not None:
                yield from _unknown_inputs(names, project.config)


def _unknown_inputs(names: Iterable[TemplateName], config: RunConfig) -> Iterator[Diagnostic]:
    for name in names:
        if (
            name.name == "inputs"
            and name.attribute
            and not (name.attribute in config.inputs or hasattr({}, name.attribute))
        ):
            hint = did_you_mean(name.attribute, config.inputs) or "give it to `inputs` in run.yaml"
            message = f"the template reads `inputs.{name.attribute}`, which run.yaml does not have; {hint}"
            yield Diagnostic("prompt_template_unknown", name.span, message, subject=f"inputs.{name.attribute}")


RULES: tuple[Rule, ...] = (*_FILE, *_STATEMENTS, *_ATTRIBUTES, *_TEXT, *_CONDITIONS, *_STYLESHEET, *_TEMPLATES)
CHECKS: tuple[Check, ...] = (check_templates,)
