"""The networks: every published AlexNet as data, its variants, and their layers."""
