"""What programs and staff ask over HTTP, and what a Prometheus reads."""
