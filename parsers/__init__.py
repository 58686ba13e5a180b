"""What logs look like: one module a format, found by being in this folder. See `contract` for how to write one."""
