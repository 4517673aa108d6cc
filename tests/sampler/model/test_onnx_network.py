"""The CPU's network in 8 bits: near the one in torch, and no row knows of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sampler.model.kv_cache import KeyValues, join
from sampler.model.network import Forward, Segment
from sampler.model.onnx_network import OnnxNetwork, prepare_files
from tests.support.tiny_gguf import tiny_qwen

TOKENS = torch.tensor([5, 17, 99, 200, 3, 42, 42, 150, 7, 80, 81, 33])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("kernels") / "a")


def prepared(folder: Path) -> Path:
    backbone = tiny_qwen()
    prepare_files(folder, backbone.config, lambda name: np.array_split(backbone.get_parameter(name).numpy(), 3))
    return folder


@pytest.fixture(scope="module")
def network(folder: Path) -> OnnxNetwork:
    return OnnxNetwork(folder, tiny_qwen().config, 1)


def read(network: OnnxNetwork, tokens: Tensor, start: int, *past: KeyValues, is_causal: bool = True) -> Forward:
    positions = torch.arange(start, start + len(tokens))
    return network.read(tokens, positions, [Segment(len(tokens), past, is_causal)])


@pytest.mark.parametrize("is_causal", [True, False])
def test_it_is_near_the_one_in_torch(network: OnnxNetwork, is_causal: bool) -> None:
    exact = tiny_qwen().read(TOKENS, torch.arange(12), [Segment(12, (), is_causal)])
    found = read(network, TOKENS, 0, is_causal=is_causal)
    near = torch.nn.functional.cosine_similarity(found.hidden, exact.hidden)
    assert near.min() > 0.99
    logits = network.logits(found.hidden), tiny_qwen().logits(exact.hidden)
    assert torch.nn.functional.cosine_similarity(*logits).min() > 0.99


def test_reading_on_gives_what_reading_at_once_does(network: OnnxNetwork) -> None:
    """So that a draft may be checked by equality, and a cache kept for ever."""
    whole = read(network, TOKENS, 0)
    head = read(network, TOKENS[:5], 0).key_values(0)
    middle = read(network, TOKENS[5:9], 5, head).key_values(0)
    for past in ((head, middle), (join([head, middle]),), (head.head(5), middle)):
        rest = read(network, TOKENS[9:], 9, *past)
        assert torch.allclose(rest.hidden, whole.hidden[9:], atol=1e-4)


def test_rows_do_not_know_of_each_other(network: OnnxNetwork) -> None:
    head, other = (read(network, tokens, 0).key_values(0) for tokens in (TOKENS[:5], TOKENS[3:7]))
    alone = [read(network, TOKENS[5:8], 5, head), read(network, TOKENS[8:], 4, other, is_causal=False)]
    shared = read(network, TOKENS[:2], 5, head)
    tokens = torch.cat([TOKENS[5:8], TOKENS[8:]])
    segments = [Segment(3, (head,), True), Segment(4, (other,), False)]
    both = network.read(tokens, torch.tensor([5, 6, 7, 4, 5, 6, 7]), segments)
    for i, part in enumerate((slice(0, 3), slice(3, 7))):
        assert torch.allclose(both.hidden[part], alone[i].hidden, atol=1e-4)
        assert torch.allclose(both.key_values(i).keys, alone[i].key_values(0).keys, atol=1e-4)
    tokens, segments = torch.cat([TOKENS[5:8], TOKENS[:2]]), [Segment(3, (head,), True), Segment(2, (head,), True)]
    both = network.read(tokens, torch.tensor([5, 6, 7, 5, 6]), segments)
    assert torch.allclose(both.hidden, torch.cat([alone[0].hidden, shared.hidden]), atol=1e-4)


def test_who_sees_whom_may_be_said(network: OnnxNetwork) -> None:
    seen = torch.tensor([[True, False, False], [True, True, False], [True, False, True]])
    found = network.read(TOKENS[:3], torch.tensor([0, 1, 1]), [Segment(3, (), True, seen)])
    apart = network.read(TOKENS[[0, 2]], torch.tensor([0, 1]), [Segment(2, (), True)])
    assert torch.allclose(found.hidden[[0, 2]], apart.hidden, atol=1e-4)


@pytest.mark.parametrize("name", ["trunk.data", "manifest.json", "head.onnx"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, name: str) -> None:
    folder = prepared(tmp_path / "a")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:10])
    prepared(folder)
    assert (folder / name).read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_runtime_reports_nothing_and_keeps_no_id_of_the_machine(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sampler.model.onnx_network import OnnxNetwork;"
        "from tests.support.tiny_gguf import tiny_qwen; OnnxNetwork(Path(sys.argv[1]), tiny_qwen().config, 1)"
    )
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=True)
    assert not list(tmp_path.iterdir())
