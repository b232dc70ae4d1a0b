"""What happens to a handle along each path of a function: neutral events, in order."""
