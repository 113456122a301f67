"""The documents as tests read them: their blocks, each with the comment that stands before it.

<!-- run: make -->     commands that are targets of the Makefile
<!-- run: node -->     commands that run one after another in a node, with the output shown
<!-- run: service -->  a command that goes on running in that node
<!-- file: PATH -->    a file of that node
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PROMPT = "# "

_BLOCK = re.compile(
    r"(?:^<!-- (?P<word>[a-z]+): (?P<value>\S+) -->\n)?"
    r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block; `word` and `value` are those of the comment, empty without one."""

    word: str
    value: str
    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command of a console block with the output shown below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            if line.startswith(PROMPT):
                found.append((line.removeprefix(PROMPT), ""))
            else:
                command, output = found.pop()
                found.append((command, f"{output}{line}\n"))
        return found


def blocks(path: Path = README) -> list[Block]:
    """The blocks of a document, in its order."""
    text = path.read_text()
    return [
        Block(
            match["word"] or "",
            match["value"] or "",
            match["language"],
            match["text"],
            text.count("\n", 0, match.start("text")),
        )
        for match in _BLOCK.finditer(text)
    ]


def links(path: Path = README) -> list[str]:
    """What a document points to in this tree, without anchors."""
    found = re.findall(r"\]\(([^)]+)\)", path.read_text())
    return [link.partition("#")[0] for link in found if "://" not in link]


def matches(shown: str, real: str) -> bool:
    """Whether output is as shown: `...` stands for anything, and blanks need not be as many."""
    words = "\n".join(" ".join(line.split()) for line in shown.strip().splitlines())
    pattern = re.escape(words).replace(r"\.\.\.", ".*?")
    text = "\n".join(" ".join(line.split()) for line in real.strip().splitlines())
    return re.fullmatch(pattern, text, re.DOTALL) is not None
