"""The executors, a file each: a value of ``Executor`` at the top of a module here is one."""
