"""Every command of the command line: its options, and what runs it.

Each group of commands has a file of its own. Heavy imports stand inside the functions that run,
so that help and mistakes are answered at once.
"""

from mim4d.cli.ablate import Ablate, ablate
from mim4d.cli.bench import (
    BenchCost,
    BenchLoad,
    BenchMemory,
    BenchParts,
    BenchReport,
    BenchStep,
    bench_cost,
    bench_load,
    bench_memory,
    bench_parts,
    bench_report,
    bench_step,
)
from mim4d.cli.command import Command
from mim4d.cli.completion import Completion, completion
from mim4d.cli.data import (
    Check,
    Doctor,
    Gallery,
    Split,
    View,
    check,
    doctor,
    gallery,
    split,
    view,
)
from mim4d.cli.demo import Demo, DemoTasks, demo, demo_tasks
from mim4d.cli.evaluate import Evaluate, evaluate
from mim4d.cli.exchange import Export, ImportOfficial, export, import_official
from mim4d.cli.finetune import Finetune, finetune
from mim4d.cli.import_data import (
    ImportAv2,
    ImportRig,
    ImportVideo,
    import_av2,
    import_rig,
    import_video,
)
from mim4d.cli.predict import Predict, predict
from mim4d.cli.pretrain import Pretrain, pretrain
from mim4d.cli.render import Render, render
from mim4d.cli.runs import Runs, runs
from mim4d.cli.show_config import ShowConfig, ShowTaskConfig, show_config
from mim4d.cli.study import Study, study
from mim4d.cli.viewer import View3d, viewer
from mim4d.cli.world import World, world

GROUPS: dict[str, str] = {
    "import": "Write a data set in the nuScenes format from other recordings.",
    "bench": "Measure and calculate time and memory.",
}
"""Commands of two words, by the first."""

COMMANDS: dict[str, Command] = {
    "demo": Command(Demo, demo),
    "demo-tasks": Command(DemoTasks, demo_tasks),
    "world": Command(World, world),
    "view": Command(View, view),
    "gallery": Command(Gallery, gallery),
    "viewer": Command(View3d, viewer),
    "pretrain": Command(Pretrain, pretrain, takes_preset=True),
    "finetune": Command(Finetune, finetune, takes_preset=True, takes_task=True),
    "render": Command(Render, render),
    "predict": Command(Predict, predict),
    "import rig": Command(ImportRig, import_rig),
    "import video": Command(ImportVideo, import_video),
    "import av2": Command(ImportAv2, import_av2),
    "import-official": Command(ImportOfficial, import_official),
    "check": Command(Check, check),
    "doctor": Command(Doctor, doctor),
    "split": Command(Split, split),
    "evaluate": Command(Evaluate, evaluate),
    "ablate": Command(Ablate, ablate, takes_preset=True),
    "study": Command(Study, study),
    "export": Command(Export, export),
    "bench parts": Command(BenchParts, bench_parts),
    "bench report": Command(BenchReport, bench_report),
    "bench load": Command(BenchLoad, bench_load),
    "bench cost": Command(BenchCost, bench_cost, takes_preset=True),
    "bench memory": Command(BenchMemory, bench_memory, takes_preset=True),
    "bench step": Command(BenchStep, bench_step, takes_preset=True),
    "completion": Command(
        Completion, lambda options: completion(options, COMMANDS, GROUPS), is_light=True
    ),
    "runs": Command(Runs, runs, is_light=True),
    "show-config": Command(
        ShowConfig,
        show_config,
        takes_preset=True,
        is_light=True,
        of_task=Command(
            ShowTaskConfig, show_config, takes_preset=True, takes_task=True, is_light=True
        ),
    ),
}
