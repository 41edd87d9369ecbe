"""The garbage collector visits new objects only within the block, and is as before after it."""

import gc

from gensim_graph.system import present_objects_kept


def test_settings_are_restored():
    before = gc.get_threshold(), gc.get_freeze_count()
    with present_objects_kept():
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() != before[0]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_an_error_restores_them_too():
    before = gc.get_threshold(), gc.get_freeze_count()
    try:
        with present_objects_kept():
            raise OSError
    except OSError:
        pass
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_objects_that_a_program_froze_stay_frozen():
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        with present_objects_kept():
            pass
        assert gc.get_freeze_count() == count
    finally:
        gc.unfreeze()
