from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abs_index.indexing.vectors import Vectors, VectorSettings, VectorWriter, faiss, unit

DIM = 8
FLAT = VectorSettings(shard_bytes=4 * DIM * 50)
LISTS = VectorSettings(shard_bytes=4 * DIM * 50, flat_limit=100, probes=2)


def write(
    folder: Path, vectors: np.ndarray, present: np.ndarray | None = None, layout: VectorSettings = FLAT
) -> Vectors:
    writer = VectorWriter(folder, vectors.shape[1], layout)
    present = np.ones(len(vectors), dtype=bool) if present is None else present
    for start in range(0, len(vectors), 37):
        writer.add(vectors[start : start + 37], present[start : start + 37])
    writer.close()
    return Vectors(folder, vectors.shape[1], layout)


def some_vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def brute_force(vectors: np.ndarray, query: np.ndarray, k: int, mask: np.ndarray) -> list[int]:
    scores = unit(vectors)[0] @ unit(query[None])[0][0]
    order = np.lexsort((np.arange(len(scores)), -scores))
    return [int(row) for row in order if mask[row]][:k]


@pytest.mark.parametrize("layout", [FLAT, LISTS])
@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.0, 0.005, 0.3, 0.99, 1.0]),
    k=st.integers(1, 300),
)
def test_a_masked_search_is_exactly_brute_force_over_what_the_mask_allows(
    layout: VectorSettings, seed: int, share: float, k: int
) -> None:
    vectors = some_vectors(230, seed)
    mask = np.random.default_rng(seed + 1).random(len(vectors)) < share
    query = some_vectors(1, seed + 2)[0]
    with TemporaryDirectory() as folder:
        opened = write(Path(folder) / "v", vectors, layout=layout)
        (found,) = opened.nearest(query, k, mask)
        opened.close()
    assert found.ordinals.tolist() == brute_force(vectors, query, k, mask)
    np.testing.assert_allclose(found.scores, unit(vectors)[0][found.ordinals] @ unit(query[None])[0][0], atol=1e-5)


def test_without_a_mask_flat_shards_give_what_brute_force_gives(tmp_path: Path) -> None:
    vectors = some_vectors(230)
    everything = np.ones(len(vectors), dtype=bool)
    found = write(tmp_path / "v", vectors).nearest(some_vectors(25, 9), 7)
    assert [each.ordinals.tolist() for each in found] == [
        brute_force(vectors, query, 7, everything) for query in some_vectors(25, 9)
    ]


def test_lists_find_nearly_everything_among_vectors_that_form_groups(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    centres = random.standard_normal((20, DIM)) * 5
    vectors = (centres[random.integers(0, 20, 2000)] + random.standard_normal((2000, DIM))).astype(np.float32)
    opened = write(tmp_path / "v", vectors, layout=VectorSettings(4 * DIM * 300, flat_limit=100, probes=8))
    everything = np.ones(len(vectors), dtype=bool)
    kept = [
        len(set(opened.nearest(query, 10)[0].ordinals.tolist()) & set(brute_force(vectors, query, 10, everything)))
        for query in vectors[:50]
    ]
    assert (tmp_path / "v" / "centres.faiss").exists()
    assert np.mean(kept) > 9


def test_vectors_without_a_direction_are_left_out_and_the_others_keep_their_ordinals(tmp_path: Path) -> None:
    vectors = some_vectors(6)
    vectors[1] = 0
    vectors[2, 3] = np.nan
    vectors[3, 0] = np.inf
    vectors[4] = 1e-30  # its squared length is 0 in single precision
    writer = VectorWriter(tmp_path / "v", DIM)
    writer.add(vectors, np.ones(6, dtype=bool))
    writer.close()
    opened = Vectors(tmp_path / "v", DIM)
    (found,) = opened.nearest(vectors[0], 10)
    assert found.ordinals[0] == 0
    assert sorted(found.ordinals.tolist()) == [0, 4, 5]
    assert np.isfinite(found.scores).all()
    assert np.abs(found.scores).max() <= 1 + 1e-6
    assert writer.refused == 3
    assert opened.vector(2) is None


def test_missing_vectors_take_an_ordinal_and_are_not_counted_as_refused(tmp_path: Path) -> None:
    vectors = some_vectors(120)
    present = np.arange(120) % 3 > 0
    opened = write(tmp_path / "v", vectors, present)
    assert len(opened) == 80
    assert opened.nearest(vectors[100], 1)[0].ordinals.tolist() == [100]
    assert opened.vector(99) is None
    np.testing.assert_allclose(opened.vector(100), unit(vectors[100:101])[0][0], atol=1e-6)


@pytest.mark.parametrize("layout", [FLAT, LISTS])
def test_the_vector_of_an_ordinal_is_the_one_that_was_added(tmp_path: Path, layout: VectorSettings) -> None:
    vectors = some_vectors(230)
    opened = write(tmp_path / "v", vectors, layout=layout)
    for ordinal in (0, 49, 50, 229):
        np.testing.assert_allclose(opened.vector(ordinal), unit(vectors[ordinal : ordinal + 1])[0][0], atol=1e-6)
    assert opened.vector(230) is None


def test_more_results_than_vectors_gives_each_once(tmp_path: Path) -> None:
    opened = write(tmp_path / "v", some_vectors(3))
    (found,) = opened.nearest(some_vectors(1, 5), 10)
    assert sorted(found.ordinals.tolist()) == [0, 1, 2]
    assert np.abs(found.scores).max() <= 1 + 1e-6


@pytest.mark.parametrize("queries", [1, 25])
def test_an_empty_index_gives_no_results(tmp_path: Path, queries: int) -> None:
    opened = write(tmp_path / "v", np.zeros((0, DIM), dtype=np.float32))
    found = opened.nearest(some_vectors(queries), 3)
    assert [len(each.ordinals) for each in found] == [0] * queries


def test_only_vectors_without_a_direction_give_no_results(tmp_path: Path) -> None:
    opened = write(tmp_path / "v", np.zeros((5, DIM), dtype=np.float32))
    assert [len(each.ordinals) for each in opened.nearest(some_vectors(25), 3)] == [0] * 25


def test_many_queries_at_once_with_a_mask(tmp_path: Path) -> None:
    vectors = some_vectors(230)
    mask = np.arange(230) % 7 == 0
    found = write(tmp_path / "v", vectors).nearest(vectors[:25], 4, mask)
    assert [each.ordinals.tolist() for each in found] == [brute_force(vectors, q, 4, mask) for q in vectors[:25]]


def test_a_query_without_a_direction_is_refused(tmp_path: Path) -> None:
    opened = write(tmp_path / "v", some_vectors(3))
    with pytest.raises(ValueError, match="no direction"):
        opened.nearest(np.full(DIM, np.nan, dtype=np.float32), 3)


def test_equal_vectors_come_in_the_order_of_their_ordinals(tmp_path: Path) -> None:
    opened = write(tmp_path / "v", np.repeat(some_vectors(1), 8, axis=0))
    (found,) = opened.nearest(some_vectors(1), 8)
    assert sorted(found.ordinals.tolist()) == list(range(8))


def test_writing_holds_one_shard_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "v", some_vectors(230))
    shards = sorted((tmp_path / "v").glob("shard-*"))
    assert len(shards) == 5
    assert max(path.stat().st_size for path in shards) <= FLAT.shard_bytes + 100


def test_faiss_does_not_talk(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "v", some_vectors(230), layout=LISTS).nearest(some_vectors(1), 3)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, make: Callable[[object, int], object]) -> None:
    """As if `faiss-gpu` were installed and a GPU were there; its class and ours are called in the same way."""
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatIP", make, raising=False)


@pytest.mark.parametrize("layout", [FLAT, LISTS])
def test_a_gpu_searches_all_vectors_and_filters_stay_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: VectorSettings
) -> None:
    made: list[object] = []

    def make(resources: object, dim: int) -> object:
        made.append(faiss.IndexFlatIP(dim))
        return made[0]

    pretend_gpu(monkeypatch, make)
    vectors = some_vectors(230)
    opened = write(tmp_path / "v", vectors, layout=layout)
    everything = np.ones(len(vectors), dtype=bool)
    mask = np.arange(230) % 7 == 0
    for k in (1, 7, 5000):
        found = opened.nearest(some_vectors(3, 9), k)
        assert [each.ordinals.tolist() for each in found] == [
            brute_force(vectors, query, k, everything) for query in some_vectors(3, 9)
        ]
        (filtered,) = opened.nearest(vectors[0], k, mask)
        assert filtered.ordinals.tolist() == brute_force(vectors, vectors[0], k, mask)
    assert len(made) == 1
    assert opened.nearest(vectors[0], 0)[0].ordinals.tolist() == []


def test_vectors_that_do_not_fit_on_a_gpu_stay_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(resources: object, dim: int) -> object:
        raise RuntimeError("out of memory\n at Gpu.cpp")

    pretend_gpu(monkeypatch, fail)
    vectors = some_vectors(230)
    assert write(tmp_path / "v", vectors).nearest(vectors[4], 1)[0].ordinals.tolist() == [4]
    assert [record.message for record in caplog.records] == ["vectors stay on the CPU: out of memory"]


@pytest.mark.gpu
def test_a_real_gpu_finds_what_the_cpu_finds(tmp_path: Path) -> None:
    if not faiss.get_num_gpus():
        pytest.skip("no GPU, or faiss-gpu is not installed")
    vectors = some_vectors(5000)
    opened = write(tmp_path / "v", vectors, layout=VectorSettings())
    everything = np.ones(len(vectors), dtype=bool)
    for query in some_vectors(5, 9):
        assert opened.nearest(query, 10)[0].ordinals.tolist() == brute_force(vectors, query, 10, everything)
    assert opened._on_gpu is not None
