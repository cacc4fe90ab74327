"""The parts of the llama.cpp back end. All of them import llama_cpp: only a runner may load them.

OpenMP's threads wait for each other by spinning. Where another process wants the same cores, the
one that is waited for does not run until the spinning ones have used up their time: a model on two
cores fell from 74 to 4 tokens a second beside one busy process, to 20 when they spin only shortly.
Alone on the machine that costs a few per cent of a small model. Read by libgomp when it is loaded.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")
