"""Commands that people type, a module each; ``agent.commands`` parses their words."""
