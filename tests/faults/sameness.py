"""Whether two runs are the same: to the last byte, or in all that their future depends on."""

import hashlib
import json


def digest(stage):
    """A fingerprint of the table and of Stripe's account, to the last byte."""
    bank = vars(stage.stripe._account)
    return _hash([stage.store.items("prorata"), {name: bank[name] for name in bank.keys() - {"now"}}])


def future(stage):
    """A fingerprint of all that the future depends on, if nothing is struck any more.

    Two runs of a script that have the same go on in the same way: where one has come to a good end, the other
    will. Left out is what nobody reads again: the audit trail, and the ids of requests, messages and events.
    """
    then = (None if stage.firing else stage._next_instant()) or stage.now
    bank, desk = vars(stage.stripe._account), stage.stripe._desk
    table = stage.store.table("prorata")
    items = [entry.item for key, entry in sorted(table.base.entries.items()) if not key[1].startswith("EVENT#")]
    return _hash(
        [
            [then, max(then, stage.stopped_until), max(then, stage.stripe_down_until)],
            [stage.firing, stage._reconciled],
            [[at, id(act)] for at, act in stage._later],
            items,
            [sorted(index.partitions.items()) for index in table.indexes.values()],
            [(name, each.body, each.visible_at, each.receives) for name in stage.template.queues
             for each in stage.queues.messages(name)],
            [(each.at, each.tries, _told(json.loads(each.body))) for each in stage.deliveries._waiting],
            {name: bank[name] for name in bank.keys() - {"now", "request", "events", "outbox"}},
            [_told(event) for event in (*bank["events"].values(), *bank["outbox"])],
            [(key, kept.request.params, kept.at, kept.answer and kept.answer.body)
             for key, kept in desk._kept.items()],
            [sorted(map(repr, memory.items())) for memory in stage.watch.state()[0]],
        ]
    )  # fmt: skip


def _told(event):
    return event["type"], event["created"], event["data"]["object"]["id"]


def _hash(parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).digest()
