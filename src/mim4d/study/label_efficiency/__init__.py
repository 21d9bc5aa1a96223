"""What a pre-training is worth on one's own data: the label-efficiency study (docs/study.md).

In reading order: `request` says what is asked for, `scenes` which scenes are labelled and which
judge, `arms` what is compared, `plan` the single runs, `checks` what is refused before the first of
them, `cost` what they take. `search` chooses learning rates, `measure` trains and measures a run,
`evidence` is what it leaves, scene by scene. `bootstrap` and `labels_saved` are the statistics,
`summarise` puts them together, `declared` says what they are about, `write` makes tables, picture
and page. `study` runs it all.
"""
