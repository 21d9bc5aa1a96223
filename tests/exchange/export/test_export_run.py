import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import mim4d
from mim4d.cli import main
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.data.splits import official_splits
from mim4d.exchange.export.card import model_card
from mim4d.exchange.export.export_files import Target
from mim4d.exchange.export.export_run import convert, export_run
from mim4d.exchange.export.exported import Exported
from mim4d.exchange.official.checkpoint_layout import read_layout
from mim4d.exchange.official.run_folder import import_official
from mim4d.runs.loading import load_model
from mim4d.runs.record import read_config
from tests.exchange.export.cases import assert_same
from tests.exchange.official.conftest import metres_of, save
from tests.parity import GoldenFile
from tests.toy import toy_clip

TARGETS: tuple[Target, ...] = ("timm", "torchvision", "mmdet", "uvtr", "onnx", "safetensors")
WEIGHTS = {"mmdet": "model.pth", "uvtr": "model.pth", "onnx": "model.onnx"}
NORMS = ["output_norms.safetensors"]


def error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command leaves."""
    assert main(argv) == 2
    text = capsys.readouterr().err
    assert text.startswith("mim4d: error: ")
    assert text.count("\n") == 1
    return text


def copy_of(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "RUN"))


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph in a moment: the real one is made, and compared, in test_to_onnx.py."""
    monkeypatch.setattr("mim4d.exchange.export.to_onnx._graph", lambda encoder, names: b"graph")
    monkeypatch.setattr("mim4d.exchange.export.to_onnx._difference", lambda encoder, graph: 0.0)


@pytest.mark.usefixtures("no_onnx")
@pytest.mark.parametrize("target", TARGETS)
def test_writes_weights_and_card(
    target: Target, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(finished), "--to", target, "--out", str(out)]) == 0
    weights = WEIGHTS.get(target, "model.safetensors")
    norms = NORMS if target in ("timm", "torchvision") else []
    config = ["config.json"] if target in ("timm", "safetensors") else []
    names = [weights, *norms, *config, "README.md"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[-len(names) :] == [str(out / name) for name in names]
    card = (out / "README.md").read_text()
    assert f"# {weights}" in card
    assert "| preset | toy |" in card
    assert "2 optimiser steps, weights averaged over the steps" in card
    assert "mean [0.485, 0.456, 0.406] and standard deviation [0.229, 0.224, 0.225]" in card
    assert "64 × 96 pixels" in card
    assert f"mim4d {mim4d.__version__}" in card
    assert "{weights}" not in card
    assert str(finished) not in card
    # A sane file mode: what is made to be passed on can be read by others.
    (tmp_path / "plain").touch()
    assert (out / weights).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_encoder_of_a_run_can_be_read_by_others(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    encoder = finished / "encoder.safetensors"
    assert encoder.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_weights_are_those_that_evaluation_uses(finished: Path, tmp_path: Path) -> None:
    """The averaged ones, which here differ from the raw ones."""
    (path, *_), _ = export_run(finished, "safetensors", tmp_path / "encoder.safetensors")
    exported = load_file(path)
    averaged = load_model(finished)[0].encoder.state_dict()
    assert exported.keys() == averaged.keys()
    assert all(torch.equal(value, averaged[name]) for name, value in exported.items())
    raw = load_model(finished, raw=True)[0].encoder.state_dict()
    assert not all(torch.equal(value, raw[name]) for name, value in exported.items())


def test_whole_encoder_is_built_from_its_file_alone(finished: Path, tmp_path: Path) -> None:
    (path, *_), _ = export_run(finished, "safetensors", tmp_path / "out")
    moved = Path(shutil.move(path, tmp_path / "somewhere.safetensors"))
    encoder, clip = mim4d.load_encoder(moved), toy_clip(0)
    assert not encoder.training
    with torch.no_grad():
        assert torch.equal(encoder(clip), mim4d.load_encoder(finished)(clip))


def test_a_folder_in_hugging_faces_layout_is_read(finished: Path, tmp_path: Path) -> None:
    """Also where somebody has written the weights anew and lost the head of the file."""
    export_run(finished, "safetensors", tmp_path / "hub")
    encoder, clip = mim4d.load_encoder(tmp_path / "hub"), toy_clip(0)
    with torch.no_grad():
        assert torch.equal(encoder(clip), mim4d.load_encoder(finished)(clip))
    weights = tmp_path / "hub" / "model.safetensors"
    save_file(load_file(weights), weights)
    assert mim4d.load_encoder(tmp_path / "hub").grid == encoder.grid
    _, front, _ = (tmp_path / "hub" / "README.md").read_text().split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["library_name"] == "mim4d"
    assert "license" not in head  # whose data these were is not known


def test_timm_builds_the_model_from_its_folder(finished: Path, tmp_path: Path) -> None:
    """Sizes, weights and normalisation come from config.json alone, as from a model hub."""
    export_run(finished, "timm", tmp_path)
    model: Any = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    encoder: Any = mim4d.load_encoder(finished).image_encoder
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    about = model.pretrained_cfg
    mean, std = (torch.tensor(about[name])[:, None, None] for name in ("mean", "std"))
    with torch.no_grad():
        features = model.forward_features((images - mean) / std)
        assert_same([encoder.out_norms[-1](features)], encoder(images)[-1:])
    with pytest.raises(ValueError, match=r"config\.json"):
        mim4d.load_encoder(tmp_path)


def test_head_of_the_file_names_no_local_file(finished: Path, tmp_path: Path) -> None:
    config = read_config(finished)
    secret = Path("/home/someone/secret")
    config = replace(
        config,
        clip=replace(config.clip, body_masks=secret, sky_masks=secret),
        encoder=replace(config.encoder, weights_file=secret),
    )
    exported = convert(mim4d.load_encoder(finished), config, "safetensors")
    assert "secret" not in str(exported.metadata)
    kept = config_from_json(exported.metadata["mim4d_config"], "head")
    assert kept.grid == config.grid
    assert kept.encoder.widths == config.encoder.widths


def test_mmdet_file_is_what_mmcv_reads(finished: Path, tmp_path: Path) -> None:
    """Plain tensors under `state_dict`; newer loaders refuse anything but those."""
    (path, *_), _ = export_run(finished, "mmdet", tmp_path)
    file = torch.load(path, weights_only=True)
    assert file["meta"] == {"mim4d_version": mim4d.__version__, "preset": "toy"}
    names = file["state_dict"]
    assert {name.split(".")[0] for name in names} == {"img_backbone", "img_neck"}


def test_a_file_as_target_names_the_others_after_it(finished: Path, tmp_path: Path) -> None:
    files, _ = export_run(finished, "timm", tmp_path / "small.safetensors")
    assert [path.name for path in files] == [
        "small.safetensors",
        "small.output_norms.safetensors",
        "small.README.md",
    ]
    card = files[2].read_text()
    assert 'checkpoint_path="small.safetensors"' in card
    assert "`small.output_norms.safetensors` (norm1, norm2, norm3)" in card


def test_by_default_it_goes_into_the_run(finished: Path, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path)
    files, _ = export_run(run, "torchvision")
    assert files[0] == run / "export" / "torchvision" / "model.safetensors"


def test_existing_files_are_replaced_only_if_asked(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["export", str(finished), "--to", "timm", "--out", str(tmp_path)]
    (tmp_path / "README.md").write_text("mine")
    text = error(argv, capsys)
    assert "README.md: already exists" in text
    assert "--overwrite" in text
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert main([*argv, "--overwrite"]) == 0
    # What an earlier export left and this one does not have goes.
    argv[3] = "safetensors"
    assert main([*argv, "--overwrite"]) == 0
    left = ["README.md", "config.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    assert "load_encoder" in (tmp_path / "README.md").read_text()


def test_a_run_is_no_place_for_an_export(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its config.json would be replaced."""
    run = copy_of(finished, tmp_path)
    argv = ["export", str(run), "--to", "safetensors", "--out", str(run), "--overwrite"]
    assert "is a run" in error(argv, capsys)


def _unfinished(run: Path) -> None:
    (run / "encoder.safetensors").unlink()


def _no_run(run: Path) -> None:
    (run / "config.json").unlink()


def _damaged(run: Path) -> None:
    path = run / "encoder.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _other_model(run: Path) -> None:
    config = read_config(run)
    wider = replace(config.encoder, widths=(8, 16, 16, 24))
    (run / "config.json").write_text(config_to_json(replace(config, encoder=wider)))


def _ends_early(run: Path) -> None:
    config = read_config(run)
    early = replace(config.encoder, levels=(1, 2))
    (run / "config.json").write_text(config_to_json(replace(config, encoder=early)))
    keep = {
        name: value
        for name, value in load_file(run / "encoder.safetensors").items()
        if not any(part in name for part in ("stages.3.", "out_norms.2.", "laterals.2."))
    }
    save_file(keep, run / "encoder.safetensors")


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (_no_run, ["not a run folder", "mim4d pretrain"]),
        (_unfinished, ["encoder.safetensors: not found", "--resume"]),
        (_damaged, ["encoder.safetensors: does not fit"]),
        (_other_model, ["encoder.safetensors: does not fit", "config.json"]),
        (_ends_early, ["ends after stage 2", "--to safetensors"]),
    ],
)
def test_refused_runs_leave_nothing(
    damage: Any,
    parts: list[str],
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, out = copy_of(finished, tmp_path), tmp_path / "out"
    damage(run)
    assert main(["export", str(run), "--to", "timm", "--out", str(out)]) == 2
    text = capsys.readouterr().err
    assert all(part in text for part in parts), text
    assert not out.exists()


def test_wrong_endings_are_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, name, ending in (("mmdet", "a.safetensors", ".pth"), ("timm", "a.pth", ".saf")):
        argv = ["export", str(finished), "--to", target, "--out", str(tmp_path / name)]
        assert f"expected a file that ends in {ending}" in error(argv, capsys)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_export_is_not_loaded(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no configuration in its head.*--to safetensors"):
        mim4d.load_encoder(finished / "encoder.safetensors")
    (tmp_path / "text.safetensors").write_text("words")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        mim4d.load_encoder(tmp_path / "text.safetensors")


# --- the card ------------------------------------------------------------------------------------


def card_of(run: Path) -> str:
    return model_card(run, read_config(run), Exported({}, "model", "load"), "w", "n")


def test_card_says_what_is_known_of_the_data(finished: Path, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path)
    assert "Trained on 2 scenes of `tiny`, whose licence mim4d does not know" in card_of(run)
    world = tmp_path / "world"
    world.mkdir()
    (world / "README.md").write_text("# A synthetic drive, written by mim4d\n")
    edit(run / "record.json", data=str(world))
    assert "2 scenes of a synthetic world that mim4d made itself" in card_of(run)
    edit(run / "record.json", data="/gone", training_scenes=sorted(official_splits()["train"])[:3])
    assert "3 scenes of nuScenes" in card_of(run)
    assert "non-commercial" in card_of(run)
    (run / "record.json").unlink()
    assert "an unknown number of scenes of a data set that was not recorded" in card_of(run)


def test_an_imported_release_comes_out_as_it_went_in(
    golden: Callable[[str], GoldenFile], tmp_path: Path
) -> None:
    """Backbone, neck and depth head under their own names, bit for bit."""
    state = golden("pretrain_full_a.in").part("weights")
    run = tmp_path / "RUN"
    import_official(save(state, tmp_path / "official.pth"), run, "raw", metres_of)
    (path, *_, card), _ = export_run(run, "uvtr", tmp_path / "out")
    exported = torch.load(path, weights_only=True)["state_dict"]
    parts = ("img_backbone.", "img_neck.", "input_proj.", "depth_net.")
    expected = {name for name in state if name.startswith(parts)}
    levels = read_layout({name: value.shape for name, value in state.items()}).levels
    stages = "".join(map(str, levels))
    pattern = rf"img_backbone\.(mtoken.*|norm[^{stages}]\..*)"
    unread = {name for name in expected if re.fullmatch(pattern, name)}
    assert exported.keys() == expected - unread
    assert all(torch.equal(value, state[name]) for name, value in exported.items())
    text = card.read_text()
    assert "by MIM4D's authors (raw weights of their checkpoint)" in text
    assert "700 scenes of nuScenes" in text
    assert "the authors' release, whose licence counts as well" in text


def test_card_names_the_weights_it_started_from(finished: Path) -> None:
    config = read_config(finished)
    exported = Exported({}, "model", "load")
    encoder = replace(config.encoder, weights_file=Path("/data/imagenet.pth"))
    card = model_card(finished, replace(config, encoder=encoder), exported, "w", "n")
    assert "started from the weights in `imagenet.pth`; their licence" in card
    assert "/data" not in card


def test_card_has_the_metrics_of_an_evaluation(finished: Path, tmp_path: Path) -> None:
    run = copy_of(finished, tmp_path)
    assert "has not been evaluated" in card_of(run)
    direct = {"abs_rel": 0.2091, "rmse": 3.7933, "delta_1": 0.7315, "psnr_db": None}
    evaluation = {"held_out": True, "num_clips": 36, "scenes": ["a", "b"], "truth": "exact"}
    content = evaluation | {"baseline": 0.3205, "rows": {"direct": direct, "flat_ground": direct}}
    (run / "evaluation.json").write_text(json.dumps(content))
    card = card_of(run)
    assert "over 36 clips of\n2 held-out scenes (truth: exact)" in card
    assert "Lowest AbsRel without any training: 0.321" in card
    assert "| direct volume | 0.209 | 3.793 | 0.732 | unknown |" in card
    assert card.count("0.209") == 1


def test_head_says_what_the_images_must_be(finished: Path, tmp_path: Path) -> None:
    (path, *_), _ = export_run(finished, "timm", tmp_path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    assert json.loads(metadata["mean"]) == [0.485, 0.456, 0.406]
    assert metadata["colours"] == "RGB in [0, 1]"
