"""From alerts to one incident per service: decided purely, carried out in the store, amended by people."""
