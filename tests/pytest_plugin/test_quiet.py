"""What grows and is no leak: a suite of such tests, none of which may be blamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow  # each starts a pytest that runs its tests some thirty times

Run = Callable[..., pytest.RunResult]

SUITE = """
import abc, functools, gc, json, linecache, logging, re, threading, typing, uuid, warnings
import pytest

MEMO = {}
log = logging.getLogger("shop")

@functools.lru_cache
def squared(number):
    return [number] * 10

class Parser:
    known = {}
    def parse(self, key):
        return self.known.setdefault(key, json.loads('{"a": [1, 2, 3]}'))

@pytest.fixture(scope="session")
def store():
    return {}
@pytest.fixture(scope="module")
def table():
    return []
@pytest.fixture(scope="class")
def shelf():
    return []
@pytest.fixture
def boxes():
    made = [bytearray(100) for _ in range(10)]
    yield made
    made.clear()

def test_lru_cache():
    [squared(number) for number in range(50)]
def test_lru_cache_that_fills_with_new_keys():
    squared(str(uuid.uuid4()))
def test_cache_of_patterns():
    re.compile(str(uuid.uuid4()))
def test_memo_of_a_class():
    Parser().parse("a")
def test_memo_of_a_module():
    MEMO.setdefault("a", [1] * 100)
def test_fills_a_session_fixture(store):
    store.setdefault("a", bytearray(1000))
def test_fills_a_module_fixture(table):
    if not table:
        table.extend(bytearray(50) for _ in range(100))
class TestShelf:
    def test_fills_a_class_fixture(self, shelf):
        if not shelf:
            shelf.append(object())
    def test_once_more(self, shelf, boxes):
        self.mine = list(boxes)
def test_logging(caplog):
    caplog.set_level(logging.DEBUG)
    log.debug("order %s", uuid.uuid4())
    assert len(caplog.records) == 1
def test_warnings():
    warnings.warn(f"order {uuid.uuid4()}", stacklevel=1)
    with pytest.warns(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
def test_patches(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP", str(tmp_path))
    monkeypatch.setattr(Parser, "name", str(uuid.uuid4()), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("y" * 1000)
def test_captures(capsys):
    print("order" * 100)
    assert capsys.readouterr().out
def test_captures_descriptors(capfd):
    print("order" * 100)
    assert capfd.readouterr().out
def test_prints():
    print("order" * 1000)
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_sizes(size):
    bytearray(size)
def test_cycles():
    for _ in range(10):
        ring = []
        ring.append(ring)
def test_raises():
    with pytest.raises(KeyError):
        {}[str(uuid.uuid4())]
def test_thread():
    thread = threading.Thread(target=lambda: [bytearray(1000)])
    thread.start()
    thread.join()
def test_classes_and_their_caches():
    class Order(abc.ABC):
        pass
    typing.Optional[Order], typing.List[Order]
    isinstance(Order(), typing.Mapping)
def test_code():
    exec(compile("def order():\\n    return 1\\norder()", "<order>", "exec"), {})
def test_records_properties(record_property):
    record_property("order", str(uuid.uuid4()))
def test_asks_for_fixtures(request):
    assert request.getfixturevalue("boxes")
def test_collects():
    gc.collect()
def test_a_buffer_that_is_flushed():
    MEMO.setdefault("buffer", []).append(bytearray(10))
    if len(MEMO["buffer"]) >= 5:
        MEMO["buffer"].clear()
def test_a_ring_that_is_full_soon():
    ring = MEMO.setdefault("ring", [])
    ring.append(bytearray(10))
    del ring[:-6]
"""


def test_nothing_of_this_is_blamed(judged: Run) -> None:
    result = judged(SUITE, "-v")

    outcomes = result.parseoutcomes()
    outcomes.pop("warnings", None)
    assert set(outcomes) == {"passed"}
    result.stdout.fnmatch_lines([f"{outcomes['passed']} tests judged, 0 leaking"])
    result.stdout.fnmatch_lines(["no leak: *test_lru_cache_that_fills_with_new_keys: * which has a bound"])


def test_nothing_of_this_is_blamed_by_workers(judged: Run) -> None:
    pytest.importorskip("xdist")
    result = judged(SUITE, "-n", "2", plugins=("xdist",))

    assert set(result.parseoutcomes()) - {"warnings", "warning"} == {"passed"}
    result.stdout.fnmatch_lines(["* tests judged, 0 leaking"])
