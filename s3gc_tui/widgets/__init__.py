"""What the dashboard is drawn with, one widget a file."""
