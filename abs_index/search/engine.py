"""What searches need of an engine: rankings of figures, the hits that they become, and figures by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from abs_index.errors import UsageError
from abs_index.model.base import Floats, ModelInfo
from abs_index.search.facets import Facets
from abs_index.search.filters import Filters
from abs_index.search.hits import FigureDetails, Hit

Key = TypeVar("Key", int, str)
"""What an engine knows figures and pairs by."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Key]):
    """A figure in a ranking; `pair` is the pair that brought it there, None where its image did."""

    figure: Key
    pair: Key | None
    score: float


class Engine(Protocol[Key]):
    """An index as searches see it. May be used from several threads.

    Rankings hold at most k figures, the best first, none twice; k where k match, whatever the filters are.
    """

    @property
    def model_name(self) -> str:
        """Name of the model that made the vectors."""

    @property
    def text_encoder(self) -> str | None:
        """Fingerprint of the encoder that made the vectors of texts; None where there are none to be searched."""

    def check_model(self, model: ModelInfo) -> None:
        """Raises ModelMismatchError unless `model` is the one that made the vectors."""

    def match(self, query: str, k: int, filters: Filters) -> Sequence[Found[Key]]:
        """Figures by what their pairs say. A blank query finds everything, the newest documents first."""

    def near_pair(self, vector: Floats, k: int, filters: Filters) -> Sequence[Found[Key]]:
        """Figures by how near a pair of theirs is to a pair embedding (pair_dim,)."""

    def near_image(
        self, vector: Floats, k: int, filters: Filters, *, without: Key | None = None
    ) -> Sequence[Found[Key]]:
        """Figures by how near their image is to an image embedding (image_dim,). `without` leaves one figure out."""

    def both(
        self, query: str, vector: Floats, k: int, filters: Filters, *, without: Key | None = None
    ) -> tuple[Sequence[Found[Key]], Sequence[Found[Key]]]:
        """`match` and `near_image` together, for fusion. What the query requires of labels and facts holds in both."""

    def near_text(self, query: str, vector: Floats, k: int, filters: Filters) -> Sequence[Found[Key]]:
        """Figures by how near a text of theirs is to a vector of texts (d,); only where there is a `text_encoder`.

        What the query requires and excludes holds, of words too.
        """

    def facets(self, query: str, filters: Filters, *, required: bool = False) -> Facets:
        """Counts of the pairs that `match` looks at; with `required`, of those that `both` lets be near."""

    def hits(self, found: Sequence[Found[Key]], filters: Filters, query: str = "") -> list[Hit]:
        """What was found, with all that is shown of it; words of `query` are highlighted.

        Figures that were found by their image show the first pair that passes the filters, and what the query requires.
        """

    def find_figure(self, name: str) -> Key:
        """A figure by "document#figure", or by its id in the document where only one has it.

        Raises UsageError where there is none, or several.
        """

    def looks_of(self, name: str) -> tuple[Floats, Key]:
        """The image embedding (image_dim,) of a figure, and the figure, by name as in `find_figure`.

        Raises UsageError as `find_figure`, and where the figure has no image that could be embedded.
        """

    def details(self, figure: Key) -> FigureDetails:
        """A figure with all its pairs."""

    def close(self) -> None:
        """Releases what the engine holds."""


# what all engines say of names

MOST_NAMED: Final = 10
"""Figures that an error names, where several have the same id."""


def no_such_figure(name: str) -> UsageError:
    """The error for a name that no figure has."""
    return UsageError(f"there is no figure {name!r} in this index; a search prints the ids that there are")


def several_figures(name: str, first: Sequence[str], count: int) -> UsageError:
    """The error for an id that `count` figures have in their documents, the `first` ones by their whole ids."""
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return UsageError(f"{count} figures have the id {name!r}; name one of: {', '.join(first)}{more}")


def without_image(figure: str) -> UsageError:
    """The error for a figure that cannot be compared."""
    return UsageError(f"figure {figure!r} has no image that could be embedded; search by words instead")
