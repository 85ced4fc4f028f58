"""Everything that touches the container engine: connection, images, rooms. Knows nothing of plans, LLMs or labels."""
