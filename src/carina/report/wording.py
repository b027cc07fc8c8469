"""Other people's words for what a report says, put into the lexicon's standard words.

Sources of entities have words of their own ("edema" or "pulmonary oedema"); only standard names
can be counted, trained on and compared.
"""

import functools

from carina.report.entities import build_automaton
from carina.report.lexicon import Lexicon, Meaning, Role, canonical
from carina.report.tokens import Token, read_tokens
from carina.report.whereabouts import Place, add_word, place_words

WHERE = (Role.SIDE, Role.ZONE, Role.ANATOMY)
REMEMBERED_WORDS = 65_536


class Wording:
    """Looks words up in a lexicon, whole phrases only."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._automaton = build_automaton(lexicon)
        self.tokens = functools.lru_cache(REMEMBERED_WORDS)(self._tokens)

    def _tokens(self, words: str) -> tuple[Token, ...]:
        return tuple(read_tokens(words, self._automaton))

    def meaning(self, words: str) -> Meaning | None:
        """What a whole phrase means; None where the lexicon does not have it."""
        return self.lexicon.phrases.get(canonical(words))

    def observation(self, words: str) -> str | None:
        """The standard name of an observation; None where the lexicon knows none so written."""
        meaning = self.meaning(words)
        known = meaning is not None and meaning.role is Role.OBSERVATION
        return meaning.word if meaning is not None and known else None

    def anatomy(self, words: str) -> str | None:
        """The standard name of the first part of the body in the words, None without one."""
        for token in self.tokens(words):
            if token.role is Role.ANATOMY:
                return token.meaning.word
        return None

    def place(self, words: str, observation: str | None = None) -> str | None:
        """Where something is, as the rules write it: "base on the left" is "left base".

        Args:
            words: of the source; None is returned for none.
            observation: standard name of what is there; a bare side then becomes "left pleural".
        """
        place, known = Place(), False
        for token in self.tokens(words):
            if token.role in WHERE:
                add_word(place, token.meaning)
                known = True
        term = self.lexicon.terms.get(observation) if observation else None
        standard = place_words(place, term.site if term else None) if known else None
        return standard or canonical(words) or None

    def severity(self, words: str) -> str | None:
        """A degree or size ("mildly" is "mild", "6 mm"); None where the words are neither."""
        found = [t.meaning.severity for t in self.tokens(words) if t.meaning.severity]
        return " ".join(found) if found else None
