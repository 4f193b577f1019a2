"""What a run tells its user: lines on the terminal while it goes on, and a page when it is done."""
