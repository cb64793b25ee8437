"""The small facts travel as text and come back equal; what is missing or of another type is named."""

from __future__ import annotations

import json

import pytest
from builders import dump, live

from leakscope.model.dump import Death, Health
from leakscope.model.meta_text import read_meta, write_meta


def test_facts_and_health_come_back_equal() -> None:
    death = Death(kind="signal", signal=9, text="killed by SIGKILL")
    drawn = dump(live({"a.py:1": 10}), health=Health(collisions=2), death=death, argv=("ä.py", "-x"))

    assert read_meta(write_meta(drawn.meta, drawn.health)) == (drawn.meta, drawn.health)


def test_further_keys_are_ignored() -> None:
    drawn = dump(live({}))
    text = json.loads(write_meta(drawn.meta, drawn.health))
    text["colour"] = "blue"
    text["health"]["ledger_bytes"] = 4096

    assert read_meta(json.dumps(text)) == (drawn.meta, drawn.health)


@pytest.mark.parametrize(
    ("place", "key"), [(None, "pid"), (None, "death"), ("health", "collisions"), ("process", "rss_bytes")]
)
def test_a_key_that_is_missing_is_named(place: str | None, key: str) -> None:
    drawn = dump(live({}))
    text = json.loads(write_meta(drawn.meta, drawn.health))
    del (text if place is None else text[place])[key]

    with pytest.raises(ValueError, match=f"{key} is missing"):
        read_meta(json.dumps(text).encode())


def test_bytes_by_domain_are_kept_by_name() -> None:
    drawn = dump(live({"a.py:1": 10}, domain="raw") + live({"a.py:1": 20}, domain="mapping"))

    totals = read_meta(write_meta(drawn.meta, drawn.health))[0].totals

    assert totals.live_bytes_by_domain == {"raw": 10, "mem": 0, "obj": 0, "native": 0, "mapping": 20}
    assert totals.live_bytes == 30


def test_health_is_complete_if_nothing_was_dropped() -> None:
    assert Health(truncated_stacks=5, unknown_frees=1).complete
    assert not Health(dropped_blocks=1).complete
