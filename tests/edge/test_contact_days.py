"""D3: contacts set and read around the midnights that do not exist, and between the two of one that comes twice."""

from datetime import datetime, timedelta

import pytest

from tests.edge.contact_world import ContactWorld, days

MIDNIGHTS = {  # the first instant of the day, and its day
    "America/Asuncion": ("2023-10-01T04:00:00Z", "2023-10-01", "2023-11-01"),
    "Asia/Amman": ("2016-03-31T22:00:00Z", "2016-04-01", "2016-05-01"),
    "America/Havana": ("2026-11-01T04:00:00Z", "2026-11-01", "2026-12-01"),
}
"""Of the first two the clocks go from 23:59 to 01:00; in Havana from 00:59 back to 00:00, for the second time."""
BETWEEN = [timedelta(0), timedelta(minutes=30), timedelta(minutes=59, seconds=59), timedelta(hours=1, minutes=1)]


@pytest.fixture(params=MIDNIGHTS)
def story(request):
    """Somebody who bought for a year ten days before such a midnight; then a second before it."""
    first, day, following = MIDNIGHTS[request.param]
    first = datetime.fromisoformat(first)
    world = ContactWorld((first - timedelta(days=10)).isoformat(), zone=request.param, term="year")
    world.sets("ann", "bob", "cyd")
    world.on((first - timedelta(seconds=1)).isoformat())
    return world, first, day, following


def test_d3_until_the_last_second_of_the_day_before_a_contact_counts_and_may_leave_on_that_day(story):
    world, first, day, following = story
    assert world.sets("ann", marketing=False)["until_next_update"] == day
    assert world.edit("GET", "/contacts/ann").json["marketing"] is True
    world.suddenly(first.isoformat())
    assert world.edit("GET", "/contacts/ann").json == {
        "id": "ann", "marketing": False, "until_next_update": None, "notice": None,
    }  # fmt: skip
    assert world.usage()["next_update_on"] == following


@pytest.mark.parametrize("later", BETWEEN)
def test_d3_set_at_any_time_of_that_day_it_counts_on_it_and_leaves_at_the_next_update_only(story, later):
    world, first, day, following = story
    world.sets("ann", "bob", marketing=False)
    world.suddenly((first + later).isoformat())
    assert world.sets("ann")["until_next_update"] is None, "it has left, and is set anew"
    assert world.sets("cyd", marketing=False)["until_next_update"] == following
    assert [world.edit("GET", f"/contacts/{name}").json["marketing"] for name in ("ann", "bob", "cyd")] == [
        True,
        False,
        True,
    ]
    world.on((first + timedelta(hours=3)).isoformat())
    assert [count for count in days(world) if count[0] == day] == [(day, 2, 3, 4)], "counted once"
    assert world.usage()["live"] == {"marketing": 2, "total": 3}
