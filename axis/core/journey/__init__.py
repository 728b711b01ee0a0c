"""What became of a document (hành trình văn bản): what is read of it, the steps, and what a person can do next."""
