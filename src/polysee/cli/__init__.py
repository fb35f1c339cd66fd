"""The command line: one file a command group. Only this package prints and exits."""
