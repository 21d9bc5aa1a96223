import torch

from mim4d.models.channel_norm import ChannelLayerNorm


def test_hand_numbers() -> None:
    norm = ChannelLayerNorm(2, eps=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 10.0]))
    # Two channels (1, 5): mean 3, standard deviation 2, hence (-1, 1).
    assert norm(torch.tensor([[1.0, 5.0]])).tolist() == [[-1.0, 12.0]]


def test_every_position_is_normalised_by_itself(seed: torch.Generator) -> None:
    norm = ChannelLayerNorm(5)
    volume = torch.randn(2, 5, 3, 4, 6, generator=seed)
    out = norm(volume)
    assert out.shape == volume.shape
    position = volume[1, :, 2, 0, 3]
    expected = (position - position.mean()) / (position.var(correction=0) + 1e-6).sqrt()
    torch.testing.assert_close(out[1, :, 2, 0, 3], expected)
