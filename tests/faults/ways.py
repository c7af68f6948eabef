"""Every way in which a call to the outside may go wrong, by the place where the call goes."""

from datetime import timedelta

import stripe as library

from infra.local.faults import Crash, Faults
from infra.local.stripe_desk import Answer

OUTAGE = timedelta(hours=30)
LAG = timedelta(minutes=2)
SKEW = timedelta(minutes=5)
SLOW = {"stripe": timedelta(seconds=20), "store": timedelta(seconds=12), "queue": timedelta(seconds=3)}
"""How long a client waits before it gives up, its own tries included."""
QUEUED = {"delayed": timedelta(minutes=15), "redriven": timedelta(days=3)}
"""When a message comes that was delayed, or lay among the dead letters until somebody offered it again."""

_READ = ("crash_before", "request_lost", "throttled", "error_500_before", "rival")
_EFFECT = (*_READ, "crash_after", "answer_lost", "error_500_after", "conflict", "late", "outage", "time_out")
_POST = (*_EFFECT, "mismatch", "stripe_down")

KINDS = {
    "store.get": _READ,
    "store.query": _READ,
    "store.commit": (*_EFFECT, "answer_lost_once", "index_lag"),
    "queue.send": ("crash_before", "crash_after", "request_lost", "answer_lost", "throttled", "error_500_before",
                   "doubled", *QUEUED),
    "queue.delete": ("request_lost",),
    "stripe.create": _POST,
    "stripe.confirm": _POST,
    "stripe.cancel": _POST,
    "stripe.refund": _POST,
    "stripe.get": (*_READ, "stripe_down"),
    "stripe.list": (*_READ, "stripe_down"),
    "stripe.other": _POST,
    "stripe.read": (*_READ, "stripe_down"),
    "webhook": ("request_lost", "answer_lost", "dropped", "doubled", "held", "held_for_days"),
    "invoke": ("crash_before", "skew_ahead", "skew_behind"),
}  # fmt: skip
"""What may happen to a call, by where it goes. Of a read the request or the answer may get lost: it is the same."""

_LOST = frozenset(("request_lost", "answer_lost", "answer_lost_once", "late", "outage", "stripe_down"))
_OURS = frozenset(("throttled", "conflict", "error_500_before", "error_500_after"))
"""What the stand-in for Stripe does by itself."""


def kinds_at(where, meanwhile=()):
    """What may go wrong with a call to a place; in mid-flight the outside may act as well."""
    acting = () if where in ("webhook", "invoke", "queue.delete") else [f"meanwhile:{what}" for what in meanwhile]
    return (*KINDS[where], *acting)


def telling_kinds_at(where):
    """The same without what looks the same to whoever calls: of a read, one that fails and a rival."""
    return ("request_lost", "rival") if KINDS[where] == _READ else kinds_at(where)


class Numbered(Faults):
    """Faults by the number of the call that they strike, of all calls that a stage makes."""

    stage = None
    _how = None  # the fault of the last call to AWS, while its client tries again

    def take(self, where):
        """How the call that is made now fails, if it does."""
        return self.stage.number(where)

    def around(self, where, call, ways):
        """A call to AWS. What a client tries again by itself is one call: it fails each time, or just once."""
        if self.stage.repeated:
            return self._again(where, call, ways)
        self._how = how = self.take(where)
        return call() if how is None else self.strike(how, where, call, ways)

    def _again(self, where, call, ways):
        if self._how in _OURS:
            before = "error_500_before" if self._how == "error_500_after" else self._how
            return super().strike(before, where, call, ways)
        return ways.lost() if self._how in _LOST - {"answer_lost_once"} else call()

    def strike(self, how, where, call, ways):
        """Make a call that fails in a certain way."""
        service = where.partition(".")[0]
        if service == "stripe" and how in _OURS:
            self.stage.stripe.fail_next("stripe.other" if where == "stripe.read" else where, how)
            return call()
        if how in _LOST:
            self.stage.takes(SLOW[service] if how != "answer_lost_once" else timedelta(seconds=1))
        special = getattr(self, f"_{how.partition(':')[0]}", None)
        return special(how, call, ways) if special else super().strike(how, where, call, ways)

    def _rival(self, _how, call, _ways):
        """Everything else that is due is done just now, by others."""
        self.stage.meanwhile(self.stage.turn)
        return call()

    def _meanwhile(self, how, call, _ways):
        """The customer, the seller or the payer does something just now."""
        self.stage.meanwhile(lambda: self.stage.acts(how.partition(":")[2]))
        return call()

    def _answer_lost_once(self, _how, call, ways):
        call()
        return ways.lost()

    def _outage(self, _how, call, ways):
        """It is done, but nobody hears of it; and for thirty hours nothing of ours runs."""
        call()
        self.stage.stop(OUTAGE)
        return ways.lost()

    def _stripe_down(self, _how, call, ways):
        """It is done, but nobody hears of it; and for thirty hours Stripe answers nothing."""
        call()
        self.stage.stripe_down_until = self.stage.now + OUTAGE
        return ways.lost()

    def _time_out(self, _how, call, _ways):
        """It is done, but Lambda's patience is at its end."""
        call()
        self.stage.now = max(self.stage.now, self.stage.deadline)
        raise Crash

    def _mismatch(self, _how, call, _ways):
        """It is done, and the key is said to belong to another request: what an upgrade of a library may do."""
        call()
        sentence = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        error = library.util.json.dumps({"error": {"message": sentence, "type": "idempotency_error"}})
        return Answer(400, {"Content-Type": "application/json"}, error.encode())

    def _index_lag(self, _how, call, _ways):
        """It is written, but for two minutes the indexes tell how things were."""
        return self.stage.lagging(LAG, call)

    def _doubled(self, _how, call, _ways):
        return self.stage.sends(call, self.stage.queues.double)

    def _delayed(self, how, call, _ways):
        def later(_, message):
            message.visible_at += QUEUED[how]

        return self.stage.sends(call, later)

    _redriven = _delayed
