"""Class-balanced sampling on a data set where one class is seen in one scene only."""

import json
from collections import Counter
from pathlib import Path

import pytest

from mim4d.config.head import CentreHeadConfig
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.training.class_balance import balance_classes
from mim4d.training.sampling import StepKind, StepSampler, StepShape
from tests.data.tiny_dataset import write_tiny_dataset


def test_rare_classes_are_drawn_for_as_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIM4D_CACHE", str(tmp_path / "cache"))
    data = write_tiny_dataset(tmp_path / "data")
    dataset = NuscenesDataset(data, frames=1, key=0, image_hw=(32, 64))
    balance = balance_classes(dataset, seed=0)
    counts = balance.of_class
    assert counts["car"] > counts["barrier"] > 0
    draws = sum(counts.values()) // len(counts)
    assert len(balance.clips) == draws * len(counts)
    rare = {
        index
        for index in range(len(dataset))
        if (dataset[index].box_classes == dataset.category_names.index("movable_object.barrier"))
        .any()
        .item()
    }
    assert len(rare) == counts["barrier"]
    drawn = Counter(balance.clips)
    assert sum(drawn[index] for index in rare) >= draws
    assert f"{len(balance.clips)} draws an epoch" in str(balance)
    kinds = [StepKind(StepShape(1))] * len(balance.clips)
    sampler = StepSampler(len(dataset), kinds, seed=3, order=balance.clips)
    assert Counter(request.index for (request,) in sampler) == drawn
    table = data / "v1.0-mini" / "category.json"
    table.write_text(table.read_text().replace("vehicle.car", "tram").replace("barrier", "post"))
    assert json.loads(table.read_text())
    changed = NuscenesDataset(data, frames=1, key=0, image_hw=(32, 64))
    with pytest.raises(ValueError, match="detection needs boxes of its ten classes"):
        balance_classes(changed, seed=0)
    head = CentreHeadConfig(class_names=("tram=bus", "movable_object.post=barrier"))
    assert list(balance_classes(changed, 0, head).of_class)[-1] == "barrier"
