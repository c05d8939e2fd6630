"""The paper's network in a size for tests: every layer is there, and none is wide."""

from abs_index.paper_settings import (
    PaperClassifierSettings,
    PaperImageSettings,
    PaperPretrainingSettings,
    PaperSettings,
    PaperTextSettings,
)

TINY = PaperSettings(
    embedding_dim=24,
    image=PaperImageSettings(encoder="test_efficientnet", weights="random", size=40, decoder_channels=(6, 5, 4)),
    text=PaperTextSettings(
        vocabulary=20,
        word_dim=7,
        max_words=6,
        max_sentences=4,
        fasttext_epochs=2,
        fasttext_buckets=50,
        word_hidden=8,
        sentence_hidden=9,
        attention_dim=10,
        features=11,
        decoder_sentence_hidden=12,
        decoder_word_hidden=13,
    ),
    pretraining=PaperPretrainingSettings(
        steps=12, batch_size=3, learning_rate=1e-2, warm_up=2, log_every=2, checkpoint_every=4
    ),
    classifier=PaperClassifierSettings(
        hidden=16, dropout=0.2, steps=12, batch_size=3, learning_rate=1e-2, warm_up=2, log_every=2, checkpoint_every=4
    ),
)
