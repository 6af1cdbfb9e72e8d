"""How fast notices leave: an incident for a million people, planned, sent and written down."""
