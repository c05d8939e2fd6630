"""Sections of a recipe that describe the network of the paper and its training."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from abs_index.sections import Section


class PaperImageSettings(Section):
    """Image encoder and decoder of the paper's network (section `[paper.image]`)."""

    encoder: str = "inception_resnet_v2"
    """Name of the architecture in timm; its pooled features are the image vector."""
    weights: str = "timm"
    """First weights of the encoder. `timm`: those that timm names, from its hub or the hub's local cache; `package`:
    as for `[image]`; `random`: none; else a file (.safetensors) with timm's names of the tensors."""
    size: int = Field(default=300, ge=40, le=1000, multiple_of=20)
    """Side of the square picture that is encoded and decoded. The decoder starts at a tenth of it."""
    fine_tune: bool = True
    """Whether the encoder learns too, where the regime of the training lets it; else its weights stay as they come."""
    features: int | None = Field(default=None, ge=1)
    """Length of the encoder's image vector. In the recipe of a model folder; elsewhere the encoder says it."""
    decoder_channels: tuple[int, int, int] = (128, 64, 32)
    """Channels of the decoder's convolutions, before the last one, which gives the picture."""


class PaperTextSettings(Section):
    """Words, text encoder and text decoder of the paper's network (section `[paper.text]`)."""

    vectors: str = "train"
    """Word vectors. `train`: learnt by fastText from the texts of the corpus; else a file (.vec or .bin)."""
    centre_vectors: bool = False
    """Whether the mean vector of the corpus' running words is taken away from all. It makes up most of each vector of
    fastText (as of others: Mu, Viswanath 2018), and a decoder of words can learn it and little else."""
    vocabulary: int = Field(default=25_000, ge=1)
    """The most frequent words of the corpus; all others are read as `<unk>`."""
    word_dim: int = Field(default=300, ge=1, le=2000)
    """Length of a word vector."""
    max_words: int = Field(default=50, ge=1, le=1000)
    """Longer sentences are cut."""
    max_sentences: int = Field(default=30, ge=1, le=1000)
    """Longer texts are cut."""
    fasttext_epochs: int = Field(default=5, ge=1)
    fasttext_buckets: int = Field(default=2_000_000, ge=1)
    """Parts of words share this many vectors: four bytes times `word_dim` each in memory."""
    fasttext_threads: int = Field(default=1, ge=1)
    """With more than one, two trainings give different vectors."""
    word_hidden: int = Field(default=300, ge=1)
    """Width of the GRU over the words of a sentence, each direction."""
    sentence_hidden: int = Field(default=300, ge=1)
    """Width of the GRU over the sentences of a text, each direction."""
    attention_dim: int = Field(default=600, ge=1)
    """Width in which a state and the image vector meet before they are scored."""
    features: int = Field(default=600, ge=1)
    """Length of the text vector."""
    decoder_sentence_hidden: int = Field(default=600, ge=1)
    """Width of the LSTM that gives sentence features."""
    decoder_word_hidden: int = Field(default=600, ge=1)
    """Width of the LSTM that gives words."""


class ScheduleSettings(Section):
    """How long and how fast something is trained."""

    seed: int = 1
    steps: int = Field(default=70_000, ge=1)
    batch_size: int = Field(default=15, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    warm_up: int = Field(default=1000, ge=0)
    """Steps in which the learning rate rises from 0; from there on it falls along a cosine to a hundredth."""
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled to this length, those of layers that the paper does not have each on their own."""
    log_every: int = Field(default=100, ge=1)
    """Steps whose mean loss makes a line of the log."""
    checkpoint_every: int = Field(default=1000, ge=1)
    """Steps after which the training can go on from where it was stopped; a multiple of `log_every`."""

    @model_validator(mode="after")
    def _check_rhythm(self) -> Self:
        if self.checkpoint_every % self.log_every:
            raise ValueError("checkpoint_every must be a multiple of log_every")
        return self


class PaperPretrainingSettings(ScheduleSettings):
    """Training of the autoencoder (section `[paper.pretraining]`)."""

    steps: int = Field(default=360_000, ge=1)
    image_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean squared error of the picture, whose values are from -1 to 1."""
    text_weight: float = Field(default=1.0, ge=0)
    """Weight of the mean cosine distance of the words."""
    held_out: float = Field(default=0.02, ge=0, lt=1)
    """Share of the documents that nothing is learnt from: what is lost of them is in the log at each checkpoint."""


class PaperClassifierSettings(ScheduleSettings):
    """The classifier and its training (section `[paper.classifier]`)."""

    hidden: int = Field(default=512, ge=1)
    """Width of both hidden layers."""
    dropout: float = Field(default=0.5, ge=0, lt=1)


class PaperSettings(Section):
    """The network of the paper (section `[paper]` and those below it), in place of that of the other sections."""

    embedding_dim: int = Field(default=2400, ge=1)
    """Length of the article embedding: the joint vector of image and text."""
    image: PaperImageSettings = PaperImageSettings()
    text: PaperTextSettings = PaperTextSettings()
    pretraining: PaperPretrainingSettings = PaperPretrainingSettings()
    classifier: PaperClassifierSettings = PaperClassifierSettings()
