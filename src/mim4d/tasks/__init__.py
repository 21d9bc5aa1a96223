"""What a pre-trained trunk is for: each task in a file of its own, and one line here.

TASKS holds names and places only, so that the command line answers without importing torch; only
the one that is wanted is imported. What a task must have is said in `task`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mim4d.tasks.task import TaskType

TASKS = {
    "bev_segmentation": "mim4d.tasks.bev_segmentation:BevSegmentation",
    "vehicles": "mim4d.tasks.vehicles:Vehicles",
    "detection": "mim4d.tasks.detection.task:Detection",
    "hd_map": "mim4d.tasks.hd_map:HdMap",
    "occupancy": "mim4d.tasks.occupancy:Occupancy",
}
"""Name of each task, and module and class that it is."""


def find_task(name: str) -> "TaskType":
    """The class of the task of that name.

    Raises:
        ValueError: If there is none.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; there are: {', '.join(TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    task: TaskType = getattr(import_module(module), attribute)
    return task
