"""What is measured: attention beside its peers, the course itself, and a GPU.

python -m benchmarks attention|gpu|course|page, or `make bench`.
"""
