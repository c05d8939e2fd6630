"""Word vectors from fastText and from files, good and bad."""

from pathlib import Path

import numpy as np
import pytest
import torch

from abs_index.errors import AbsIndexError, CorpusError, ModelError, UsageError
from abs_index.paper_settings import PaperTextSettings
from abs_index.training.word_vectors import WordTable, read_bin, read_vec
from tests.networks.paper_settings import TINY

TEXTS = ["The cell divides. The wall of a cell.", "A wall, a cell; the end."] * 10


def settings(**changes: object) -> PaperTextSettings:
    return TINY.text.model_copy(update=changes)


def test_vectors_learnt_from_the_texts() -> None:
    one, other = (WordTable.build(TEXTS, settings()) for _ in range(2))
    assert one.vocabulary.words == ("<pad>", "<unk>", "a", "cell", "the", "wall", "divides", "end", "of")
    assert one.coverage == 1
    assert one.vectors.shape == (9, 7)
    assert torch.equal(one.vectors, other.vectors)
    assert not one.vectors[0].any()
    torch.testing.assert_close(one.vectors[1], one.vectors[2:].mean(0))
    assert (one.vectors[2:].norm(dim=1) > 0).all()


def test_centred_vectors_have_a_mean_of_zero_over_the_running_words(tmp_path: Path) -> None:
    file = str(write_vec(tmp_path, "3 2", "the 1 -2", "zebra 5 5", "cell 7 1"))
    plain, centred = (
        WordTable.build(TEXTS, settings(vectors=file, word_dim=2, centre_vectors=choice)) for choice in (False, True)
    )
    assert plain.vectors[2:].tolist() == [[7, 1], [1, -2]]  # 30 times "cell", 30 times "the"
    assert centred.vectors.tolist() == [[0, 0], [0, 0], [3, 1.5], [-3, -1.5]]
    often = WordTable.build([*TEXTS, "cell " * 60], settings(vectors=file, word_dim=2, centre_vectors=True))
    torch.testing.assert_close(often.vectors[2:], torch.tensor([[1.5, 0.75], [-4.5, -2.25]]))
    assert not often.vectors[0].any()


def test_rare_words_are_left_out_and_counted() -> None:
    table = WordTable.build(TEXTS, settings(vocabulary=3))
    assert table.vocabulary.words[2:] == ("a", "cell", "the")
    assert table.coverage == pytest.approx(9 / 14)


def write_vec(folder: Path, *lines: str) -> Path:
    path = folder / "words.vec"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_vectors_of_a_text_file(tmp_path: Path) -> None:
    path = write_vec(tmp_path, "4 2", "the 1 -2e-1", "zebra 5 nan", "cell 0.5 3 ", "the 9 9")
    table = WordTable.build(TEXTS, settings(vectors=str(path), word_dim=2))
    assert table.vocabulary.words == ("<pad>", "<unk>", "cell", "the")
    assert table.vectors.tolist() == [[0, 0], [0.75, pytest.approx(1.4)], [0.5, 3], [1, pytest.approx(-0.2)]]
    assert table.coverage == pytest.approx(6 / 14)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("the 1 2",), "line 1: no file of word vectors"),
        (("2 3", "the 1 2 3", "a 1 2 3"), "vectors of 3 numbers, but word_dim in the recipe is 2"),
        (("2 2", "the 1 2"), "1 vectors, and its first line says 2: cut off"),
        (("1 2", "the 1 2", "a 1 2"), "2 vectors, and its first line says 1"),
        (("2 2", "the 1 2", "a 1"), "line 3: 1 numbers behind the word instead of 2"),
        (("1 2", "the 1 x"), "line 2: something that is no number"),
        (("1 2", "the 1 inf"), "line 2: a number of the vector is not finite"),
        (("1 2", "the 1 1e300"), "line 2: a number of the vector is not finite"),
        (("1 2", "x" * 2**21 + " 1 2"), "a line of more than"),
        (("99999999999999 2", "the 1 2"), "line 1: no file of word vectors"),
        (("0 2",), "0 vectors|none of the corpus"),
    ],
)
def test_text_files_that_are_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        WordTable.build(TEXTS, settings(vectors=str(write_vec(tmp_path, *lines)), word_dim=2))
    assert "\n" not in str(caught.value)


def test_a_text_file_that_is_not_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "latin.vec").write_bytes(b"1 2\n\xe9 1 2\n")
    with pytest.raises(ModelError, match="line 2: not UTF-8"):
        read_vec(tmp_path / "latin.vec", frozenset(), 2)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_vec(tmp_path / "none.vec", frozenset(), 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import fasttext

    folder = tmp_path_factory.mktemp("fasttext")
    (folder / "texts.txt").write_text("the cell divides\nthe wall of a cell\n" * 20)
    trained = fasttext.train_unsupervised(
        str(folder / "texts.txt"), dim=4, minCount=1, bucket=30, epoch=1, thread=1, verbose=0
    )
    trained.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


def test_vectors_of_a_model_file_know_new_words(model: Path) -> None:
    import fasttext

    vectors = read_bin(model, ["cell", "celli"], 4)
    trained = fasttext.load_model(str(model))
    for word in ("cell", "celli"):
        np.testing.assert_array_equal(vectors[word], trained.get_word_vector(word))
    table = WordTable.build(TEXTS, settings(vectors=str(model), word_dim=4))
    assert table.coverage == 1


def test_model_files_that_are_refused(model: Path, tmp_path: Path) -> None:
    content, path = model.read_bytes(), tmp_path / "bad.bin"
    # fastText itself would hang on the first ones and give zeros for the last ones.
    for bad in (
        b"",
        content[:70],
        content[:130],
        content[: len(content) // 2],
        content[:-1],
        content + b"x",
        b"x" * 500,
    ):
        path.write_bytes(bad)
        with pytest.raises(ModelError, match="no model of fastText, or damaged"):
            read_bin(path, ["cell"], 4)
    with pytest.raises(ModelError, match="vectors of 4 numbers, but word_dim in the recipe is 5"):
        read_bin(model, ["cell"], 5)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_bin(tmp_path / "none.bin", ["cell"], 4)


def test_nothing_to_learn_from() -> None:
    errors: list[tuple[list[str], PaperTextSettings, type[AbsIndexError], str]] = [
        (["...", ""], settings(), CorpusError, "no words"),
        (TEXTS, settings(vectors="words.txt"), UsageError, "give 'train', or a file that ends with .vec or .bin"),
    ]
    for texts, chosen, kind, message in errors:
        with pytest.raises(kind, match=message):
            WordTable.build(texts, chosen)
