"""What is known of the kernel itself: its build, its folders, its functions, its doors."""
