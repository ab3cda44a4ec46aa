"""How the process behaves: signals, memory, a fork that outlives crashing decoders, exit codes."""
