"""The desk: from alerts to incidents, and from incidents to exactly the people whom they touch."""
