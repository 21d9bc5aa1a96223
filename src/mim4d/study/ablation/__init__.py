"""The method with one thing changed at a time, trained equally long and measured alike.

`rows` says what is changed, `ablate` trains and measures what is not there yet, `common_frames` has
the frames that all rows can rebuild, `measure` measures one run, `over_seeds` compares, `markdown`
and `picture` show it. Definitions: docs/measures.md.
"""
