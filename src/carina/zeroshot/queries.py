"""What a user may ask: names or `Query` objects, none of them twice."""

import logging
import re
from collections.abc import Callable, Sequence

from carina.errors import QueryError
from carina.zeroshot.protocol import Query

LOGGER = logging.getLogger(__name__)
DENIES = re.compile(
    r"(no|without|absence of|absent|negative for|not)\b\s*(?P<what>.*)", re.IGNORECASE
)
NOTHING_FOUND = re.compile(
    r"(significant |acute )?(findings?|abnormalit(y|ies)|disease)", re.IGNORECASE
)


def parse_query(text: str) -> Query:
    """Reads NAME or NAME=DESCRIPTION, as the command line takes it.

    Raises:
        QueryError: the name is blank, or "=" is followed by nothing.
    """
    name, equals, description = text.partition("=")
    if equals and not description.strip():
        raise QueryError(
            f"The query {text!r} ends after '='; expected NAME=DESCRIPTION. "
            "Say what the finding looks like, or leave the '=' out."
        )
    return Query(one_line(name), one_line(description) if equals else None)


def check_queries(queries: Sequence[str | Query]) -> tuple[Query, ...]:
    """Makes every query a `Query` and refuses a list that asks nothing or one thing twice.

    Names are compared without regard to case and space.

    Raises:
        QueryError: there is no query, one is blank, or one is given twice.
    """
    if isinstance(queries, str):
        raise QueryError(f"Queries are one string, {queries!r}; expected a list of names.")
    if not queries:
        raise QueryError("There is no query; give at least one finding to ask about.")
    checked = tuple(Query(one_line(q)) if isinstance(q, str) else q for q in queries)
    seen: dict[str, str] = {}
    for query in checked:
        key = one_line(query.name).casefold()
        if key in seen:
            raise QueryError(
                f"The query {query.name!r} is given twice (as {seen[key]!r} before); "
                "case and space make no difference. Leave one out."
            )
        seen[key] = query.name
    return checked


def warn_of_denials(queries: Sequence[Query]) -> None:
    """Says which queries deny a finding: their score is easily read the wrong way round."""
    for query in queries:
        found = DENIES.match(query.name)
        what = found["what"] if found else ""
        if what and not NOTHING_FOUND.fullmatch(what):  # "no finding" is a label of its own
            LOGGER.warning(
                "The query %r denies a finding, which no model has learnt to be asked: its score "
                "may be that of the finding itself. Ask for %r; a low score says that it is not "
                "seen.",
                query.name,
                what,
            )


def described(
    queries: Sequence[str | Query], texts: Callable[[Sequence[str]], Sequence[str]]
) -> tuple[Query, ...]:
    """The queries with a description each; one that has its own keeps it.

    Args:
        queries: names or queries.
        texts: gives the descriptions of names, such as `Descriptions.default().texts`.

    Raises:
        KnowledgeError: `texts` has no description of a name.
    """
    asked = [Query(one_line(q)) if isinstance(q, str) else q for q in queries]
    bare = [query.name for query in asked if query.description is None]
    found = dict(zip(bare, texts(bare), strict=True))
    return tuple(
        query if query.description is not None else Query(query.name, found[query.name])
        for query in asked
    )


def one_line(text: str) -> str:
    """The text with each run of white space as one space, none at the ends."""
    return " ".join(text.split())
