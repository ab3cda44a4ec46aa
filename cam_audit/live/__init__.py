"""A camera, and what the net looks at in its pictures, while they come."""
