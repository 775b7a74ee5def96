"""What the dashboard shows and asks for, as values; nothing here knows Textual."""
