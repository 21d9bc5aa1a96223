"""The method with one thing changed at a time, trained equally long and measured alike.

`rows` says what is changed, `run` trains and measures whatever is not there yet, `targets` chooses
frames that all rows can rebuild, `measure` measures one run, `summary` compares over seeds, `table`
and `picture` show it. Definitions: docs/evaluation.md.
"""
