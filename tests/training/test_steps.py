"""The order of the examples and the learning rate, step by step."""

import pytest

from abs_index.recipe import ScheduleSettings
from abs_index.training.steps import batch_rows, learning_rate

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
