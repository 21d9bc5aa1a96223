"""Parts of a training step, timed beside their twins or beside another checkout's.

Each side of a comparison runs in a process of its own, and the sides take turns. What runs there
(`worker`, `case`, `cases`, `configuration`, `library`, `parameters`, `scene`) is imported under the
name `bench.parts` and finds the library's things by name, so that the very same yardstick measures
any version of it.
"""
