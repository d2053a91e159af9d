"""A single-pass, left-to-right parser for the text of a selection; the caller builds the result (:class:`Build`).

For the grammar and its precedence, see :mod:`med_mat.selection`. An ambiguous text is an error, and the message gives
the form of each reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, NoReturn, Protocol, TypeVar

from med_mat.errors import VocabularyError
from med_mat.vocabulary import STANDARD

T = TypeVar("T")

#: Maximum nesting of parentheses, "and" and "or": the text may come from an untrusted file.
MAX_DEPTH = 32

_KEYWORD = r"\s(?:and|or|AND|OR)(?=[\s(!~\"]|$)"
_BLANK = re.compile(r"\s*")
_HEAD = re.compile(rf'(?:(?!{_KEYWORD})(?:/\s*!(?!=)|[^,&|()\[\]"!=<>]))*')  # a pattern, a word, or the name of a field
_SIGN = re.compile(r"[<>=!]+")
_VALUE = re.compile(rf'(?:(?!{_KEYWORD})[^,&|()!=<>"\\])*')
_ITEM = re.compile(r'[^,&|()\[\]!=<>"\\]*')  # a value in a list
_STRING = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_IN = re.compile(r"(\w+)\s+(not\s+)?in", re.IGNORECASE)
_WORD = re.compile(r"[^\W_][\w .'+:;-]{0,79}")
_PAIRS = {"(": ")", "[": "]"}
_SIGNS = ("=", "!=", ">=", "<=", ">", "<")
_EXPECTED = "expected a pattern such as CT|MRI/Brain/*, or a condition such as source=busi"


class Build(Protocol[T]):
    """Builds a result from the parts of a text."""

    def any(self, parts: Sequence[T]) -> T:
        """The union of the parts."""

    def all(self, parts: Sequence[T]) -> T:
        """The intersection of the parts."""

    def negated(self, part: T) -> T:
        """The complement of the part."""

    def pattern(self, text: str) -> T:
        """A pattern MODALITY/AREA/TASK."""

    def words(self, words: Sequence[str]) -> T:
        """Single words, any of which may match."""

    def condition(self, name: str, sign: str, values: Sequence[str]) -> T:
        """A field compared with values; the sign is one of ``= != >= <= > <``."""


def parse(text: str, build: Build[T]) -> T:
    """What a text says.

    Raises:
        VocabularyError: The text is not a selection; the message says where parsing stopped, or which word is unknown.
    """
    return _Parser(text, build).whole()


def quoted(value: str) -> str:
    """A value as written in the text of a selection: in double quotes if it could be read as something else."""
    if (
        value
        and value == value.strip()
        and not re.search(r'[,&|()!=<>"\\]', value)
        and value[0] not in "'["
        and not re.search(_KEYWORD, f" {value} ")
        and not _is_pattern(value)
    ):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_pattern(text: str) -> bool:
    """Whether a text is a pattern and nothing else, such as CT/*/*."""
    parts = [part.strip() for part in text.split("/")]
    return len(parts) == 3 and all(part == "*" or part.startswith("!") or STANDARD.find(part) for part in parts)


class _Parser(Generic[T]):
    def __init__(self, text: str, build: Build[T]) -> None:
        self.text = text
        self.build = build
        self.at = 0
        self.depth = 0
        self.condition = ""  # the condition just read, and where its last value would continue if it contained a comma
        self.words: list[str] = []  # the single words just read

    def whole(self) -> T:
        found = self.union()
        if self.at < len(self.text):
            raise self.fault("expected , or & or the end")
        return found

    def union(self) -> T:
        parts, signs, words = [self.all()], [], [self.words]
        while sign := self.union_sign():
            before = self.condition
            parts.append(self.all(before, sign))
            signs.append(sign)
            words.append(self.words)
        for sign, left, right in zip(signs, words, words[1:], strict=False):
            self.refuse_comma(sign, left, right)
        if signs:
            self.words = []
        return self.build.any(parts)

    def all(self, before: str = "", sign: str = "") -> T:
        """Terms joined by and.

        Args:
            before: The preceding condition, to which a single word may belong.
            sign: The sign between the two.
        """
        parts, words = [self.one(before, sign)], [self.words]
        while sign := self.accept("&&") or self.accept("&") or self.keyword("and"):
            before = self.condition if sign == "and" and re.match(r"label\s*[=!]", self.condition) else ""
            parts.append(self.one(before, sign))
            words.append(self.words)
        if len(parts) > 1:
            self.refuse_both(words)
            self.words = []
        return self.build.all(parts)

    def one(self, before: str, sign: str) -> T:
        start, negated = self.at, False
        while self.accept("!") or self.accept("~") or self.keyword("not"):
            negated = not negated
        begin = self.at
        self.condition, self.words = "", []
        if self.accept("("):
            found = self.nested()
            self.condition, self.words = "", []
        else:
            found = self.leaf()
        if self.words and self.text[start:begin].strip():
            if len(self.words) > 1:
                shown = " | ".join(self.words)
                raise self.fault(f"'not' before alternatives: write !({shown}), or (!{self.words[0]}) | …")
            self.words = []
        elif self.words and before:
            self.refuse_after(before, sign)
        return self.build.negated(found) if negated else found

    def nested(self) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fault(f"parentheses nest deeper than {MAX_DEPTH}")
        found = self.union()
        if not self.accept(")"):
            raise self.fault("expected )")
        self.depth -= 1
        return found

    def leaf(self) -> T:
        self.take(_BLANK)
        start = self.at
        head = self.take(_HEAD).strip()
        inside = _IN.fullmatch(head)
        if inside and self.peek() in _PAIRS:
            found = self.build.condition(inside[1], "=", self.list())
            return self.build.negated(found) if inside[2] else found
        sign = self.take(_SIGN)
        if not head:
            raise self.fault(_EXPECTED)
        if sign:
            return self.compared(head, sign, start)
        pieces = self.alternatives(head)
        if any("/" in piece for piece in pieces) or pieces[0] in ("*", "**"):
            return self.build.pattern("|".join(pieces))
        self.words = pieces
        for word in pieces:
            if not _WORD.fullmatch(word):
                raise self.fault(f"{word!r} is not a pattern: {_EXPECTED}")
        return self.build.words(pieces)

    def alternatives(self, head: str) -> list[str]:
        """The words and pieces of one pattern joined by |, without a whole pattern or condition that follows."""
        pieces, slashes = [head], head.count("/")
        while True:
            here = self.at
            if self.text.startswith("||", self.skip()) or not self.accept("|"):
                self.at = here
                return pieces
            piece = self.take(_HEAD).strip()
            after = self.peek()
            whole = slashes == 2 and (piece.count("/") > 1 or ("/" not in piece and pieces[-1].endswith("*")))
            if whole or (not piece and after) or (after and after in '=<>!(["'):
                self.at = here
                return pieces
            pieces.append(piece)
            slashes += piece.count("/")

    def compared(self, name: str, sign: str, start: int) -> T:
        """A condition, after its sign."""
        if re.fullmatch("[0-9]+", name):
            raise self.fault(
                f"the name of the field comes first, and each bound stands alone: width>={name} & width<=…"
            )
        sign = "=" if sign == "==" else sign
        if sign not in _SIGNS:
            raise self.fault(f"{sign!r} is not one of {' '.join(_SIGNS)}")
        if self.peek() in _PAIRS:
            return self.build.condition(name, sign, self.list())
        values, plain = [], False
        while True:
            value, plain = self.value()
            values.append(value)
            here = self.at
            if not self.another(here):
                break
        self.condition = self.text[start : self.at].strip() if plain and sign in ("=", "!=") else ""
        return self.build.condition(name, sign, values)

    def another(self, here: int) -> bool:
        """Whether | and a further value of the condition follow; consumes the |."""
        if self.text.startswith("||", self.skip()) or not self.accept("|"):
            return False
        start = self.at
        if _STRING.match(self.text, start):
            return True
        piece = self.take(_VALUE)
        after = self.peek()
        self.at = start
        if (not piece.strip() and after) or (after and after in "=<>!") or _is_pattern(piece):
            self.at = here
            return False
        return not (_IN.fullmatch(piece.strip()) and after in _PAIRS) or self.back(here)

    def back(self, here: int) -> bool:
        self.at = here
        return False

    def value(self) -> tuple[str, bool]:
        """A value, and whether it is unquoted."""
        string = _STRING.match(self.text, self.at)
        if string is not None:
            self.at = string.end()
            return re.sub(r"\\(.)", r"\1", string[1][1:-1], flags=re.DOTALL), False
        self.take(_BLANK)
        found = self.take(_VALUE).strip()
        if not found:
            raise self.fault("expected a value")
        return found, True

    def list(self) -> list[str]:
        """Values in parentheses or brackets, after the condition's sign."""
        close = _PAIRS[self.text[self.at]]
        self.at += 1
        values = []
        while True:
            string = _STRING.match(self.text, self.at)
            if string is not None:
                values.append(self.value()[0])
            else:
                values.append(self.take(_ITEM).strip())
            if not values[-1] and string is None:
                raise self.fault("expected a value")
            if self.accept(close):
                return values
            if not (self.accept(",") or self.accept("|")):
                raise self.fault(f"expected , or {close}")

    # ------------------------------------------------------------------------------------- texts that say two things

    def refuse_after(self, before: str, sign: str) -> NoReturn:
        """Refuses a single word after a condition, which may be a further value, the rest of the value, or a word."""
        word = self.words[0]
        name, _, value = before.partition("=")
        place = STANDARD.find(word)
        other = f", and another condition names its field: {before} {sign} {place[0]}={word}" if place else ""
        raise self.fault(
            f"is {word!r} after {before!r} a value? Several values are joined by |, as {name.strip()}={value.strip()}"
            f"|{word}; a value that holds a comma, 'and' or 'or' stands in double quotes{other}"
        )

    def refuse_comma(self, sign: str, left: Sequence[str], right: Sequence[str]) -> None:
        """Refuses words of two axes joined by a comma, as in ``CT, Lung``, which may mean either or both."""
        if sign != "," or not left or not right:
            return
        axes = [place[0] for word in (left[-1], right[0]) if (place := STANDARD.find(word))]
        if len(set(axes)) > 1:
            one, two = left[-1], right[0]
            raise self.fault(f"does '{one}, {two}' ask for both or either? Write {one} & {two}, or {one} | {two}")

    def refuse_both(self, words: Sequence[Sequence[str]]) -> None:
        """Refuses alternatives next to "and" (``split=train & CT | MRI``) and two words of one axis (``CT & MRI``)."""
        seen: dict[str, str] = {}
        for some in words:
            if len(some) > 1:
                shown = " | ".join(some)
                raise self.fault(f"does & or | come first? Put parentheses around ({shown})")
            place = STANDARD.find(some[0]) if some else None
            if place and seen.setdefault(*place) != place[1]:
                one, two = seen[place[0]], place[1]
                raise self.fault(
                    f"no record is both {one} and {two}, each a {place[0]}. For either, write {one} | {two}"
                )

    # --------------------------------------------------------------------------------------------------------- tokens

    def union_sign(self) -> str:
        """Consumes a union sign, if it comes next, and returns it."""
        return self.accept(",") or self.accept("||") or self.accept("|") or self.keyword("or")

    def keyword(self, word: str) -> str:
        """Consumes a keyword, if it comes next."""
        match = re.compile(rf"\s*(?:{word}|{word.upper()})(?=[\s(!~\"]|$)").match(self.text, self.at)
        if not match:
            return ""
        self.at = match.end()
        return word

    def take(self, token: re.Pattern[str]) -> str:
        """Consumes a token, which may be empty."""
        start = self.at
        match = token.match(self.text, start)
        self.at = match.end() if match else start
        return self.text[start : self.at]

    def skip(self) -> int:
        """The position after the next blanks."""
        match = _BLANK.match(self.text, self.at)
        return match.end() if match else self.at

    def peek(self) -> str:
        """The next sign after blanks, which are consumed; "" at the end."""
        self.at = self.skip()
        return self.text[self.at : self.at + 1]

    def accept(self, sign: str) -> str:
        """Consumes blanks, and a sign if it comes next."""
        self.at = self.skip()
        if not self.text.startswith(sign, self.at) or (sign == "!" and self.text.startswith("!=", self.at)):
            return ""
        self.at += len(sign)
        return sign

    def fault(self, why: str) -> VocabularyError:
        before, after = self.text[max(0, self.at - 30) : self.at], self.text[self.at : self.at + 30]
        return VocabularyError(
            f"The selection cannot be read at character {self.at + 1}, between {before!r} and {after!r}: {why}."
        )
