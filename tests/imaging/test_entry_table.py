"""Keys and entries as columns: what is found, in which order, and equal to what."""

import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carina.imaging.entry_table import SCHEMA, EntryTable, KeyList

words = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


@given(words)
def test_keys_behave_like_the_list_they_were_made_from(texts: list[str]) -> None:
    keys = KeyList(texts)
    assert list(keys) == texts
    assert keys == texts
    assert [keys[i] for i in range(-len(texts), len(texts))] == texts * 2
    assert keys[1:-1] == tuple(texts[1:-1])
    assert pickle.loads(pickle.dumps(keys)) == keys
    assert keys != [*texts, "more"]


@given(words, st.text(st.characters(exclude_categories=["Cs"])))
def test_sorted_keys_are_found_where_they_are(texts: list[str], other: str) -> None:
    ordered = sorted(set(texts))
    keys = KeyList(ordered)
    assert [keys.place_in_order(text) for text in ordered] == list(range(len(ordered)))
    expected = ordered.index(other) if other in ordered else None
    assert keys.place_in_order(other) == expected


def test_a_key_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="There are 2 keys, number 2 is none of them"):
        KeyList(["a", "b"])[2]
    assert repr(KeyList(["a", "b"])) == "KeyList('a', 'b')"


def test_entries_are_found_by_key_and_by_shard() -> None:
    rows = [
        {name: "" if kind == pl.String else 1 for name, kind in SCHEMA.items()}
        | {"key": key, "shard": shard, "offset": offset, "total": total, "squares": total**2}
        for key, shard, offset, total in (("c", "1", 5, 0), ("a", "2", 0, 51), ("b", "1", 0, 255))
    ]
    table = EntryTable(pl.DataFrame(rows, schema=SCHEMA))
    assert table.keys == ("a", "b", "c")
    place = table.find("c")
    assert place is not None
    assert (place.shard, place.offset, place.height) == ("1", 5, 1)
    assert table.find("d") is None
    assert list(table.by_shard()) == [("1", [1, 2]), ("2", [0])]
    # One pixel each: 0, 0.2 and 1.
    assert (table.mean, table.std) == pytest.approx((0.4, np.sqrt(1.04 / 3 - 0.16)))
