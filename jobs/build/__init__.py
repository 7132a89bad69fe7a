"""The commands that plan and build."""
