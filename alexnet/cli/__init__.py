"""Code that the commands share: flags, the choice of a backend, Ctrl-C, and exit codes."""
