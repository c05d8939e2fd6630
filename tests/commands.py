"""The commands of the program by their names, for tests of all of them."""

from __future__ import annotations

from typing import Any


def named_commands(group: Any, prefix: str = "") -> dict[str, Any]:
    """Every command of a group, and of the groups in it: `build`, `es`, `es up`."""
    commands: dict[str, Any] = {}
    for name, command in group.commands.items():
        commands[prefix + name] = command
        if hasattr(command, "commands"):
            commands |= named_commands(command, f"{prefix}{name} ")
    return commands
