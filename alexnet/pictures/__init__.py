"""Pictures of what a network sees in images, and of what it has learned."""
