import gc

from carina.cli.imports import large_imports


class Chained:
    def __init__(self) -> None:
        self.own = self


def test_what_is_made_inside_is_not_searched_and_the_collector_goes_on() -> None:
    before = gc.get_freeze_count()
    with large_imports():
        assert not gc.isenabled()
        kept = Chained()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    assert not any(one is kept for one in gc.get_objects())
    gc.unfreeze()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with large_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
