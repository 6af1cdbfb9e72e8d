"""The steps, each named by its version; a step that was released is never changed."""
