"""One file, one Lambda function, or the two ends of one queue."""
