"""Why an alert is as it is: the walk with each reason, as data and as text."""
