"""Who is told of an incident, against whom it really touched: evidence beside subscriptions to components."""
