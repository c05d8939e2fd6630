"""The formats of documents: one module and one line here for each."""

from abs_index.corpus.readers.base import Reader
from abs_index.corpus.readers.cnxml import CnxmlReader
from abs_index.corpus.readers.html import HtmlReader
from abs_index.corpus.readers.jats import JatsReader

READERS: tuple[type[Reader], ...] = (JatsReader, CnxmlReader, HtmlReader)
"""Asked in this order whether they recognise a file."""
