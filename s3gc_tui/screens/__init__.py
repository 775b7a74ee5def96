"""The dashboard's screens, one a file; imported when they are first opened."""
