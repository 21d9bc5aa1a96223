"""Names of weights in the authors' checkpoints and in ours, as pairs of templates.

`{s}` in a template stands for one word between dots (or part of one). Each pair is read in both
directions, so that what is imported can be written back. Official names are those of the
complete detector (`img_backbone.*`, `history_decoder.*`, ...), ours those of `MaskedVideoModel`.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable

Form = Literal["same", "linear", "token", "rows", "frames", "colours", "sharpness", "classes"]
"""How a value changes beside its name; `values.py` says how."""

_BACKBONE, _NECK, _DEPTH = "encoder.image_encoder", "encoder.neck", "encoder.depth_head"
_FIELD = "pts_bbox_head.render_model.field"


@runtime_checkable
class Named(Protocol):
    """What the names depend on; `OfficialLayout` has it, and so has `Naming`."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Stages of the backbone that the neck reads."""
        ...

    @property
    def neck_outputs(self) -> int:
        """Maps that the neck puts out."""
        ...

    @property
    def colour_layers(self) -> int:
        """Linear layers of the colour network; 0 without one."""
        ...


@dataclass(frozen=True)
class Naming:
    """The names of a model of ours; see `Named`."""

    levels: tuple[int, ...]
    neck_outputs: int
    colour_layers: int = 0


@dataclass(frozen=True)
class Rule:
    """One pair of templates.

    Attributes:
        official: Template of the official name.
        ours: Template of our name, with the same placeholders; a `rows` rule has `{row}` in its
            official template only.
        form: How the value changes.
    """

    official: str
    ours: str
    form: Form = "same"

    @cached_property
    def from_official(self) -> re.Pattern[str]:
        """Matches official names."""
        return _pattern(self.official)

    @cached_property
    def from_ours(self) -> re.Pattern[str]:
        """Matches our names."""
        return _pattern(self.ours)


@dataclass(frozen=True)
class Place:
    """Where an official value goes.

    Attributes:
        name: Our name.
        form: How the value changes.
        row: Which part of the rows of our matrix it is, if of form `rows`.
    """

    name: str
    form: Form = "same"
    row: int = 0


def _pattern(template: str) -> re.Pattern[str]:
    words = re.split(r"\{(\w+)\}", template)
    parts = [
        re.escape(word) if index % 2 == 0 else rf"(?P<{word}>[^.]+)"
        for index, word in enumerate(words)
    ]
    return re.compile("".join(parts))


def place_of(official: str, rules: tuple[Rule, ...]) -> Place | None:
    """Where an official name goes: the first rule that fits decides; None if none does."""
    for rule in rules:
        if match := rule.from_official.fullmatch(official):
            words = match.groupdict()
            return Place(rule.ours.format(**words), rule.form, int(words.get("row", 0)))
    return None


def official_name(ours: str, rules: tuple[Rule, ...]) -> tuple[str, Form] | None:
    """The official name of one of our names, and the form of its value; None if it has none.

    Of a matrix that joins the rows of several, `{row}` is left in the name.
    """
    for rule in rules:
        if match := rule.from_ours.fullmatch(ours):
            return rule.official.format(row="{row}", **match.groupdict()), rule.form
    return None


def rules_of(names: Named) -> tuple[Rule, ...]:
    """All rules of a model: its backbone's outputs and its colour network's last layer differ."""
    return (
        *_backbone_rules(names.levels),
        *_neck_rules(len(names.levels), names.neck_outputs),
        *_DEPTH_RULES,
        Rule("render_conv.0.{w}", "encoder.volume_conv.conv.{w}"),
        Rule("render_conv.1.{w}", "encoder.volume_conv.norm.{w}"),
        Rule("view_trans.conv_layer.{i}.0.{w}", "encoder.volume_conv.{i}.conv.{w}"),
        Rule("view_trans.conv_layer.{i}.1.{w}", "encoder.volume_conv.{i}.norm.{w}"),
        *_DECODER_RULES,
        *QUERY_HEAD_RULES,
        *_field_rules(names.colour_layers),
    )


def _backbone_rules(levels: tuple[int, ...]) -> list[Rule]:
    block, ours = "img_backbone.stages.{s}.{b}", f"{_BACKBONE}.stages.{{s}}.blocks.{{b}}"
    rules = [
        Rule("img_backbone.downsample_layers.0.{i}.{w}", f"{_BACKBONE}.stem.{{i}}.{{w}}"),
        Rule(
            "img_backbone.downsample_layers.{s}.{i}.{w}",
            f"{_BACKBONE}.stages.{{s}}.downsample.{{i}}.{{w}}",
        ),
        Rule(f"{block}.gamma", f"{ours}.gamma"),
        Rule(f"{block}.dwconv.{{w}}", f"{ours}.conv_dw.{{w}}"),
        Rule(f"{block}.norm.{{w}}", f"{ours}.norm.{{w}}"),
        Rule(f"{block}.pwconv{{i}}.{{w}}", f"{ours}.mlp.fc{{i}}.{{w}}"),
    ]
    for output, stage in enumerate(levels):
        rules += [
            Rule(f"img_backbone.norm{stage}.{{w}}", f"{_BACKBONE}.out_norms.{output}.{{w}}"),
            Rule(f"img_backbone.mtoken{stage}", f"{_BACKBONE}.mask_tokens.{output}", "token"),
        ]
    return rules


def _neck_rules(num_inputs: int, num_outputs: int) -> list[Rule]:
    rules = [Rule("img_neck.lateral_convs.{i}.conv.{w}", f"{_NECK}.laterals.{{i}}.{{w}}")]
    for output in range(num_outputs):
        extra = output - num_inputs
        ours = f"outputs.{output}" if extra < 0 else f"extras.{extra}"
        rules.append(Rule(f"img_neck.fpn_convs.{output}.conv.{{w}}", f"{_NECK}.{ours}.{{w}}"))
    return rules


def _net(official: str, ours: str) -> Rule:
    return Rule(f"depth_net.{official}", f"{_DEPTH}.depth_net.{ours}")


_DEPTH_RULES = (
    Rule("input_proj.{w}", f"{_DEPTH}.projection.{{w}}"),
    _net("{w}", "{w}"),
    _net("reduce_conv.{i}.{w}", "reduce.{i}.{w}"),
    *(
        rule
        for branch in range(4)
        for rule in (
            _net(
                f"depth_conv.3.aspp{branch + 1}.atrous_conv.{{w}}",
                f"aspp.branches.{branch}.0.{{w}}",
            ),
            _net(f"depth_conv.3.aspp{branch + 1}.bn.{{w}}", f"aspp.branches.{branch}.1.{{w}}"),
        )
    ),
    _net("depth_conv.3.global_avg_pool.1.{w}", "aspp.pooled.0.{w}"),
    _net("depth_conv.3.global_avg_pool.2.{w}", "aspp.pooled.1.{w}"),
    _net("depth_conv.3.conv1.{w}", "aspp.join.0.{w}"),
    _net("depth_conv.3.bn1.{w}", "aspp.join.1.{w}"),
    _net("depth_conv.4.{w}", "logits.{w}"),
    _net("depth_conv.{b}.conv{i}.{w}", "blocks.{b}.conv{i}.{w}"),
    _net("depth_conv.{b}.bn{i}.{w}", "blocks.{b}.norm{i}.{w}"),
)


def _layer(official: str, ours: str) -> Rule:
    return Rule(
        f"history_decoder.decoder_{{b}}.layers.{{l}}.{official}",
        f"decoder.{{b}}.layers.{{l}}.{ours}",
    )


_DECODER_RULES = (
    Rule("history_decoder.frame_embeds", "decoder.frame_embedding", "frames"),
    Rule("history_decoder.queries_{b}.weight", "decoder.{b}.query"),
    _layer("attentions.0.{p}.{w}", "attention.{p}.{w}"),
    _layer("norms.0.{w}", "attention_norm.{w}"),
    _layer("norms.1.{w}", "ffn_norm.{w}"),
    _layer("ffns.0.layers.0.0.{w}", "ffn.0.{w}"),
    _layer("ffns.0.layers.1.{w}", "ffn.2.{w}"),
    Rule("history_decoder.input_proj.{i}.{w}", "decoder.long_proj.{i}.{w}"),
    Rule("history_decoder.proj.0.weight", "decoder.proj.weight", "linear"),
    Rule("history_decoder.proj.1.{w}", "decoder.proj_norm.{w}"),
    Rule("history_decoder.output_proj.0.{w}", "decoder.output_proj.{w}"),
    Rule("history_decoder.output_proj.1.{w}", "decoder.output_norm.{w}"),
)


def _head(official: str, ours: str, form: Form = "same") -> Rule:
    return Rule(f"pts_bbox_head.{official}", f"head.{ours}", form)


def _query_layer(official: str, ours: str) -> Rule:
    return _head(f"transformer.decoder.layers.{{l}}.{official}", f"decoder.layers.{{l}}.{ours}")


QUERY_HEAD_RULES = (
    # Queries that are learned, and queries whose places are.
    _head("query_embedding.weight", "embedding.weight"),
    _head("transformer.reference_points.{w}", "place.{w}"),
    _head("reference_points.weight", "places.weight"),
    _head("query_embedding.{i}.{w}", "embed.{i}.{w}"),
    _query_layer("attentions.0.attn.out_proj.{w}", "attention.out_proj.{w}"),
    _query_layer("attentions.0.attn.{w}", "attention.{w}"),
    _query_layer("attentions.1.attention_weights.{w}", "look_up.weight.{w}"),
    _query_layer("attentions.1.output_proj.{w}", "look_up.project.{w}"),
    _query_layer("attentions.1.position_encoder.{i}.{w}", "look_up.embed_place.{i}.{w}"),
    _query_layer("ffns.0.layers.0.0.{w}", "ffn.0.{w}"),
    _query_layer("ffns.0.layers.1.{w}", "ffn.3.{w}"),
    _query_layer("norms.{i}.{w}", "norms.{i}.{w}"),
    _head("cls_branches.{l}.6.{w}", "decoder.class_branches.{l}.6.{w}", "classes"),
    _head("cls_branches.{l}.{i}.{w}", "decoder.class_branches.{l}.{i}.{w}"),
    _head("reg_branches.{l}.{i}.{w}", "decoder.box_branches.{l}.{i}.{w}"),
    _head("iou_branches.{l}.{i}.{w}", "decoder.overlap_branches.{l}.{i}.{w}"),
)


def _field_rules(colour_layers: int) -> list[Rule]:
    rules = []
    for theirs, name in (("sdf_decoder", "sdf_decoder"), ("rgb_decoder", "colour_decoder")):
        official, ours = f"{_FIELD}.{theirs}", f"renderer.field.{name}"
        if name == "colour_decoder":
            last = colour_layers - 1
            rules.append(
                Rule(f"{official}.lin{last}.{{w}}", f"{ours}.layers.{last}.{{w}}", "colours")
            )
        rules += [
            Rule(f"{official}.lin{{i}}.{{w}}", f"{ours}.layers.{{i}}.{{w}}"),
            Rule(f"{official}.fc_c.{{row}}.{{w}}", f"{ours}.from_features.{{w}}", "rows"),
            Rule(f"{official}.fc_p.{{w}}", f"{ours}.from_points.{{w}}"),
        ]
    variance = f"{_FIELD}.deviation_network.variance"
    return [*rules, Rule(variance, "renderer.field.sharpness_exponent", "sharpness")]
