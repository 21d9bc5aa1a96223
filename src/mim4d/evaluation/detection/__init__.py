"""Detections judged: a submission file or a model's boxes, against a data set's annotations."""
