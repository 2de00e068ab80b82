"""What the commands share: flags, the choice of a backend, Ctrl-C, and how a command ends."""
