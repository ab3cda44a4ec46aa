"""What a process decodes is there to be read by the process that it was forked from, after it has died."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from cam_audit.errors import ImageError
from cam_audit.images import being_decoded
from cam_audit.images.being_decoded import CrashLog, Decoding

ODD = "photos/\udcff\n 1 2 \u0416" + "x" * 4000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_the_other_process_reads_what_was_under_way_when_this_one_died() -> None:
    seen = CrashLog({}, ())
    expected = {Decoding("first.jpg", 1600), Decoding(ODD), Decoding("masks/a b.png", is_mask=True)}
    child = os.fork()
    if not child:
        with contextlib.ExitStack() as stack:
            for number in range(100):
                with seen.noting(Decoding(f"done/{number}.jpg", 800)):
                    pass
            for file in expected:
                stack.enter_context(seen.noting(file))
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    under_way = seen.under_way()
    assert set(under_way.values()) == expected
    assert seen.numbers() == set(under_way)


def test_every_decode_has_a_number_of_its_own_and_leaves_nothing() -> None:
    seen = CrashLog({}, ())
    numbers: list[set[int]] = []
    for _ in range(3):
        with contextlib.suppress(ZeroDivisionError), seen.noting(Decoding("again.jpg")):
            numbers.append(seen.numbers())
            raise ZeroDivisionError
        assert seen.under_way() == {}
    assert len(set.union(*numbers)) == sum(map(len, numbers)) == 3


def test_threads_do_not_get_into_each_others_way() -> None:
    seen = CrashLog({}, ())
    wrong: list[object] = []

    def work(name: str) -> None:
        for number in range(300):
            file = Decoding(f"{name}/{number}" * 20, number + 1)
            with seen.noting(file):
                if list(seen.under_way().values()).count(file) != 1:
                    wrong.append(file)

    threads = [threading.Thread(target=work, args=(str(name),)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen.under_way() == {}


def test_a_fatal_file_is_not_decoded_and_a_harmless_one_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(being_decoded, "_log", None)
    seen = CrashLog({"bad.png": "it bites"}, {"good.png"})
    with being_decoded.decoding("bad.png"):
        assert seen.under_way() == {}
    being_decoded.write_to(seen)
    with pytest.raises(ImageError, match="it bites"), being_decoded.decoding("bad.png", is_mask=True):
        pytest.fail("decoded")
    for path in ("good.png", ""):
        with being_decoded.decoding(path, 800):
            assert seen.under_way() == {}
    with being_decoded.decoding("other.png", 800):
        assert set(seen.under_way().values()) == {Decoding("other.png", 800)}
