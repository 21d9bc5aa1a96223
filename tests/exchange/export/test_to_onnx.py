"""ONNX Runtime computes an exported graph as torch computes the encoder."""

from pathlib import Path

import pytest
import torch

from mim4d.exchange.export import to_onnx
from tests.conftest import ROOT
from tests.exchange.export.cases import image_encoder, run_lines, small


@pytest.mark.slow
def test_the_card_runs_and_gives_the_runs_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of images, of a size that the graph was not traced with."""
    config = small("convnext_atto")
    encoder = image_encoder(config)
    exported = to_onnx.to_onnx(encoder, config)
    assert exported.content is not None
    assert exported.difference is not None
    assert exported.difference < 1e-5
    lines = exported.load.replace("{weights}", "for_onnx/model.onnx")
    assert f"```python\n{lines}\n```" in (ROOT / "docs" / "use_the_encoder.md").read_text()
    (tmp_path / "for_onnx").mkdir()
    (tmp_path / "for_onnx" / "model.onnx").write_bytes(exported.content)
    monkeypatch.chdir(tmp_path)
    ran = run_lines(lines)
    assert [ran[name].shape[2:] for name in ("stage1", "stage2", "stage3")] == [
        (8, 12),
        (4, 6),
        (2, 3),
    ]
    assert all(size is None or isinstance(size, str) for size in _free(ran["session"]))
    with torch.no_grad():
        expected = encoder(torch.from_numpy(ran["images"]))
    for name, value in zip(("stage1", "stage2", "stage3"), expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(ran[name]), value, rtol=1e-3, atol=1e-4)

    monkeypatch.setattr(to_onnx, "_graph", lambda *_: exported.content)
    with torch.no_grad():
        for parameter in encoder.out_norms.parameters():
            parameter.add_(0.1)
    with pytest.raises(ValueError, match="differ from the run's"):
        to_onnx.to_onnx(encoder, config)


def _free(session) -> list[object]:
    shape = session.get_inputs()[0].shape
    assert shape[1] == 3
    return [shape[0], *shape[2:]]
