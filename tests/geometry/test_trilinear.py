import torch

from mim4d.geometry.trilinear import corner_products, corner_rows, neighbours


def test_between_two_centres_by_hand() -> None:
    near = neighbours(torch.tensor([[1.25], [0.0]]), (4, 3))
    assert near.index[:, :, 0].tolist() == [[1, 2], [0, 1]]
    assert near.weight[:, :, 0].tolist() == [[0.75, 0.25], [1.0, 0.0]]
    assert (near.inside == 1).all()


def test_beyond_the_last_centre_values_fade_and_then_are_gone() -> None:
    near = neighbours(torch.tensor([[-0.25, 3.25, 3.9, 4.5, 1e12, -1e12]]), (4,))
    kept = near.weight[0].sum(dim=0)
    torch.testing.assert_close(kept, torch.tensor([0.75, 0.75, 0.1, 0.0, 0.0, 0.0]))
    assert ((near.index >= 0) & (near.index < 4)).all()


def test_a_position_that_is_no_number_stays_none() -> None:
    near = neighbours(torch.tensor([[torch.nan]]), (4,))
    assert near.weight.isnan().all()
    assert near.index[0, :, 0].tolist() == [0, 1]


def test_weights_are_differentiable_in_the_positions() -> None:
    position = torch.tensor([[0.3, 2.6]], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([1.0, 4.0, 2.0, 8.0], dtype=torch.float64)
    near = neighbours(position, (4,))
    (near.weight[0] * values[near.index[0].long()]).sum().backward()
    assert position.grad is not None
    torch.testing.assert_close(position.grad, torch.tensor([[3.0, 6.0]], dtype=torch.float64))


def test_corners_of_voxels_interpolate_a_linear_volume() -> None:
    shape_xyz = (4, 3, 5)
    x, y, z = (torch.arange(n, dtype=torch.float32) for n in shape_xyz)
    table = (x + 10 * y[:, None] + 100 * z[:, None, None]).flatten()
    tables = torch.cat([table, table + 1000])  # two volumes
    places = torch.tensor([[1.5, 0.25], [1.0, 1.75], [2.5, 3.5]])
    near = neighbours(places, shape_xyz)
    rows = corner_rows(near.index, torch.tensor([0, 60], dtype=torch.int32), shape_xyz)
    looked = (tables[rows.long()].T * corner_products(*near.weight)).sum(dim=0)
    torch.testing.assert_close(looked, torch.tensor([261.5, 1367.75]))
