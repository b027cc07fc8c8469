"""Every exception that carina raises on purpose, on one page.

All derive from `CarinaError`. The command line prints the message alone and exits with the
class's `exit_code`: 1 when the user's data are at fault, 2 when the call was.
A message says where, what was found, what was expected and what to do.
"""


class CarinaError(Exception):
    """Base of all errors that carina raises on purpose."""

    exit_code = 1


class RadiographError(CarinaError):
    """A file cannot be read as a radiograph."""


class ReportError(CarinaError):
    """A report, or a file of the lexicon, cannot be used as text."""


class AnnotationError(CarinaError):
    """A source of entities cannot be used: a file of RadGraph, a language model's server."""


class ManifestError(CarinaError):
    """A manifest lacks columns, has wrong types, or names studies twice."""


class ExamplesError(ManifestError):
    """A part of a manifest lacks examples of what is to be learnt from it.

    `found` is the message without what to do about it, which depends on the command.
    """

    def __init__(self, found: str, advice: str) -> None:
        """Takes the two halves of the message."""
        super().__init__(f"{found} {advice}")
        self.found = found


class DatasetError(CarinaError):
    """A release on disk is not laid out as its declaration says."""


class StoreError(CarinaError):
    """An image store is incomplete, damaged, or of another size."""


class KnowledgeError(CarinaError):
    """An ontology file or a concept graph cannot be used."""


class QueryError(CarinaError):
    """A query is empty, given twice, or names nothing."""

    exit_code = 2


class ConfigError(CarinaError):
    """A setting has a value that cannot work, or a name that does not exist."""

    exit_code = 2


class ModelError(CarinaError):
    """A model folder is incomplete, of another version, or fits no known class."""


class CheckpointError(CarinaError):
    """A checkpoint is damaged or belongs to another run."""


class TrainingError(CarinaError):
    """Training cannot go on, such as after a loss that is not finite."""


class ConversionError(CarinaError):
    """An official checkpoint has keys that the key table does not account for."""


class EvaluationError(CarinaError):
    """An evaluation lacks what it needs: truth, predictions, or a matching pair."""


class OutputError(CarinaError):
    """Something cannot be written: no space, no right, or it exists already."""
