"""A small real world to try s3gc on: a real S3 server, a real database, a photo and blog app."""
