"""What this machine can compute with: processor, memory, graphics processors, llama.cpp's build.

Frozen values, probed on demand; nothing here loads a model or imports an ML library. The set-up
(`scripts/`) imports `cpu` and `gpu` before anything is installed, so these two (and `cgroup`) use nothing but the
standard library, and this file imports nothing.
"""
