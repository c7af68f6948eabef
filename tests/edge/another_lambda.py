"""Another Lambda at work on the same table: in between the reading and the writing of this one, or beside it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter


class Meanwhile:
    """Before each of the next commits of a world, something else is done, as by another Lambda."""

    def __init__(self, world):
        self.store = world.cloud.store
        self.waiting = []
        self.normally = self.store.fault
        self.store.fault = self._call

    def happens(self, *things):
        """One thing before each of the next commits."""
        self.waiting += things

    def _call(self, where, call):
        if where == "store.commit" and self.waiting:
            thing = self.waiting.pop(0)
            self.store.fault = self.normally
            with memory_of_its_own():
                thing()
            self.store.fault = self._call
        return self.normally(where, call)


@contextmanager
def memory_of_its_own():
    """Powertools keeps the event of a request in the class: of each Lambda, there."""
    kept = BaseRouter.current_event, BaseRouter.lambda_context
    yield
    BaseRouter.current_event, BaseRouter.lambda_context = kept


def side_by_side(*things):
    """Do all of it at once, each in a thread of its own, from the same moment."""
    together = Barrier(len(things))

    def run(thing):
        together.wait()
        return thing()

    with ThreadPoolExecutor(len(things)) as pool:
        return [done.result() for done in [pool.submit(run, thing) for thing in things]]
