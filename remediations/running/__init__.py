"""One run: step by step, on disk before and after, undone where that can be, and judged by its effect."""
