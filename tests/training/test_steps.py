"""The order of the examples, the learning rate, and the lengths of gradients, step by step."""

from pathlib import Path

import pytest
import torch

from abs_index.networks.paper.network import Classifier
from abs_index.paper_settings import ScheduleSettings
from abs_index.training.classify import ClassifierTask
from abs_index.training.loss_log import read_log
from abs_index.training.pair_batches import PairBatches
from abs_index.training.steps import Batch, batch_rows, learning_rate, train_steps
from tests.networks.paper_settings import TINY

SCHEDULE = ScheduleSettings(steps=11, batch_size=4, warm_up=3, learning_rate=0.1, log_every=1, checkpoint_every=1)


def test_every_example_once_before_any_comes_again() -> None:
    rows = [row for batch in batch_rows(10, SCHEDULE, 0) for row in batch]
    assert len(rows) == 44
    for start in range(0, 40, 10):
        assert sorted(rows[start : start + 10]) == list(range(10))
    assert rows[:10] != rows[10:20]


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert [len(batch) for batch in batch_rows(3, SCHEDULE, 9)] == [4, 4]


def test_the_order_hangs_on_seed_and_step_alone() -> None:
    whole = list(batch_rows(10, SCHEDULE, 0))
    assert list(batch_rows(10, SCHEDULE, 7)) == whole[7:]
    assert list(batch_rows(10, SCHEDULE.model_copy(update={"seed": 2}), 0)) != whole
    assert list(batch_rows(10, SCHEDULE, 11)) == []


def test_the_rate_rises_and_falls() -> None:
    rates = [learning_rate(SCHEDULE, step) for step in range(1, 12)]
    assert rates[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.001)
    assert learning_rate(SCHEDULE.model_copy(update={"warm_up": 0}), 11) == pytest.approx(0.001)


class FixedBatches(PairBatches):
    """Four examples that were made by chance, with labels of the last two fields or without."""

    def __init__(self, labelled: bool) -> None:
        some = torch.Generator().manual_seed(1)
        pixels = torch.randint(256, (4, 40, 40, 3), generator=some, dtype=torch.uint8)
        words = torch.randint(2, 10, (4, 2, 3), generator=some, dtype=torch.int32)
        more = [3, 2] if labelled else [-1, -1]
        self.batch = Batch(pixels, words, torch.tensor([[row % 3, *more] for row in range(4)]))

    def __len__(self) -> int:
        return len(self.batch)

    def load(self, rows: object) -> Batch:
        return self.batch


@pytest.mark.usefixtures("one_thread")
def test_what_kind_and_cmi_learn_does_not_shorten_the_gradient_of_the_papers_part(tmp_path: Path) -> None:
    clip = 1e-3
    schedule = SCHEDULE.model_copy(update={"steps": 1, "clip": clip})
    gradients, logged = [], []
    for labelled in (True, False):
        torch.manual_seed(0)
        network = Classifier(TINY, torch.randn(10, 7))
        (tmp_path / str(labelled)).mkdir()
        task = ClassifierTask(network, FixedBatches(labelled))
        train_steps(task, schedule, tmp_path / str(labelled), "x", torch.device("cpu"))
        gradients.append({name: one.grad for name, one in network.named_parameters() if one.grad is not None})
        logged.append(read_log(tmp_path / str(labelled))[0]["gradient"])
    added = {name for name in gradients[0] if name.startswith(("kind.", "cmi."))}
    for name in gradients[0].keys() - added:
        assert gradients[0][name].equal(gradients[1][name]), name
    assert logged[0] == logged[1] > clip
    for part in (gradients[0].keys() - added, {"kind.weight", "kind.bias"}, {"cmi.weight", "cmi.bias"}):
        length = torch.cat([gradients[0][name].flatten() for name in part]).norm()
        assert float(length) == pytest.approx(clip, rel=1e-2)
    assert not any(gradients[1][name].any() for name in added)
