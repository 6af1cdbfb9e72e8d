"""What the agent answers over HTTP, on loopback alone: Prometheus' API, probes, metrics and itself."""
