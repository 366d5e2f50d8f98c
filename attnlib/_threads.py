"""Threads for the NumPy kernel, which end with the call that made them."""

import collections
import concurrent.futures
import contextlib
import functools
import os
import threading


def run_all(function, tasks, threads):
    """Call function(task, rooms) on every task, in threads that end with the call.

    `rooms` is a dict of the thread's own.
    """
    threads = min(threads, len(tasks))
    if threads == 1 or blas_controller() is None:
        rooms = {}
        for task in tasks:
            function(task, rooms)
        return
    waiting = collections.deque(tasks)

    def work():
        rooms = {}
        while True:
            try:
                task = waiting.popleft()  # one thread at a time gets each
            except IndexError:
                return
            function(task, rooms)

    with one_blas_thread, concurrent.futures.ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()  # raises what was raised there


def thread_count():
    """OMP_NUM_THREADS, or the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdigit() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class OneBlasThread:
    """Holds BLAS to one thread while any call is inside; the last one out lets go."""

    def __init__(self):
        self.start_afresh()

    def start_afresh(self):
        """No call is inside, and nobody holds the lock."""
        self.lock, self.inside, self.limit = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.limit = blas_controller().limit(limits=1)

    def __exit__(self, *exception):
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()

    def forget(self):
        """Let go in a forked child, which has none of its parent's other threads."""
        if self.inside:
            self.limit.restore_original_limits()
        self.start_afresh()


one_blas_thread = OneBlasThread()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=one_blas_thread.forget)


@functools.cache
def blas_controller():
    """Return what can hold BLAS to one thread, or None without threadpoolctl."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController().select(user_api="blas")
