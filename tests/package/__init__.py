"""What `make package` builds, as somebody has it who has only that."""
