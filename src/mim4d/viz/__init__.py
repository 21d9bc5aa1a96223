"""Pictures: a clip, a rendering, a report."""
