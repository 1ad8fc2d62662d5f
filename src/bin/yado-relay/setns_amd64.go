package main

// setns(2), which Go's syscall package does not know.
const setnsNumber = 308
