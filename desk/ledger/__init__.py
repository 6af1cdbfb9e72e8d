"""Who was told when, and whether before they told us: rows that only grow, and the figures from them."""
