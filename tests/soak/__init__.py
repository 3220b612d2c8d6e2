"""A network of real processes under a steady load for as long as one likes: what grows, what gets lost."""
