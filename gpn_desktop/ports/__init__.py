"""What the inside needs from the outside, as protocols owned by the inside. Domain types only."""
