"""Plain versions of the parts of a training step: the yardsticks of `mim4d bench parts`.

Each goes the way the published code does (MIM4D, arXiv 2403.08760), in torch's own operations,
with the weights of the part it is the twin of: values and gradients are equal, only the way is
another. They are frozen: a twin takes weights and geometry from the library and computes nothing
with it, so that making a part faster never makes its twin faster. Do not tune them.
"""
