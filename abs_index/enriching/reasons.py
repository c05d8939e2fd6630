"""The reasons for which a figure of a user's document gets no labels, beside those of `abs_index.corpus.rejects`."""

from __future__ import annotations

NO_IMAGE = "no image in the document"
SEVERAL_IMAGES = "several images in one field"
NO_TEXT = "no text"
SEVERAL_TEXTS = "text in another array"
NO_PLACE = "no place for labels"
NO_IMAGE_ROOT = "file, but no --image-root"
OUTSIDE_ROOT = "image outside --image-root"
UNKNOWN_SCHEME = "kind of URL not supported"
HOST_NOT_ALLOWED = "host not allowed"
NOT_PUBLIC = "address not public"
NOT_FETCHED = "image not fetched"
NOT_AN_IMAGE = "answer is not an image"
GONE = "document deleted meanwhile"
CHANGING = "document changed again and again meanwhile"
REFUSED = "update refused"
