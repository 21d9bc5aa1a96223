"""What a pre-training is worth downstream: the vehicle head on few labelled scenes.

`arms` says what is compared, `yardstick` trains and measures what is not there yet, `counts` has
cells by scene and the bootstrap over scenes, `result` the table. Definitions: docs/evaluation.md.
"""
