"""The reasons for which something of a corpus is refused: short phrases, so that they can be counted.

Where a count needs more words, they go to `Reject.detail`.
"""

from __future__ import annotations

# documents
EMPTY_FILE = "empty file"
NOT_WELL_FORMED = "not well-formed"
WRONG_ENCODING = "bytes do not fit the declared encoding"
NOT_A_DOCUMENT = "not a document of a known format"
ENTITIES = "entity not allowed"
TOO_LARGE = "file too large"
DUPLICATE = "same document twice"
UNREADABLE = "cannot be read"

# archives
DAMAGED_ARCHIVE = "archive damaged or cut off"
UNSAFE_MEMBER = "unsafe archive member"
ARCHIVE_TOO_LARGE = "archive unpacks to too much"
NESTED_ARCHIVE = "archive inside an archive"

# figures and images
NO_IMAGE = "figure without an image"
IMAGE_MISSING = "image file missing"
IMAGE_FORMAT = "image format not supported"
IMAGE_DAMAGED = "image damaged"
IMAGE_TOO_LARGE = "image too large"

FIGURE_TEXT = "words in the figure not read"

# vectors
BAD_VECTOR = "vector not usable"
