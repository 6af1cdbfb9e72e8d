"""The pings of jobs: heard, remembered over a restart, and told to the probes that wait for them."""
