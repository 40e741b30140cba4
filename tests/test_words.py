"""How the project speaks: the field's terms, one word for one thing, and no sentence that has to be read twice."""

import re
from pathlib import Path

import pytest

from tests.guides_text import GUIDES, ROOT

PACKAGE = ROOT / "webhook_admin"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(GUIDES.glob("*.md"))]
SOURCES = [*sorted(PACKAGE.rglob("*.py")), ROOT / "openapi" / "openapi.json"]
# Each with the words to use instead.
INSTEAD_OF = {
    r"under ?way": "in flight",
    r"in a circle": "deadlock",
    r"(has|have|had) no way to (say|express)": "cannot express",
    r"not long ago": "a number of minutes",
    r"a second (signature|time)": "the header's name; again",
    r"nothing (is|was|gets) lost": "the claim, with its limit",
    r"unrouted are": "counted as `unrouted` and not stored",
    r"the nouns": "the modules' names",
    r"left to those": "skips",
    r"(must|can|could|may) be told": "the mechanism's name",
    r"says? nothing new": "counts once",
    r"did not hold": "which of them failed, and how",
    r"(a|the) holder": "dispatcher",
    r"in the database": "store",
}
PHRASES = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in INSTEAD_OF), flags=re.IGNORECASE)
# A sentence begins with the thing; a question and a name of a column may begin otherwise.
BEGINNING = re.compile(r"(?:^|[.:] |^[-*] |^[0-9]+\. )(?:What|Who|Whoever|Whatever|Whichever) [^?\n]*$", re.MULTILINE)


def prose(file: Path) -> str:
    """The text of a document without its code, in one line for each paragraph."""
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<=[^\n])\n(?=[^\n|#-])", " ", re.sub(r"`[^`\n]*`", "`code`", text))


@pytest.mark.parametrize("file", [*DOCUMENTS, *SOURCES], ids=lambda file: str(file.relative_to(ROOT)))
def test_the_fields_terms_are_used(file: Path) -> None:
    """None of the phrases that stand for a term of the field, or for a number, is in a document or in the package."""
    text = re.sub(r"\s+(# )?", " ", file.read_text())
    found = PHRASES.search(text)
    assert not found, f"...{text[max(0, found.start() - 60) : found.end() + 60]}..."


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_sentences_begin_with_their_subject(file: Path) -> None:
    """And not with `what`, `who` or `whatever`."""
    assert BEGINNING.findall(prose(file)) == []


@pytest.mark.parametrize("file", SOURCES[:-1], ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_comment_is_about_whoever(file: Path) -> None:
    """A comment or docstring names who does something."""
    assert not re.search(r"(?:\"\"\"|# |\. |^ *)(?:Whoever|Whatever|Whichever) ", file.read_text(), flags=re.MULTILINE)
