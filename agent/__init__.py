"""The daemon and its command line: the only place where probes, rules and remediations meet."""
