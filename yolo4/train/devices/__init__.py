"""The devices that train together: which they are, and how they share a step."""
