"""The desk beside Debian's Alertmanager: what a kill loses or doubles, what an alert costs, and a storm."""
