"""The forms in which names of concepts are compared, from strict to loose."""

import functools
import re

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_ABBREVIATION = re.compile(r"[A-Z0-9][A-Za-z0-9/&.-]{1,7}")
_TURN = re.compile(r",|\bof\b", re.IGNORECASE)
_ARTICLES = frozenset({"a", "an", "the"})

# Words that say how those around them hang together; texts that hold one are not turned round.
_BINDING = frozenset(
    (
        *("after", "against", "and", "as", "at", "before", "between", "by", "due"),
        *("during", "except", "for", "from", "in", "into", "no", "non", "not"),
        *("on", "or", "over", "per", "than", "through", "to", "under"),
        *("versus", "via", "with", "within", "without"),
    )
)

# Endings of plurals and their singulars, the longest first. Both are mapped to one form, which
# need not be a word: "metastases" and "metastasis" become "metastas".
_ENDINGS = (
    ("thoraces", "thorax"),
    ("ficiencies", "ficiency"),
    ("mata", "ma"),
    ("ices", "ex"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ies", "y"),
    ("ae", "a"),
    ("ss", "ss"),
    ("us", "us"),
    ("s", ""),
)
_GREEK = re.compile(r"([aeiouy])s(?:es|is|e)$")
_LATIN = {
    "hila": "hilum",
    "atria": "atrium",
    "septa": "septum",
    "diverticula": "diverticulum",
    "ostia": "ostium",
    "bacteria": "bacterium",
    "sterna": "sternum",
    "sequelae": "sequela",
    "bronchi": "bronchus",
    "alveoli": "alveolus",
    "thrombi": "thrombus",
    "emboli": "embolus",
    "bacilli": "bacillus",
    "fungi": "fungus",
    "calculi": "calculus",
    "sulci": "sulcus",
    "fundi": "fundus",
    "rami": "ramus",
    "foramina": "foramen",
    "appendices": "appendix",
    "vertebrae": "vertebra",
}
_BRITISH = (
    (re.compile(r"oe(?=[a-z])"), "e"),
    (re.compile(r"ae(?=[a-z])"), "e"),
    (re.compile(r"our(?=$|s$)"), "or"),
    (re.compile(r"(?<=[bt])re$"), "er"),
    (re.compile(r"sulph"), "sulf"),
    (re.compile(r"isation"), "ization"),
)


def words(text: str) -> list[str]:
    """The words of a text in lower case, without marks and possessives."""
    return _WORD.findall(_POSSESSIVE.sub("", text).casefold())


def plain(text: str) -> str:
    """A text as its words with single spaces: "Pleural-Effusion" is "pleural effusion"."""
    return " ".join(words(text))


@functools.lru_cache(1 << 17)
def stem(word: str) -> str:
    """One form for singular and plural, British and American spelling of a lower-case word.

    Short words (up to three letters) and numbers stay as they are.
    """
    if len(word) <= 3 or not word.isalpha():
        return word
    word = _LATIN.get(word, word)
    greek, found = _GREEK.subn(r"\1s", word)
    if found:
        word = greek
    else:
        word = next(
            (word.removesuffix(plural) + one for plural, one in _ENDINGS if word.endswith(plural)),
            word,
        )
    for british, american in _BRITISH:
        word = british.sub(american, word)
    return word


def inflected(text: str) -> str:
    """A text as the stems of its words, in their order."""
    return " ".join(map(stem, words(text)))


def straightened(text: str) -> str:
    """A text that is turned round at commas and "of", as the stems of its words.

    "Effusion, pleural" becomes "pleural effusion", "base of the lung" becomes "lung base". A text
    with a word that binds those around it ("to", "with", "in") is left as it is: "left to right
    shunt" is another thing than "right to left shunt". Words are never moved otherwise: "tube
    feeding" is no "feeding tube".
    """
    if _BINDING.isdisjoint(words(text)):
        parts = [part for part in _TURN.split(text) if words(part)]
        text = " ".join(reversed(parts))
    return " ".join(stem(word) for word in words(text) if word not in _ARTICLES)


def is_abbreviation(text: str) -> bool:
    """Whether a name is written as abbreviations are: "COPD", "PTX", "AFib", but not "Lung"."""
    capitals = sum(letter.isupper() for letter in text)
    letters = sum(letter.isalpha() for letter in text)
    return bool(_ABBREVIATION.fullmatch(text)) and capitals >= 2 and 2 * capitals >= letters
