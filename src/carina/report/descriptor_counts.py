"""How often which words describe an entity, and how many of them deny it.

Source: ECAMP (Wang et al., arXiv:2312.13316), appendix A and Fig. S1: reports deny far more than
they affirm, and the factor that makes up for it (section 3.2, lambda_neg) is read off here.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from carina.report.entities import Extractor
from carina.report.entity_words import entity_words, is_denied

ALL_DENIED = 0.5


@dataclass(frozen=True, kw_only=True)
class Description:
    """Words before entities, how often they stand there, and how often the entity is denied."""

    words: str
    count: int
    denied: int

    @property
    def negative(self) -> bool:
        """Whether most of what they describe is denied."""
        return self.denied > ALL_DENIED * self.count


@dataclass(frozen=True, kw_only=True)
class DescriptionStatistics:
    """The descriptions of all entities in some reports, most frequent first."""

    reports: int
    descriptions: tuple[Description, ...]

    @property
    def count(self) -> int:
        """Entities that have words before them."""
        return sum(found.count for found in self.descriptions)

    @property
    def denied(self) -> int:
        """How many of them are denied."""
        return sum(found.denied for found in self.descriptions)

    @property
    def balance(self) -> float | None:
        """What a denied entity must count for both sides to weigh the same; None without any.

        The paper's 0.05 is that of the most frequent description on either side.
        """
        return min(1.0, (self.count - self.denied) / self.denied) if self.denied else None


def count_descriptions(texts: Iterable[str], extractor: Extractor) -> DescriptionStatistics:
    """Counts the two words before each of the 44 entities.

    Args:
        texts: reports, or what they tell of the radiograph.
        extractor: says what is denied.
    """
    counts: Counter[str] = Counter()
    denied: Counter[str] = Counter()
    reports = 0
    for text in texts:
        reports += 1
        said = extractor.extract(text)
        for word in entity_words(text):
            if not word.before:
                continue
            words = " ".join(text[start:end].lower() for start, end in word.before)
            counts[words] += 1
            denied[words] += is_denied(word.span, said)
    ranked = sorted(counts, key=lambda words: (-counts[words], words))
    return DescriptionStatistics(
        reports=reports,
        descriptions=tuple(
            Description(words=words, count=counts[words], denied=denied[words]) for words in ranked
        ),
    )
