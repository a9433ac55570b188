// Command lianmu is the hub and its tools: one binary, a subcommand a file.
package main

func main() {}
