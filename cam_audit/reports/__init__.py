"""What a scan came to, as documents and pages, from records alone; `formats` lists the formats of `--output`."""
