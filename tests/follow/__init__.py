"""Following change streams: real servers, real kills."""
