"""What may be asked."""

import pytest

from carina.errors import QueryError
from carina.zeroshot.protocol import Query
from carina.zeroshot.queries import check_queries, described, parse_query, warn_of_denials


def test_a_name_alone_is_a_query() -> None:
    assert parse_query(" pleural   effusion ") == Query("pleural effusion")


def test_what_follows_the_first_equals_sign_describes() -> None:
    query = parse_query("covid-19 = patchy opacities, CT value = high")
    assert query == Query("covid-19", "patchy opacities, CT value = high")
    assert query.text == "covid-19: patchy opacities, CT value = high"


def test_a_description_that_is_the_name_adds_nothing_to_the_text() -> None:
    assert Query("covid-19", "covid-19").text == "covid-19"


def test_names_are_described_and_own_descriptions_kept() -> None:
    asked: list[list[str]] = []

    def texts(names: list[str]) -> list[str]:
        asked.append(names)
        return [f"What {name} is." for name in names]

    queries = described(["  lung  mass ", Query("edema", "Wet."), Query("scar")], texts)
    assert [query.description for query in queries] == [
        "What lung mass is.",
        "Wet.",
        "What scar is.",
    ]
    assert asked == [["lung mass", "scar"]]


def test_an_equals_sign_without_description_is_refused() -> None:
    with pytest.raises(QueryError, match=r"'covid-19=' ends after '='"):
        parse_query("covid-19=")


@pytest.mark.parametrize("text", ["", "  ", "=patchy opacities", "\n"])
def test_an_empty_query_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="A query is empty"):
        parse_query(text)
    with pytest.raises(QueryError, match="A query is empty"):
        check_queries([text.partition("=")[0]])


@pytest.mark.parametrize("description", ["", "  ", "\n"])
def test_an_empty_description_is_refused(description: str) -> None:
    with pytest.raises(QueryError, match="description of the query 'mass' is empty"):
        Query("mass", description)


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("no pneumothorax", "pneumothorax"),
        ("Without effusion", "effusion"),
        ("absence of a mass", "a mass"),
        ("nodule", None),
        ("no finding", None),
        ("No acute disease", None),
        ("no", None),
    ],
)
def test_a_denial_is_told_how_it_is_read(
    name: str, finding: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_denials([Query("mass"), Query(name)])
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (finding is not None)
    assert all(
        f"{name!r} denies a finding" in one and f"Ask for {finding!r}" in one for one in told
    )


def test_strings_and_queries_may_be_mixed_and_keep_their_order() -> None:
    covid = Query("covid-19", "patchy opacities")
    assert check_queries(["edema", covid, "mass"]) == (Query("edema"), covid, Query("mass"))


@pytest.mark.parametrize("twice", ["edema", "EDEMA", " Edema ", Query("edema", "wet lungs")])
def test_a_query_given_twice_is_refused(twice: str | Query) -> None:
    with pytest.raises(QueryError, match="given twice"):
        check_queries(["mass", "edema", twice])


def test_no_query_at_all_is_refused() -> None:
    with pytest.raises(QueryError, match="There is no query"):
        check_queries([])


def test_one_string_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(QueryError, match="'edema'; expected a list"):
        check_queries("edema")


def test_wrong_queries_are_wrong_usage() -> None:
    assert QueryError.exit_code == 2
