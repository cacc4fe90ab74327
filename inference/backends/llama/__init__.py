"""The parts of the llama.cpp back end. All of them import llama_cpp: only a runner may load them."""
