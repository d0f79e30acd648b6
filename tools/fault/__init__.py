"""What tools/faults.py breaks, and how it looks at what is left; see docs/reliability.md."""
