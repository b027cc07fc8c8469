"""The datasets that `carina index` knows, by name."""

import difflib

from carina.datasets.chestx_det import CHESTX_DET, CHESTX_DET10
from carina.datasets.chestxray14 import CHESTXRAY14, CHESTXRAY14_CHEXNET
from carina.datasets.chestxray14_labels import CHESTXRAY14_LABELS
from carina.datasets.chexlocalize import CHEXLOCALIZE
from carina.datasets.chexlocalize_readers import CHEXLOCALIZE_READERS
from carina.datasets.chexpert import CHEXPERT
from carina.datasets.chexpert_5x200 import CHEXPERT_5X200
from carina.datasets.chexpert_test import CHEXPERT_TEST
from carina.datasets.covid_rural import COVID_RURAL, COVID_RURAL_LOVT
from carina.datasets.covidx import COVIDX
from carina.datasets.cxr_lt import CXR_LT_ALL
from carina.datasets.declaration import Dataset
from carina.datasets.edema_severity import EDEMA_SEVERITY
from carina.datasets.iu_xray import IU_XRAY
from carina.datasets.mimic_cxr import MIMIC_CXR
from carina.datasets.mimic_cxr_test import MIMIC_CXR_TEST
from carina.datasets.ms_cxr import MS_CXR
from carina.datasets.object_cxr import OBJECT_CXR
from carina.datasets.padchest import PADCHEST
from carina.datasets.padchest_gr import PADCHEST_GR
from carina.datasets.phantom_cohort import PHANTOM
from carina.datasets.plain_csv import CSV
from carina.datasets.rsna import RSNA_ALL
from carina.datasets.siim import SIIM_ALL
from carina.datasets.siim_png import SIIM_BENCHX, SIIM_PNG
from carina.datasets.tbx11k import TBX11K
from carina.datasets.vindr_cxr import VINDR_CXR, VINDR_CXR_KAGGLE
from carina.errors import ConfigError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        *(PHANTOM, CSV, MIMIC_CXR, MIMIC_CXR_TEST, IU_XRAY),
        *CXR_LT_ALL,
        *(CHEXPERT, CHEXPERT_TEST, CHEXPERT_5X200),
        *(CHEXLOCALIZE, CHEXLOCALIZE_READERS),
        *(CHESTXRAY14, CHESTXRAY14_CHEXNET, *CHESTXRAY14_LABELS, PADCHEST, PADCHEST_GR),
        *RSNA_ALL,
        *SIIM_ALL,
        *(SIIM_PNG, SIIM_BENCHX),
        *(CHESTX_DET10, CHESTX_DET, VINDR_CXR, VINDR_CXR_KAGGLE, OBJECT_CXR, TBX11K),
        *(COVIDX, COVID_RURAL, COVID_RURAL_LOVT, EDEMA_SEVERITY, MS_CXR),
    )
}
"""One line per dataset."""


NEAREST = 2
"""So many names like an unknown one are told."""


def dataset_named(name: str) -> Dataset:
    """The dataset of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, NEAREST)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(
            f"There is no dataset {name!r}.{hint} Datasets: {', '.join(DATASETS)}; `carina index "
            "list` tells of each."
        )
    return DATASETS[name]


def layout_named(name: str) -> Dataset:
    """The dataset of a name whose layout a phantom cohort can be written in.

    Raises:
        ConfigError: there is none.
    """
    layouts = {each.name: each for each in DATASETS.values() if each.write is not None}
    if name not in layouts:
        raise ConfigError(
            f"There is no layout {name!r}; layouts: {', '.join(layouts) or 'none'}. "
            "Leave --layout out for the phantom cohort's own."
        )
    return layouts[name]
