"""The datasets that `carina index` knows, by name."""

from carina.datasets.declaration import Dataset
from carina.datasets.phantom_cohort import PHANTOM
from carina.datasets.plain_csv import CSV
from carina.errors import ConfigError

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (PHANTOM, CSV)}
"""One line per dataset."""


def dataset_named(name: str) -> Dataset:
    """The dataset of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in DATASETS:
        raise ConfigError(f"There is no dataset {name!r}; datasets: {', '.join(DATASETS)}.")
    return DATASETS[name]
