"""Whether people are told before they report: simulated episodes, and a real desk with many readers."""
