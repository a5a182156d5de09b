"""What learners might hand in, a file each: the task, and the solved function."""
