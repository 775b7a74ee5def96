"""One sub-command a file; each has `async def run(context) -> ExitCode`."""
