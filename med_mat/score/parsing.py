"""From the text of an answer to an option's letter, or to the findings that it names; never a random one.

This file needs the standard library alone and imports nothing of Med-MAT, so that an evaluation harness can use a copy
of it as it is. Every step takes time linear in the length of the text.

How a letter was found, in descending order of precedence:

==========  ============================================================================================================
how         meaning
==========  ============================================================================================================
letter      the text is a letter, or begins or ends with one: ``B``, ``(B)``, ``B: text``
phrase      a letter or an option's text follows words that announce an answer: ``The answer is B``, ``Option B``,
            ``\\boxed{B}``, ``{"answer": "B"}``
text        the text names exactly one option, by longest whole match: ``No COVID-19`` is not ``COVID-19``
refusal     no letter: the model declines to answer
ambiguous   no letter: several options are named, or letter and text contradict each other
unparsed    no letter: nothing of these
==========  ============================================================================================================
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

#: First token -> the sequences of tokens that begin with it, the longest first, and the labels that each stands for.
Vocabulary = dict[str, list[tuple[tuple[str, ...], frozenset[str]]]]
HOW = ("letter", "phrase", "text", "refusal", "ambiguous", "unparsed")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Parsed(NamedTuple):
    """What an answer says: the letter of an option, or None; and how it was found (:data:`HOW`)."""

    letter: str | None
    how: str


class Named(NamedTuple):
    """The findings that an answer names; None if it cannot be read, which is not the same as none."""

    findings: frozenset[str] | None
    how: str  # text, none, refusal, unparsed


# ------------------------------------------------------------------------------------------------------------ patterns

#: What may surround a letter.
_OPENING = r"[\"'(\[{<]?"
_CLOSING = r"[\"')\]}>]?"
#: A letter that is not part of a word.
_LETTER = rf"{_OPENING}([A-Za-z])(?![^\W_]|['\u2019])"
#: What shows, after a letter, that it is one and not the article or the first word of a sentence.
_AFTER = re.compile(
    rf"{_CLOSING} ?(?:$|[.,:;!?()\]}}/\n|]|[-=\u2013\u2014] |(?:because|since|as|due|given|which|based|with|for|is|was|"
    r"would|seems|appears|and|or|corresponds|matches|represents)\b)"
)
_AFTER_SMALL = re.compile(rf"{_CLOSING} ?(?:$|[.,:;!)\]}}\n])")
#: Another letter right after a letter: "A or B", "A, C".
_ANOTHER = re.compile(
    rf"{_CLOSING} ?(?:,|/|&|,? ?(?:or|and))(?: (?:possibly|maybe|perhaps|even|option))? ?{_OPENING}"
    r"([A-Za-z])(?![^\W_]|['-])"
)
_WHOLE = re.compile(
    rf"(?:(?:the )?(?:option|choice|letter) )?{_OPENING}([A-Za-z]){_CLOSING}(?:[.,:;!) ]|is correct)*", re.IGNORECASE
)
_START = re.compile(_LETTER)
_LINE = re.compile(
    rf"(?:(?:^|\n) ?{_OPENING}([A-Z]){_CLOSING}[.:;!]? ?(?=\n|$)|[.!] {_OPENING}([A-Z]){_CLOSING}[.!]?$)"
)
_LISTED = re.compile(rf"(?:^|\n) ?{_OPENING}([A-Z])[).:]")
_WORDS_OF_ANSWER = r"answer|respuesta|r\u00e9ponse|reponse|antwort|risposta|resposta|\u7b54\u6848"
_IS = "is|are|es|est|ist|\u00e8|\u00e9|\u662f|\u4e3a|would be|should be|must be|will be|seems to be|appears to be"
_LINK = (
    r"(?: ?(?:\((?:s|letter|option|choice)\)|to (?:the|this) question|here|correcte?a?))*"
    rf"(?: (?:{_IS}|=)|'s|[:=]| [-\u2013\u2014]|(?:\u662f|\u4e3a))+"
)
_BEFORE_LETTER = (
    r"(?: ?(?:clearly|most likely|likely|probably|definitely|certainly|indeed|actually|still|simply|obviously|"
    r"therefore|thus|the|option|choice|letter|answer|:))*"
)
_FINAL = re.compile(
    rf"\bfinal (?:{_WORDS_OF_ANSWER}|choice|option)(?:{_LINK})?{_BEFORE_LETTER}\s?{_LETTER}", re.IGNORECASE
)
_PHRASE = re.compile(
    rf"(?:(?:{_WORDS_OF_ANSWER})(?:{_LINK}|s with)|"
    rf"(?:(?:correct|right|best|chosen|selected) one|\b(?:option|choice|letter)){_LINK}|\u9009\u62e9?|"
    r"\b(?:choose|pick|select|choosing|picking|selecting|go with|going with|opt for|it is|it's|it\u2019s|must be|"
    r"would be|therefore,?|thus,?|hence,?|so,?|then,?|i'd say|i would say|i say|i think|i believe|suggests|indicates|"
    r"diagnosis is))"
    rf"{_BEFORE_LETTER}\s?{_LETTER}",
    re.IGNORECASE,
)
_VERDICT = re.compile(rf"(?<![^\W_]){_OPENING}([A-Z]){_CLOSING} (?:is|would be|seems|appears) (?:the )?(?:most )?"
                      r"(?:correct|right|best|likely|appropriate|accurate|answer)\b")  # fmt: skip
_MENTION = re.compile(rf"\b(?:(?i:option|choice|letter)) ?{_LETTER}|\(([A-Z])\)(?![^\W_])")
_ANSWER_TEXT = re.compile(
    rf"(?:(?:{_WORDS_OF_ANSWER}){_LINK}|(?:correct|right|best) (?:option|choice|one){_LINK}|"
    rf"\b(?:diagnosis|finding|findings){_LINK}) ?",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:boxed|fbox) ?\{ ?(?:\\(?:text|mathrm|mathbf|textbf|textit) ?\{)?([^{}\n]{0,500})\}")
_TAGGED = re.compile(r"<answer>([^<]{0,10000})</answer>", re.IGNORECASE)
_QUOTED = re.compile(
    r"\"(?:final_?answer|answer|choice|option|letter|prediction)\" ?: ?\"((?:[^\"\\\n]|\\.){0,500})\"", re.IGNORECASE
)
_KEYS = ("final_answer", "finalanswer", "answer", "choice", "option", "letter", "prediction", "label")
_THOUGHT = ("think", "thinking", "thought", "reasoning", "scratchpad")
_CANNOT = r"(?:cannot|can't|can\u2019t|can not)"
_REFUSAL = re.compile(
    r"\b(?:i(?:'|\u2019)?m (?:sorry|unable|not able|afraid)|i am (?:sorry|unable|not able)|sorry,|i apologi[sz]e|"
    rf"i (?:{_CANNOT}|could not|couldn't|won't|will not|do not know|don't know|don\u2019t know|refuse)|"
    r"i (?:must|have to) decline|as an? (?:ai|language model|artificial)|"
    r"unable to (?:determine|answer|provide|diagnose|tell|see|view|assist|identify)|"
    rf"{_CANNOT} (?:be determined|be answered|determine|tell|answer|provide|diagnose|see|view|assist)|"
    r"not possible to (?:determine|tell|answer|say)|not enough information|insufficient information|"
    r"no image (?:was|is|has been)|"
    r"consult (?:a|your) (?:doctor|physician|healthcare|medical|radiologist|qualified))",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"(?:no|without|none|nothing|normal)(?:\W+(?:abnormal|significant|acute|visible|finding|findings|"
                      r"abnormality|abnormalities|pathology|of|the|above|found|detected|present|noted|seen|is|are|there|"
                      r"were|was|listed|them|these))*\W*", re.IGNORECASE)  # fmt: skip
_TOKEN = re.compile(r"[^\W_]+|[+<>\u2264\u2265=%]|(?<![^\W_])-(?=[^\W_])|(?<=[^\W_])-(?![^\W_])|[.!?;\n,]")
_BREAKS = frozenset(".!?;\n")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DENIALS = _set(
    "not no never without neither nor cannot isn aren wasn weren doesn don didn excludes excluding excluded rules rule "
    "ruled ruling unlikely lacks lack absence absent negative free than instead incorrect wrong isnt cant eliminate "
    "eliminated"
)
_TURNS = _set("but however although rather though yet")
_LATE_DENIALS = _set("not absent unlikely excluded incorrect wrong ruled impossible never false eliminated")
_LINKING = _set("is are was were can could be seems appears isn aren wasn weren has have been does do")
#: Number of words before and after a mention in which a denial counts.
_REACH = 5


# ------------------------------------------------------------------------------------------------------- options' words


class _Options(NamedTuple):
    """The options of a question, prepared."""

    letters: str
    texts: tuple[str, ...]  # each option, normalized
    tokens: tuple[tuple[str, ...], ...]
    parts: tuple[frozenset[str], ...]  # the labels of each option
    vocabulary: Vocabulary  # first token -> (tokens, labels)


@functools.lru_cache(maxsize=20_000)
def _prepared(options: tuple[str, ...]) -> _Options:
    if not 1 <= len(options) <= len(LETTERS):
        raise ValueError(f"A question has 1 to {len(LETTERS)} options, not {len(options)}.")
    texts = tuple(_normal(option) for option in options)
    tokens = tuple(_words(text) for text in texts)
    parts = tuple(frozenset(" ".join(words) for one in text.split(", ") if (words := _words(one))) for text in texts)
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for words, labels, text in zip(tokens, parts, texts, strict=True):
        for one in text.split(", "):
            if single := _words(one):
                known.setdefault(single, frozenset([" ".join(single)]))
        if words:
            known[words] = labels
    return _Options(LETTERS[: len(options)], texts, tokens, parts, _by_first(known))


def _by_first(known: dict[tuple[str, ...], frozenset[str]]) -> Vocabulary:
    """Sequences of tokens by their first one, the longest first."""
    found: Vocabulary = {}
    for words in sorted(known, key=len, reverse=True):
        found.setdefault(words[0], []).append((words, known[words]))
    return found


def _normal(text: str) -> str:
    """Compatibility characters as plain ones, no emphasis, no invisible characters, single blanks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\\n", "\n")
    text = re.sub(r"[*`$#]|(?<![^\W_])_+|_+(?![^\W_])", "", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    return re.sub(r" ?\n\s*", "\n", text).strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(one for one in _TOKEN.findall(text.casefold()) if one not in _BREAKS and one != ",")


# -------------------------------------------------------------------------------------------------------------- parsing


def parse(text: str, options: Sequence[str]) -> Parsed:
    """The option that an answer means.

    Args:
        text: The answer of a model: a letter, a sentence, JSON, or pages of reasoning.
        options: The texts of the options, in order: the first one is A.

    Returns:
        The letter in upper case, or None; and how it was found.

    Raises:
        ValueError: There is no option, or more than 26.
    """
    known = _prepared(tuple(options))
    plain = text.strip()
    if len(plain) == 1 and plain.upper() in known.letters and plain.isascii():
        return _checked(plain.upper(), known, "letter", plain)
    said = _normal(_without_thoughts(text))
    if not said:
        return Parsed(None, "unparsed")
    explicit = _explicit(text, said)
    if explicit:
        found = {_read(_normal(one), known) for one in explicit}
        return found.pop() if len(found) == 1 else _agreed(found)
    return _read(said, known)


def _agreed(found: Iterable[Parsed]) -> Parsed:
    letters = {one.letter for one in found}
    return Parsed(letters.pop(), "phrase") if len(letters) == 1 and None not in letters else Parsed(None, "ambiguous")


def _without_thoughts(text: str) -> str:
    """What follows a model's reasoning; nothing if the reasoning never ends."""
    small = text.casefold() if len(text.casefold()) == len(text) else text
    for tag in _THOUGHT:
        end = small.rfind(f"</{tag}>")
        if end >= 0:
            text, small = text[end + len(tag) + 3 :], small[end + len(tag) + 3 :]
        start = small.find(f"<{tag}>")
        if start >= 0:
            text, small = text[:start], small[:start]
    return text


def _explicit(text: str, said: str) -> list[str]:
    """Answers that are marked as such: JSON, ``<answer>``, ``\\boxed``."""
    inner = said
    if inner[:1] == "\n":
        inner = inner[1:]
    body = re.sub(r"^(?:json|JSON)?\s*", "", inner)
    if body[:1] in "{[" and body[-1:] in "}]":
        try:
            data = json.loads(_without_thoughts(text).strip().strip("`").removeprefix("json").strip())
        except (ValueError, RecursionError):
            data = None
        found = _of_json(data)
        if found:
            return found
    raw = _without_thoughts(text)
    return [one for pattern in (_TAGGED, _BOXED, _QUOTED) for one in pattern.findall(raw)[-50:] if one.strip()]


def _of_json(data: Any) -> list[str]:
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        small = {str(key).casefold().replace(" ", "_"): value for key, value in data.items()}
        for key in _KEYS:
            value = small.get(key)
            if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
                return list(value)
            if isinstance(value, str):
                return [value]
    return []


def _read(said: str, known: _Options) -> Parsed:
    """An answer without reasoning and marks."""
    words = _words(said)
    same = [letter for letter, one in zip(known.letters, known.tokens, strict=True) if one == words and one]
    if same and len(words) == 1 and len(words[0]) == 1 and words[0].upper() in known.letters:
        same = sorted({*same, words[0].upper()})  # the options are letters themselves
    if same:
        return Parsed(same[0], "text") if len(same) == 1 else Parsed(None, "ambiguous")
    whole = _WHOLE.fullmatch(said)
    if whole and whole[1].upper() in known.letters:
        return _checked(whole[1].upper(), known, "letter", said)
    said = _without_echo(said, known)
    if not said:
        return Parsed(None, "ambiguous")
    for find in (_finals, _claims):
        letters, how = find(said, known)
        if len(letters) > 1:
            return Parsed(None, "ambiguous")
        if letters:
            return Parsed(None, "ambiguous") if None in letters else Parsed(letters.pop(), how)
    if _REFUSAL.search(said):
        return Parsed(None, "refusal")
    stated = _stated(said, known)
    if stated is not None:
        return stated
    mentioned = {
        letter
        for found in _MENTION.finditer(said)
        if (letter := (found[1] or found[2]).upper()) in known.letters
        and (found[2] or found[1].isupper() or _AFTER_SMALL.match(said, found.end()))
        and not _denied(said, found.start(1 if found[1] else 2), found.end())
    }
    named, how = _named(said, known)
    if mentioned:
        if len(mentioned) == 1 and (how == "unparsed" or named in mentioned):
            return Parsed(mentioned.pop(), "phrase")
        return Parsed(None, "ambiguous")
    return Parsed(named, how)


def _checked(letter: str, known: _Options, how: str, said: str) -> Parsed:
    """A letter that stands alone, unless it is itself the text of another option."""
    rivals = {other for other, one in zip(known.letters, known.tokens, strict=True) if one == (letter.lower(),)}
    return Parsed(None, "ambiguous") if rivals - {letter} else Parsed(letter, how)


def _without_echo(said: str, known: _Options) -> str:
    """The answer without the list of all options, if it repeats that."""
    lines = said.split("\n")
    echoed = {}
    for number, line in enumerate(lines):
        start = _START.match(line)
        letter = start[1].upper() if start else ""
        own = known.tokens[known.letters.index(letter)] if letter and letter in known.letters else ()
        if start and own and _words(line[start.end() :]) == own:
            echoed[number] = letter
    if len(set(echoed.values())) < 2:
        return said
    return "\n".join(line for number, line in enumerate(lines) if number not in echoed).strip()


def _finals(said: str, known: _Options) -> tuple[set[str | None], str]:
    """The letters that follow "final answer"."""
    return _letters(said, known, _FINAL.finditer(said)), "phrase"


def _claims(said: str, known: _Options) -> tuple[set[str | None], str]:
    """The letters at the start, alone on a line, and after words that announce an answer; None for a contradiction."""
    start = _START.match(said)
    first = _letters(said, known, [start] if start else [], leading=True)
    listed = {one[1] for one in _LISTED.finditer(said)} & set(known.letters)
    alone = {one[1] or one[2] for one in _LINE.finditer(said)} & set(known.letters)
    told = _letters(said, known, _PHRASE.finditer(said)) | _letters(said, known, _VERDICT.finditer(said))
    if len(listed) > 1:  # each option has a line of its own, and only a phrase says which one is meant
        first = set() if told else {*listed}
    return first | alone | told, "letter" if first or (alone and not told) else "phrase"


def _letters(said: str, known: _Options, matches: Iterable[Any], leading: bool = False) -> set[str | None]:
    """The letters of matches that are letters, and neither articles nor denied; None stands for a contradiction."""
    found: set[str | None] = set()
    for match in matches:
        letter, end = match[1].upper(), match.end(1)
        if letter not in known.letters:
            continue
        own = known.tokens[known.letters.index(letter)]
        closing = re.compile(_CLOSING + r"[ .:,()=\u2013\u2014-]*").match(said, end)
        after = said[closing.end() if closing else end :][:300]
        clause = _words(re.split(r"[.;\n](?:\s|$)", after, maxsplit=1)[0])
        agrees = bool(own) and _longest(clause, known) == own
        small = match[1].islower()
        if not agrees:
            mark = (_AFTER_SMALL if small else _AFTER).match(said, end)
            if not mark:
                continue
            if leading and small and said[end : end + 1] not in (")", ":", "]") and end < len(said):
                continue
            if leading and re.compile(rf"{_CLOSING}\. ?[a-z]").match(said, end):
                continue  # an abbreviated name, such as C. difficile
        elif small and match[1] == "a" and re.compile(" ?[^\\W_]").match(said, end):
            continue  # the article before the option's own words, which are read as text
        if _denied(said, match.start(1), end):
            continue
        found.add(letter)
        another = _ANOTHER.match(said, end)
        if another and another[1].upper() in known.letters and (another[1].isupper() or small):
            found.add(another[1].upper())
        if not agrees and _contradicts(clause, own, known):
            found.add(None)
    return found


def _contradicts(clause: tuple[str, ...], own: tuple[str, ...], known: _Options) -> bool:
    """Whether what follows a letter begins with the text of another option."""
    while clause and clause[0] in ("the", "a", "an", "it", "is", "because", "this", "shows", "image", "text", "answer"):
        clause = clause[1:]
    if own and clause[:1] in (("not",), ("no",)) and clause[1 : 1 + len(own)] == own:
        return True
    longest = _longest(clause, known)
    return bool(longest) and longest != own


def _longest(clause: tuple[str, ...], known: _Options) -> tuple[str, ...]:
    """The longest option with which a clause begins."""
    return max((one for one in known.tokens if one and clause[: len(one)] == one), key=len, default=())


def _stated(said: str, known: _Options) -> Parsed | None:
    """The option whose text directly follows words that announce an answer; None if there is none."""
    found = set()
    for match in _ANSWER_TEXT.finditer(said):
        clause = _words(re.split(r"[.;\n](?:\s|$)", said[match.end() :][:300], maxsplit=1)[0])
        while clause and clause[0] in ("the", "a", "an", "most", "likely", "probably", "option", "clearly"):
            clause = clause[1:]
        longest = _longest(clause, known)
        if longest and not _denied(said, match.start(), match.end()):
            rest = clause[len(longest) :]
            if known.tokens.count(longest) > 1 or (rest and rest[0] in ("or", "and", "with")) or _parts_in(rest, known):
                return None  # what else is named decides
            found.add(known.letters[known.tokens.index(longest)])
    if not found:
        return None
    if len(found) > 1:
        return Parsed(None, "ambiguous")
    letter = found.pop()
    others = {one[1] or one[2] for one in _MENTION.finditer(said)} - {None}
    if {one.upper() for one in others} & set(known.letters) - {letter}:
        return Parsed(None, "ambiguous")
    return Parsed(letter, "phrase")


def _parts_in(rest: tuple[str, ...], known: _Options) -> bool:
    """Whether further labels of options with several labels follow."""
    several = any(len(one) > 1 for one in known.parts)
    return several and any(word in known.vocabulary for word in rest)


def _named(said: str, known: _Options) -> tuple[str | None, str]:
    """The option that the text names, by longest whole match of options and of their labels."""
    labels = _mentions(said, known.vocabulary)
    if not labels:
        return None, "unparsed"
    fitting = [letter for letter, one in zip(known.letters, known.parts, strict=True) if one == labels]
    return (fitting[0], "text") if len(fitting) == 1 else (None, "ambiguous")


def _mentions(said: str, vocabulary: Vocabulary) -> frozenset[str]:
    """The labels that a text names and does not deny: the longest match at each place, whole words alone."""
    tokens = _TOKEN.findall(said.casefold())
    places = [number for number, one in enumerate(tokens) if one != "," and one not in _BREAKS]
    words = [tokens[number] for number in places]
    found: set[str] = set()
    number = 0
    while number < len(words):
        for sequence, labels in vocabulary.get(words[number], ()):
            end = number + len(sequence)
            if tuple(words[number:end]) == sequence and not _split(tokens, places, number, end):
                if not _denied_tokens(tokens, places[number], places[end - 1] + 1):
                    found |= labels
                for place in places[number:end]:
                    tokens[place] = ""  # the "No" of "No finding" denies nothing that follows
                number = end
                break
        else:
            number += 1
    return frozenset(found)


def _split(tokens: list[str], places: list[int], start: int, end: int) -> bool:
    """Whether a sentence ends inside a match."""
    return any(one in "!?;\n" for one in tokens[places[start] : places[end - 1]])


def _denied(said: str, start: int, end: int) -> bool:
    """Whether a mention in a text is denied."""
    before, after = said[max(0, start - 120) : start].casefold(), said[end : end + 120].casefold()
    head, tail = _TOKEN.findall(before), _TOKEN.findall(after)
    return _denied_tokens([*head, "", *tail], len(head), len(head) + 1)


def _denied_tokens(tokens: list[str], start: int, end: int) -> bool:
    """Whether the words before a mention deny it, as in "no sign of", or those after it, as in "is unlikely"."""
    for number in range(start - 1, max(start - 1 - _REACH, -1), -1):
        word = tokens[number]
        if word in _BREAKS or (word in _TURNS and tokens[number : number + 2] != ["rather", "than"]):
            break
        if word in _DENIALS and not (word in ("no", "not") and tokens[number + 1 : number + 2] == [","]):
            return True
    linked = False
    for word in tokens[end : end + _REACH]:
        if word in _BREAKS or word in (",", "and", "or", "but", "so", "because", "since"):
            break
        if word in _LINKING:
            linked = True
        elif (linked and word in _LATE_DENIALS) or word in ("incorrect", "wrong", "unlikely"):
            return True
        if word in ("isn", "aren", "wasn", "weren"):
            return True
    return False


# ----------------------------------------------------------------------------------------------------- several findings


def parse_findings(text: str, labels: Sequence[str], synonyms: Sequence[tuple[str, str]] = ()) -> Named:
    """The findings that an open answer names, by longest whole match; what it denies is not named.

    Args:
        text: The answer of a model, such as ``Atelectasis, effusion``, or ``None``.
        labels: The labels that count.
        synonyms: Pairs (other name, label).

    Returns:
        The labels named, an empty set for ``None``, ``No finding`` and the like; or None for a refusal and for a text
        that names no label.
    """
    said = _normal(_without_thoughts(text))
    explicit = _explicit(text, said)
    if explicit:
        said = _normal("\n".join(explicit))
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for name, label in (*synonyms, *((one, one) for one in labels)):
        if words := _words(_normal(name)):
            known[words] = frozenset([label])
    found = _mentions(said, _by_first(known))
    if found:
        return Named(found, "text")
    if _NOTHING.fullmatch(said) or _words(said) in (("0",), ("healthy",), ("no", "finding")):
        return Named(frozenset(), "none")
    return Named(None, "refusal" if _REFUSAL.search(said) else "unparsed")
