"""Rule tests as promtool runs them: written series in, what was expected compared with what came."""
