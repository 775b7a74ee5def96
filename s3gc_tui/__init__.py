"""The command line, batch jobs and the dashboard of s3gc."""
