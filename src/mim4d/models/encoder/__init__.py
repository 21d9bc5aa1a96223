"""The masked image encoder: patch masks, and one explicit forward per family of networks."""
