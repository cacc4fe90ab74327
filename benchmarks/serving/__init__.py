"""The same loads on Minerva's runner, on llama-cpp-python's own `Llama` and, if `LLAMA_SERVER` names
one, on a llama-server: one table, one run, one model. `make bench` prints it."""
