"""Parts of a training step, timed beside their twins or beside another checkout's.

Each side of a comparison runs in a process of its own, and the sides take turns. What runs there
(`worker`, `cases`, `scene`, `parameters`) is imported under the name `bench.parts` and finds the
library by name at run time, so that the very same yardstick measures any version of it.
"""
