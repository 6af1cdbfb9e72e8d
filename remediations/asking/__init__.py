"""Approvals: what people are asked, what they answer, and what their answers are worth."""
