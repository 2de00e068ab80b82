"""The networks: every published AlexNet as data, its variants, and the way from data to layers."""
