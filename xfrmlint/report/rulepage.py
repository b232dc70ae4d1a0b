"""A rule's file as a page for people: on the terminal, and in rules/README.md."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from xfrmlint.report.columns import aligned
from xfrmlint.report.terminal import printable
from xfrmlint.rules import Rule

_WIDTH = 78
# How an example tells the tests which line is reported, as what.
_EXPECTED = re.compile(r"([ \t]*)/\* expect: ([A-Z_, ]+?) \*/")
_PLACEHOLDER = re.compile(r"\{(\w+)[^{}]*\}")


def page(rule: Rule) -> str:
    """Return what `xfrmlint explain TYPE` prints about a rule: first of all what to do."""
    fix = _filled(f"Fix: {rule.fix}.")
    blocks = [f"{rule.type} ({rule.level})", fix, *_conditions(rule), *_paragraphs(rule.why)]
    if rule.reference:
        blocks.append(_filled(f"Reference: {' '.join(rule.reference.split())}"))
    for title, examples in (("Reported:", rule.bad), ("Not reported:", rule.good)):
        if examples:
            blocks += [title, *(_indented(_marked(rule, example)) for example in examples)]
    blocks += ["The question asked of the facts (xfrmlint query):", _indented(rule.query)]
    lines = "\n\n".join(blocks).split("\n")
    return "".join(f"{printable(line, keep_tabs=True)}\n" for line in lines)


def table(rules: Sequence[Rule]) -> str:
    """Return what `xfrmlint rules` prints: one line a rule, its type, level and what it says."""
    rows = [(printable(r.type), _levels(r), printable(what(r))) for r in rules]
    return "".join(f"{line}\n" for line in aligned([("type", "level", "what"), *rows]))


def readme(rules: Sequence[Rule]) -> str:
    """Return rules/README.md: a table of all rules, then a section for each."""
    blocks = [
        "# Rules",
        "Generated from the TOML files in this folder. `[LEVEL]`: for a driver that has not opted "
        "in. Words in angle brackets are filled in where the rule finds something.",
        "\n".join(["| type | level | what |", "|---|---|---|", *map(_row, rules)]),
    ]
    for rule in rules:
        blocks += _section(rule)
    return "\n\n".join(blocks) + "\n"


def _levels(rule: Rule) -> str:
    if rule.level_not_opted_in == rule.level:
        return rule.level
    return f"{rule.level} [{rule.level_not_opted_in}]"


def what(rule: Rule) -> str:
    """Return what a rule reports; else its message with its gaps named, or its reason's start."""
    if rule.reports:
        return rule.reports
    text = _PLACEHOLDER.sub(r"<\1>", rule.message)
    if re.search(r"[a-z]+ [a-z]+", text):
        return text
    first = re.split(r"(?<=[.:;])\s", " ".join(rule.why.split()), maxsplit=1)[0]
    return first or text


# What a rule needs, in words.
_NEEDS = {
    "resolver": "xfrm_dev_state_lower_handle()",
    "callback": "the owner's resolver callback",
    "promise": "the flag by which a driver opts in",
    "private": "the owner's own member of xso (upper_priv)",
    "pinned": "xso.real_dev",
    "captured": "captured callbacks in xso",
    "sharing": "the sharing test",
}


def _conditions(rule: Rule) -> Iterator[str]:
    if rule.level_not_opted_in != rule.level:
        yield f"{rule.level_not_opted_in} for a driver that has not opted in."
    if rule.level_own_states:
        yield f"{rule.level_own_states} where only states that the device itself owns get there."
    if rule.needs:
        wanted = ", ".join(_NEEDS[need] for need in sorted(rule.needs))
        yield f"Silent in a tree without {wanted}."


def _paragraphs(text: str) -> list[str]:
    return [_filled(part) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _filled(text: str) -> str:
    if any(line.startswith((" ", "\t")) for line in text.split("\n")):
        # Somebody drew something.
        return text
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _indented(text: str) -> str:
    return textwrap.indent(_trimmed(text), "    ")


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def _row(rule: Rule) -> str:
    text = what(rule).replace("|", "\\|")
    return f"| [{rule.type}](#{rule.type.lower()}) | {_levels(rule)} | `{text}` |"


def _section(rule: Rule) -> Iterator[str]:
    yield f"## {rule.type}"
    yield " ".join([f"{_levels(rule)}.", *_conditions(rule)])
    yield f"Fix: {rule.fix}."
    if rule.why:
        yield rule.why
    if rule.reference:
        yield f"Reference: {' '.join(rule.reference.split())}"
    yield from _examples("Reported:", [_marked(rule, example) for example in rule.bad])
    yield from _examples("Not reported:", [_marked(rule, example) for example in rule.good])


def _marked(rule: Rule, example: str) -> str:
    """Return an example as a reader wants it: the lines that the rule reports say so."""

    def mark(found: re.Match[str]) -> str:
        return f"{found[1]}/* reported */" if rule.type in found[2].split(", ") else ""

    return _EXPECTED.sub(mark, example)


def _examples(title: str, examples: Iterable[str]) -> Iterator[str]:
    for number, example in enumerate(examples):
        if not number:
            yield title
        code = _trimmed(example)
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`*", code)))
        yield f"{fence}c\n{code}\n{fence}"
