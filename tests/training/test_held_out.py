"""What is cut off to decide by, where labels have no validation pairs."""

from collections import Counter

import pytest

from abs_index.errors import LabelsError
from abs_index.labels import ABS
from abs_index.training.held_out import split_pairs
from abs_index.training.labelled import LabelledPair


def make(count: int, *, documents: int = 0, images: int = 100, split: str = "train") -> list[LabelledPair]:
    made = [
        {
            "text": f"Text {number}.",
            "image": f"{number % images}.png",
            "abs": ABS[number // 7 % 3],
            "document": f"d{number % documents}" if documents else None,
            "split": split,
        }
        for number in range(count)
    ]
    return [LabelledPair.model_validate(one) for one in made]


def test_given_validation_pairs_are_taken_and_test_pairs_never() -> None:
    pairs = make(30) + make(5, split="validation") + make(5, split="test")
    training, validation = split_pairs(pairs, 0.5, 1)
    assert (training, validation) == (pairs[:30], pairs[30:35])


def test_whole_documents_are_cut_off_always_the_same() -> None:
    pairs = make(200, documents=20)
    training, validation = split_pairs(pairs, 0.15, 1)
    assert 0.15 <= len(validation) / 200 <= 0.225
    assert not {pair.document for pair in training} & {pair.document for pair in validation}
    assert sorted(training + validation, key=pairs.index) == pairs
    assert split_pairs(pairs[::-1], 0.15, 1)[1] == validation[::-1]
    assert split_pairs(pairs, 0.15, 2)[1] != validation


def test_without_documents_pairs_of_an_image_stay_together() -> None:
    for pairs in (make(60, images=12), make(60, documents=1, images=12)):
        training, validation = split_pairs(pairs, 0.25, 1)
        assert Counter(pair.image for pair in validation).most_common()[-1][1] == 5
        assert not {pair.image for pair in training} & {pair.image for pair in validation}


def test_of_documents_that_are_all_large_one_is_cut_off() -> None:
    training, validation = split_pairs(make(60, documents=2), 0.1, 1)
    assert len(training) == len(validation) == 30


def test_where_nothing_can_be_cut_off_it_is_said() -> None:
    with pytest.raises(LabelsError, match="all pairs to train on have the same image"):
        split_pairs(make(30, images=1), 0.2, 1)
    lonely = [pair.model_copy(update={"abs": ABS[number % 2]}) for number, pair in enumerate(make(2))]
    with pytest.raises(LabelsError, match="at least two different labels"):
        split_pairs(lonely, 0.2, 1)
