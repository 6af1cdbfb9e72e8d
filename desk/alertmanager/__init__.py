"""The desk as an Alertmanager to its clients: silences, alerts as they show them, groups and webhooks."""
