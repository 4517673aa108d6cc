import pytest
import torch

from seedfill.training.loop.optimiser import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(32, 32), (16, 48), (48, 16)])
def test_orthogonalised_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_muon_solves_a_linear_problem() -> None:
    torch.manual_seed(0)
    goal = torch.randn(8, 8)
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    optimiser = Muon([weight], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        ((weight - goal) ** 2).sum().backward()
        optimiser.step()
    assert (weight - goal).abs().mean() < 0.1 * goal.abs().mean()
