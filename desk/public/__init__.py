"""What programs of anybody may read: the status in the forms that readers of status pages know."""
