"""Text that came from elsewhere, without the characters that a terminal or a browser obeys."""


def printable(text: str) -> str:
    """The text in one line. White space becomes spaces, and control characters of any kind the replacement character.

    Those are C0, C1, and Unicode's format characters, such as the ones that turn the direction of writing round.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
