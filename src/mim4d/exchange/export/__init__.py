"""A trained encoder under the names that other frameworks load, with a model card beside it."""
