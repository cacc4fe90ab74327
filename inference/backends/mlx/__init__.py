"""The parts of the MLX back end. All of them import mlx: only a runner may load them.

Our engine drives mlx-lm's models directly, with its KV caches, rather than its server or its
`BatchGenerator`: the models and caches change far less than those do, cancelling and joining take one
step of ours, and whatever the engine can do it can do here.
"""
