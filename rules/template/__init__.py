"""Templates of labels and annotations, as Prometheus and Go print them."""
