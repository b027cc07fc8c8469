"""Which output of a fine-tuned model answers which query."""

from collections.abc import Sequence

import torch

from carina.errors import ConfigError, QueryError
from carina.studies.truth import canonical
from carina.zeroshot.protocol import EncodedQueries, Query

COLUMNS = "columns"


def check_outputs(what: str, names: Sequence[str]) -> None:
    """Refuses outputs that cannot be told apart, or none.

    Raises:
        ConfigError: there is no name, or one twice.
    """
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"{what} must be different names, got {names}.")


def encoded_by_output(queries: Sequence[Query], outputs: Sequence[str]) -> EncodedQueries:
    """Queries of a model with fixed outputs: the place of each among them.

    Args:
        queries: names in any form.
        outputs: what the model was trained on, in canonical form.

    Raises:
        QueryError: something that it was not trained on.
    """
    place = {name: number for number, name in enumerate(outputs)}
    unknown = [query.name for query in queries if canonical(query.name) not in place]
    if unknown:
        raise QueryError(
            f"This model was trained on {', '.join(outputs)}; it cannot be asked about "
            f"{', '.join(unknown)}. Ask a zero-shot model, or train one with such labels."
        )
    columns = torch.tensor([place[canonical(query.name)] for query in queries])
    return EncodedQueries(queries=tuple(queries), features={COLUMNS: columns})


def columns_of(queries: EncodedQueries, device: torch.device) -> torch.Tensor:
    """The outputs that answer the queries."""
    return queries.features[COLUMNS].to(device)
