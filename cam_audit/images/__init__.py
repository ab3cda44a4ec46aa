"""Pictures: found in a folder, decoded, resized, written as PNG."""
