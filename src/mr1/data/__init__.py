"""Data of one's own: rows of images, question and answer from files or the hub, as tasks."""
