"""Who is affected, worked out from evidence, and who would be, asked before anything happens."""
