"""The commands, one file each: its flags, its help with an example, what it calls and prints.

A module defines ``command``, a function with the flags as arguments, or ``app``, a family of commands. It imports
nothing heavy before the command runs: ``fallline --help`` reads the first line of every one.
"""
