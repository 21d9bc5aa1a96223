"""Random changes of training clips, with exact geometry."""
