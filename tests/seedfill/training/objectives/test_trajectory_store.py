import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from seedfill.training.objectives.trajectory import Rollout
from seedfill.training.objectives.trajectory_store import Candidates, StoreError, fill_store, is_usable, read_store
from tests.seedfill.training.objectives.test_trajectory import DOCUMENTS, MODEL, SHAPE

FEW = Candidates(n_samples=5, shard_samples=2, n_model=1, n_any_order=2, block_sizes=(4,), shape=SHAPE)


def test_what_is_missing_is_made_and_nothing_else(tmp_path: Path) -> None:
    made: list[int] = []
    assert fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1, shards=range(1, 2), on_shard=made.append) == 1
    kept = (tmp_path / "shard-00001.jsonl.gz").read_bytes()
    assert fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1, on_shard=made.append) == 2
    assert made == [1, 0, 2]
    assert (tmp_path / "shard-00001.jsonl.gz").read_bytes() == kept
    assert fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1) == 0
    assert not list(tmp_path.glob(".*"))


def test_shards_made_apart_are_the_shards_of_one_run(tmp_path: Path) -> None:
    for folder, parts in (("whole", [None]), ("apart", [range(2, 3), range(2)])):
        for shards in parts:
            fill_store(tmp_path / folder, MODEL, DOCUMENTS, FEW, seed=2, shards=shards)
    assert read_store(tmp_path / "whole") == read_store(tmp_path / "apart")


def test_stored_trajectories_are_documented_json(tmp_path: Path) -> None:
    fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1)
    found = read_store(tmp_path)
    assert {t.sample for t in found} == set(range(5))
    assert all(t.elbo is not None and t.elbo < 0 for t in found)
    line = json.loads(gzip.decompress((tmp_path / "shard-00000.jsonl.gz").read_bytes()).splitlines()[0])
    assert set(line) == {"sample", "source", "context", "tokens", "order", "block_size", "elbo"}
    manifest = json.loads((tmp_path / "trajectories.json").read_text())
    assert manifest["format"] == 1
    assert manifest["candidates"]["n_any_order"] == 2


def test_other_weights_or_candidates_are_refused(tmp_path: Path) -> None:
    fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1, shards=range(1))
    with pytest.raises(StoreError, match="differ in seed"):
        fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=2)
    with pytest.raises(StoreError, match="differ in candidates"):
        fill_store(tmp_path, MODEL, DOCUMENTS, replace(FEW, n_model=0), seed=1)


def test_damage_is_said_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no trajectories"):
        read_store(tmp_path)
    fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1, shards=range(1))
    path = tmp_path / "shard-00000.jsonl.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match="shard-00000"):
        read_store(tmp_path)
    (tmp_path / "trajectories.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        fill_store(tmp_path, MODEL, DOCUMENTS, FEW, seed=1)


def test_empty_and_endless_fills_are_no_candidates() -> None:
    assert is_usable(Rollout([7, 6], [0, 0], [-1.0, -1.0], 2, True))
    assert not is_usable(Rollout([6], [0], [-1.0], 2, True))
    assert not is_usable(Rollout([7, 7], [0, 0], [-1.0, -1.0], 2, False))
