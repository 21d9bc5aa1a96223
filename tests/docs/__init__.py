"""The documentation: what it shows can be run."""
