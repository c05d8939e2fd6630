"""An index, opened for searching: the front door in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from PIL import Image

from abs_index.corpus.images import decode_image
from abs_index.errors import RejectedError, UsageError
from abs_index.labels import Role
from abs_index.model.base import Floats, ImageFeatures, PairModel
from abs_index.model.text_encoder import TextEncoder
from abs_index.search.engine import Engine, Found
from abs_index.search.facets import Facets
from abs_index.search.filters import Filters, FilterValues
from abs_index.search.fusion import fuse
from abs_index.search.hits import FigureDetails, Hit
from abs_index.search.meaning import Meaning, Mode
from abs_index.search.query import words_of

if TYPE_CHECKING:
    from abs_index.indexing.elasticsearch.credentials import Credentials
    from abs_index.search.elasticsearch.connect import VectorsFrom

ImageLike = Image.Image | Path | str
"""A picture, or a file that holds one."""

_DEPTH = 100
"""How far down the rankings go that are fused, at least."""


class Index:
    """Figures that can be searched.

    It shows what was published when it was opened, also while and after a build makes a newer state. Use it as a
    context manager, or call `close`. All methods may be called from several threads.
    """

    def __init__(
        self,
        engine: Engine[Any],
        model: PairModel | Path | str | None = None,
        text_encoder: TextEncoder | None = None,
    ) -> None:
        """Use `Index.open`."""
        self._engine = engine
        self._meaning = Meaning(engine.text_encoder, text_encoder)
        self._model = model
        self._loaded: PairModel | None = None
        self._lock = Lock()

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        model: PairModel | Path | str | None = None,
        text_encoder: TextEncoder | None = None,
    ) -> Self:
        """Opens the index in `folder`.

        `model` (or its folder, or its name) is used for pictures that are not in the index; left out, it is the one
        that the index was built with, as far as it comes with abs-index. It is loaded when the first picture comes.
        `text_encoder` is used for search by meaning; left out, it is the one of the extra [semantic].

        Raises NotAnIndexError, DamagedIndexError; search structures that are missing or damaged are made again, or
        StorageError is raised where that is not possible.
        """
        from abs_index.search.embedded.engine import Embedded  # FAISS, Tantivy and Lance: not for an index elsewhere

        return cls(Embedded.open(Path(folder)), model, text_encoder)

    @classmethod
    def connect(
        cls,
        url: str,
        name: str = "figures",
        *,
        credentials: Credentials | None = None,
        insecure: bool = False,
        vectors: VectorsFrom | None = None,
        folder: Path | str | None = None,
        model: PairModel | Path | str | None = None,
        text_encoder: TextEncoder | None = None,
        es_filter: Mapping[str, Any] | None = None,
    ) -> Self:
        """Opens what `abs-index push` made behind the alias `name` of an Elasticsearch cluster.

        `credentials` None takes those of the environment or the configuration file; `insecure` allows plain HTTP to
        other machines. Vectors are searched on the cluster, or by FAISS in the `folder` of the index that was pushed
        (`vectors` "elasticsearch" or "faiss"; left out: where they are, the cluster first). `es_filter` is a query
        in Elasticsearch's own language that all results of this object match, beside other filters. `model` and
        `text_encoder` are as for `open`.

        Raises MissingExtraError, UsageError, and ElasticsearchError: UnreachableError, AccessError, WrongServerError,
        AliasError (no such alias, or not of this schema version). All methods may raise ElasticsearchError too.
        """
        from abs_index.search.elasticsearch.connect import open_engine

        engine = open_engine(
            url, name, credentials=credentials, insecure=insecure, vectors=vectors,
            folder=None if folder is None else Path(folder), only=es_filter,
        )  # fmt: skip
        return cls(engine, model, text_encoder)

    @property
    def default_mode(self) -> Mode:
        """The mode of searches that name none: hybrid where the index has vectors of texts, else lexical."""
        return self._meaning.default

    def search(
        self,
        query: str = "",
        *,
        k: int = 10,
        mode: Mode | None = None,
        image: ImageLike | None = None,
        figure: str | None = None,
        filters: Filters | None = None,
        **values: Unpack[FilterValues],
    ) -> list[Hit]:
        """The k best figures for a query in Lucene's syntax (see `abs_index.search.query`), best first.

        A blank query finds everything, the newest documents first. `mode` says how words find figures: "lexical" as
        words, "semantic" by what they mean, "hybrid" by both; left out, it is `default_mode`. What a query requires or
        excludes (`+traffic -turbine`, "stop and go", `year:>2010`) holds in every mode. With `image` or `figure` (an id
        as in `Hit.id`), figures that look like it are found, and with a query too all rankings are fused by reciprocal
        rank; labels and facts that the query requires (`traffic AND abs:equal`) hold in all. Restrictions are given
        as `filters` or by name: abs="equal", year="2010..2020", min_prob=0.6.

        Raises QueryError (with the position) for a query that does not parse, UsageError for values that do not
        exist and for a mode that the index lacks; for a search by meaning MissingExtraError, ModelMismatchError too.
        """
        chosen, by = _filters(filters, values), self._meaning.choose(mode)
        _check(k)
        if image is None and figure is None:
            return self._engine.hits(self._by_text(query, k, chosen, by), chosen, query)
        if not query.strip():
            return self.similar(figure, image=image, k=k, filters=chosen)
        vector, itself = self._looks(figure, image)
        rankings = self._by_both(query, vector, max(_DEPTH, 10 * k), chosen, by, itself)
        fused = [found for found in _fused(rankings) if found.figure != itself]
        return self._engine.hits(fused[:k], chosen, query)

    def _by_text(self, query: str, k: int, filters: Filters, mode: Mode) -> Sequence[Found[Any]]:
        meant = self._meant(query, mode)
        if meant is None:
            return self._engine.match(query, k, filters)
        if mode == "semantic":
            return self._engine.near_text(query, meant, k, filters)
        depth = max(_DEPTH, 10 * k)
        rankings = (self._engine.match(query, depth, filters), self._engine.near_text(query, meant, depth, filters))
        return _fused(rankings)[:k]

    def _by_both(
        self, query: str, looks: Floats, depth: int, filters: Filters, mode: Mode, itself: Any
    ) -> Sequence[Sequence[Found[Any]]]:
        """Rankings by text and by image, for fusion."""
        by_words, by_looks = self._engine.both(query, looks, depth, filters, without=itself)
        meant = self._meant(query, mode)
        if meant is None:
            return by_words, by_looks
        by_meaning = self._engine.near_text(query, meant, depth, filters)
        return (by_meaning, by_looks) if mode == "semantic" else (by_words, by_meaning, by_looks)

    def _meant(self, query: str, mode: Mode) -> Floats | None:
        """The vector (d,) of what a query means; None where the mode, or the query, has nothing to compare."""
        words = words_of(query) if mode != "lexical" else ""
        vector = self._meaning.vector(words) if words else None
        return vector if vector is not None and vector.any() else None

    def facets(
        self,
        query: str = "",
        *,
        image: ImageLike | None = None,
        figure: str | None = None,
        filters: Filters | None = None,
        **values: Unpack[FilterValues],
    ) -> Facets:
        """How many of all pairs that `search` finds, given the same, have each label, kind, role, source and year.

        Those pairs count that the words find, in every mode of `search`. A picture (`image` or `figure`) puts in order
        and excludes nothing: with one, all pairs count that pass the filters, and the labels and facts that the query
        requires. Raises QueryError and UsageError as `search`.
        """
        pictured = image is not None or figure is not None
        return self._engine.facets(query, _filters(filters, values), required=pictured)

    def similar(
        self,
        figure: str | None = None,
        *,
        image: ImageLike | None = None,
        text: str | None = None,
        k: int = 10,
        filters: Filters | None = None,
        **values: Unpack[FilterValues],
    ) -> list[Hit]:
        """The k figures that are most like a figure of the index, or like a picture, nearest first.

        Images are compared by image embedding; with a `text` to the picture, picture and text are compared together
        with the pairs of the index, by pair embedding. A figure of the index is not among its own results.

        Raises UsageError; RejectedError for an image file that is damaged or none; ModelMismatchError where the model
        is not the one of the index; ModelError.
        """
        chosen = _filters(filters, values)
        _check(k)
        if not (text or "").strip():
            looks, itself = self._looks(figure, image)
            return self._engine.hits(self._engine.near_image(looks, k, chosen, without=itself), chosen)
        if image is None or figure is not None:
            raise UsageError("a text goes with an image of your own, not with a figure of the index")
        vector = self._pair_vector(image, str(text), chosen.role[0] if chosen.role else "caption")
        return self._engine.hits(self._engine.near_pair(vector, k, chosen), chosen)

    def figure(self, figure: str) -> FigureDetails:
        """A figure with all its texts and their labels, by `Hit.id`, or by its id in the document where it is unique.

        Raises UsageError where there is none, or several.
        """
        return self._engine.details(self._engine.find_figure(figure))

    def close(self) -> None:
        """Releases what the index holds."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _looks(self, figure: str | None, image: ImageLike | None) -> tuple[Floats, Any]:
        """The image embedding (image_dim,) to compare with, and the figure of the index that has it, or None."""
        if figure is not None and image is None:
            return self._engine.looks_of(figure)
        if image is not None and figure is None:
            return self._image_vector(image), None
        raise UsageError("give either a figure of the index or an image")

    def _image_vector(self, image: ImageLike) -> Floats:
        with self._lock:
            vector: Floats = self._features(image).embedding[0]
        return vector

    def _pair_vector(self, image: ImageLike, text: str, role: Role) -> Floats:
        with self._lock:
            features = self._features(image)
            vector: Floats = self._loaded_model().encode_pairs(features, [text], [role]).embedding[0]
        return vector

    def _features(self, image: ImageLike) -> ImageFeatures:
        picture = image.convert("RGB") if isinstance(image, Image.Image) else _read(Path(image))
        model = self._loaded_model()
        return model.encode_images(model.preprocess(picture)[None])

    def _loaded_model(self) -> PairModel:
        """The model of the index; only under the lock, as it answers one call at a time."""
        if self._loaded is None:
            model = self._model if isinstance(self._model, PairModel) else self._load(self._model)
            self._engine.check_model(model.info)
            self._loaded = model
        return self._loaded

    def _load(self, given: Path | str | None) -> PairModel:
        from abs_index.model.load import load_model

        if given is not None:
            return load_model(given)
        name = self._engine.model_name
        try:
            return load_model(name)
        except UsageError:
            raise UsageError(
                f"the index was built with the model {name!r}, which does not come with abs-index; "
                "give its folder (--model DIR)"
            ) from None


def _filters(filters: Filters | None, values: FilterValues) -> Filters:
    if filters is None:
        return Filters.of(**values)
    if values:
        raise UsageError("give either `filters` or restrictions by name, not both")
    return filters


def _check(k: int) -> None:
    if k < 1:
        raise UsageError(f"k: {k} results cannot be given; ask for 1 or more")


def _read(path: Path) -> Image.Image:
    try:
        return decode_image(path.read_bytes()).image
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except RejectedError as error:
        raise RejectedError(f"{path}: {error.reason}", error.detail) from None


def _fused(rankings: Sequence[Sequence[Found[Any]]]) -> list[Found[Any]]:
    """One ranking of several; a figure keeps the pair that the first ranking gives it."""
    evidence: dict[int | str, Found[Any]] = {}
    for ranking in rankings:
        for found in ranking:
            evidence.setdefault(found.figure, found)
    fused = fuse([[found.figure for found in ranking] for ranking in rankings])
    return [replace(evidence[figure], score=score) for figure, score in fused]
