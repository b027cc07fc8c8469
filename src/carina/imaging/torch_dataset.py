"""An image store as a PyTorch dataset, for training code of any make."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from carina.imaging.entry_table import KeyList
from carina.imaging.preprocessing import Preprocessing, prepare_levels
from carina.imaging.store import ImageStore


class StoredRadiographs(Dataset[Float[Tensor, "channels size size"]]):
    """Radiographs of a store, ready for a model: map-style, in the order of their keys.

    Workers of a `DataLoader` may be forked or spawned: nothing is an object a picture, and each
    worker maps the store by itself. Labels go beside, in `torch.utils.data.StackDataset`.

    Attributes:
        store: the pictures.
        preprocessing: size, resize rule and standardisation.
        keys: the picture of each index.
    """

    def __init__(
        self,
        store: ImageStore,
        preprocessing: Preprocessing,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Checks that the store holds every picture.

        Args:
            store: an open store, of any form.
            preprocessing: what every picture goes through.
            keys: which pictures, in which order; all of the store by default.

        Raises:
            StoreError: the store lacks some of them.
        """
        if keys is not None:
            store.require(keys)
        self.store = store
        self.preprocessing = preprocessing
        self.keys = store.keys if keys is None else KeyList(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Float[Tensor, "channels size size"]:
        """The standardised picture of an index.

        Raises:
            StoreError: its file is gone or damaged.
        """
        return prepare_levels(self.store[self.keys[index]], self.preprocessing)[0]
