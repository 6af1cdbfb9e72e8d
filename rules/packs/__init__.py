"""The rule packs that ship with Beforehand, each with its promtool tests beside it."""
