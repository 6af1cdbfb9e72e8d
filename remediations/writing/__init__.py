"""What a playbook says, read strictly: tasks, conditions, loops, and the questions in its middle."""
