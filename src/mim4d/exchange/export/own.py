"""The encoder under our own names, with all that is needed to build it in the head of the file.

One file holds image encoder, neck, depth head, volume convolution and, in its metadata, the
configuration; `mim4d.load_encoder(FILE)` makes a plain `nn.Module` of it. A folder has the same
configuration beside it as `config.json`, and is loaded the same way.
"""

from dataclasses import replace

from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig
from mim4d.config.as_json import config_to_json
from mim4d.exchange.export.exported import Exported, input_metadata
from mim4d.models.video_encoder import VideoEncoder
from mim4d.runs.loading import EMBEDDED_CONFIG
from mim4d.version import installed_version

_LOAD = """from mim4d import load_encoder, single_frame

encoder = load_encoder("{weights}")
clip = single_frame(images, intrinsics, ego_from_camera)
volumes = encoder(clip)"""


def to_safetensors(encoder: VideoEncoder, config: PretrainConfig) -> Exported:
    """Everything the encoder has, and its configuration without the names of local files."""
    clip = replace(config.clip, body_masks=None, sky_masks=None)
    shared = replace(without_weights_file(config), clip=clip)
    config_json = config_to_json(shared)
    metadata = {EMBEDDED_CONFIG: config_json, "mim4d_version": installed_version()}
    return Exported(
        encoder.state_dict(),
        model="mim4d.VideoEncoder: image encoder, neck, depth head, lifting, volume convolution",
        load=_LOAD,
        metadata=metadata | input_metadata(encoder.image_encoder),
        config=config_json,
    )
