"""Imported first by the process whose forks children.forks_of gives, because it runs no code of ours but imports."""

from longtake.schemas.garbage import collect_seldom

collect_seldom()
