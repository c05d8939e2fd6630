"""The errors of abs-index.

AbsIndexError               everything below; its message is one line for a person: what, where, what to do
├── UsageError              an option, a name or a value that does not exist; says the valid ones
├── MissingExtraError       a feature whose optional packages are not installed; says what to install
├── CorpusError             a corpus as a whole cannot be read (missing, empty, no permission)
│   └── RejectedError       one document, archive member or image is refused; the rest goes on
├── RecipeError             a recipe that does not validate
├── ModelError              a model folder that is missing, damaged or foreign
├── LabelsError             a file of labelled pairs that does not validate
├── IndexError_             an index folder that cannot be used
│   ├── NotAnIndexError     the folder holds no index, or one of another format version
│   ├── IndexLockedError    another process is writing
│   ├── ModelMismatchError  the index was built with another model
│   ├── DamagedIndexError   the table itself is damaged
│   └── StorageError        the disk is full, or writing is not permitted
├── ElasticsearchError      a cluster that cannot be used
│   ├── MissingProgramError  a program that a server for trying out needs is not installed; says what to install
│   ├── UnreachableError    nothing answers there, or it stopped to answer
│   ├── WrongServerError    not Elasticsearch, or a version that server, client and abs-index do not share
│   ├── AccessError         credentials, rights or certificate are refused, or would be sent in the clear
│   ├── AliasError          the name on the cluster is not what abs-index made, or not of this schema version
│   ├── MappingError        analyser, mapping or template does not fit
│   └── PushError           documents were refused, or the cluster does not take any (read-only, disk full)
└── QueryError              a query that does not parse; knows the position
"""

from __future__ import annotations


class AbsIndexError(Exception):
    """Base of every error that abs-index raises on purpose. `str(error)` is one line for a person."""


class UsageError(AbsIndexError):
    """Raised for a name, option or value that does not exist. The message lists the valid ones."""


class MissingExtraError(AbsIndexError):
    """Raised when a feature needs optional packages that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra [{extra}]: pip install 'abs-index[{extra}]'")
        self.extra = extra


class CorpusError(AbsIndexError):
    """Raised when a corpus as a whole cannot be read."""


class RejectedError(CorpusError):
    """Raised for one bad item of a corpus. The pipeline catches it and records a reject.

    `reason` is one of the short, countable phrases of `abs_index.corpus.rejects`; `detail` says what exactly was found
    and where (line, byte, size).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class RecipeError(AbsIndexError):
    """Raised when a recipe does not validate. The message names file, key, and what is allowed."""


class ModelError(AbsIndexError):
    """Raised when a model folder is missing, damaged, or not what its recipe says."""


class LabelsError(AbsIndexError):
    """Raised when a file of labelled pairs does not validate. The message names the line."""


class IndexError_(AbsIndexError):
    """Base of the errors about an index folder."""


class NotAnIndexError(IndexError_):
    """Raised when a folder holds no index, or an index of another format version."""


class IndexLockedError(IndexError_):
    """Raised when another process is writing to the index."""


class ModelMismatchError(IndexError_):
    """Raised when an index was built with another model than the one given."""


class DamagedIndexError(IndexError_):
    """Raised when the table of an index is damaged. Search structures never raise it: they are rebuilt."""


class StorageError(IndexError_):
    """Raised when the index cannot be written: disk full, no permission."""


class ElasticsearchError(AbsIndexError):
    """Base of the errors about an Elasticsearch cluster."""


class MissingProgramError(ElasticsearchError):
    """Raised when Java or Maven, which a server for trying out needs, is not installed. Says what to install."""


class UnreachableError(ElasticsearchError):
    """Raised when no server answers, also after all attempts."""


class WrongServerError(ElasticsearchError):
    """Raised when a server is not Elasticsearch, or server, client and abs-index have no version in common."""


class AccessError(ElasticsearchError):
    """Raised when credentials, rights or the certificate are refused, or secrets would travel in the clear."""


class AliasError(ElasticsearchError):
    """Raised when a name on the cluster is missing, points to several indices, or is not of this schema version."""


class MappingError(ElasticsearchError):
    """Raised when an analyser is missing, or a mapping or template on the cluster does not fit."""


class PushError(ElasticsearchError):
    """Raised when a load could not be finished. What was loaded stays, and the next call goes on from there."""


class QueryError(AbsIndexError):
    """Raised when a query does not parse or names an unknown field.

    `position` is the 0-based character in the query where the trouble starts, or None where that is not known.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position
