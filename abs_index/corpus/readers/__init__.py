"""The formats of documents: one module and one line here for each."""

from abs_index.corpus.readers.base import Reader
from abs_index.corpus.readers.cnxml import CnxmlReader

READERS: tuple[type[Reader], ...] = (CnxmlReader,)
"""Asked in this order whether they recognise a file."""
