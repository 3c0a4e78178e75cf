"""Calls between processes: what they come to, whoever dies, stops or gives up. Real processes."""
from workers import case, main, opened, until


def meet(a, b):
    """a calls pid 7 of b by slot 0."""
    b.do("listen", 7)
    a.do("join", 0, 1, 7)


LENGTHS = (0, 1, 47, 48, 49, 300, 5000, 70000, 1000000)


@case
def every_length_there_and_back(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        b.tell("serve", 7, 3 * len(LENGTHS), -1)
        for _ in range(3):
            for length in LENGTHS:
                assert a.do("call", 0, length, -1) == str(length)
        assert b.answer() == ("0", str(3 * len(LENGTHS)))
        assert b.stat("calls.late") == 0


@case
def tasks_call_and_answer(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        for who, what in ((("task",), ("task",)), (("task",), ()), ((), ("task",))):
            b.tell(*what, "serve", 7, len(LENGTHS), -1)
            for length in LENGTHS:
                assert a.do(*who, "call", 0, length, -1) == str(length)
            assert b.answer() == ("0", str(len(LENGTHS)))
        a.fails("ETIMEDOUT", "task", "call", 0, 10, 20)
        b.do("task", "keep", 7, -1)
        a.tell("task", "call", 0, 10, -1)
        b.do("keep", 7, -1)
        b.kill()
        assert a.answer()[0] == "EOWNERDEAD"


@case
def more_calls_than_there_are_places(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        b.tell("serve", 7, 500, -1)
        for n in range(500):
            assert a.do("call", 0, n, -1) == str(n)
        assert b.answer() == ("0", "500")


@case
def calls_come_after_the_messages_before_them(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        a.do("send", 0, 3, 20, -1)
        a.tell("call", 0, 10, -1)
        assert b.do("take", 7, 3, -1) == "3"
        assert b.do("serve", 7, 1, -1) == "1"
        assert a.answer() == ("0", "10")
        a.do("send", 0, 1, 20, -1)
        assert b.do("take", 7, 1, -1) == "1"


@case
def who_gives_up_is_not_answered(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        for length in (10, 1000):
            assert "no reply in time" in a.fails("ETIMEDOUT", "call", 0, length, 20)
            assert b.do("keep", 7, -1) == str(length)
            b.fails("EALREADY", "reply", 7, length)
        assert b.stat("calls.late") == 2
        b.tell("serve", 7, 1, -1)
        a.do("call", 0, 10, -1)
        assert b.answer() == ("0", "1")


@case
def only_the_first_reply_counts(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        b.do("listen", 8)
        a.tell("call", 0, 10, -1)
        assert b.do("keep", 7, -1) == "10"
        b.fails("EINVAL", "reply", 8, 10)  # not 8's call
        b.do("reply", 7, 10)
        assert a.answer() == ("0", "10")
        b.fails("EALREADY", "reply", 7, 10)
        assert b.stat("calls.late") == 1


@case
def a_server_that_dies_fails_the_call(folder):
    for taken in (False, True):
        with opened(folder) as a, opened(folder) as b:
            meet(a, b)
            a.tell("call", 0, 10, -1)
            if taken:
                b.do("keep", 7, -1)
            b.kill()
            assert a.answer()[0] == "EOWNERDEAD"
            a.fails("EOWNERDEAD", "call", 0, 10, -1)


@case
def an_endpoint_that_closes_fails_the_call(folder):
    for taken in (False, True):
        with opened(folder) as a, opened(folder) as b:
            meet(a, b)
            a.tell("call", 0, 10, -1)
            if taken:
                b.do("keep", 7, -1)
            b.do("deaf", 7)
            assert a.answer()[0] == "EOWNERDEAD"


@case
def a_caller_that_dies_is_not_answered(folder):
    with opened(folder) as b, opened(folder) as a:
        meet(a, b)
        a.tell("call", 0, 10, -1)
        b.do("keep", 7, -1)
        a.kill()
        until(lambda: b.stat("links.in") == 0, "the channel stays")
        b.fails("EALREADY", "reply", 7, 10)
        with opened(folder) as c:  # whose channel takes the same place
            c.do("join", 0, 2, 7)
            c.tell("call", 0, 20, -1)
            b.fails("EALREADY", "reply", 7, 10)
            assert b.do("serve", 7, 1, -1) == "1"
            assert c.answer() == ("0", "20")


@case
def a_channel_that_takes_another_ones_place_hears_no_old_replies(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        for length in (10, 2000):
            a.do("join", 0, 1, 7)
            a.tell("call", 0, length, -1)
            assert b.do("serve", 7, 1, -1) == "1"
            assert a.answer() == ("0", str(length))
            a.do("part", 0)
            until(lambda: (a.stat("links.out"), b.stat("links.in")) == (0, 0), "a closed channel stays")
            a.do("join", 0, 1, 7)
            a.fails("ETIMEDOUT", "call", 0, length, 20)
            a.do("part", 0)
            b.do("keep", 7, -1)
            until(lambda: (a.stat("links.out"), b.stat("links.in")) == (0, 0), "a closed channel stays")


@case
def a_server_that_is_stopped_is_waited_for_as_long_as_was_said(folder):
    with opened(folder) as a, opened(folder) as b:
        meet(a, b)
        b.tell("serve", 7, 1, -1)
        a.do("call", 0, 10, -1)
        b.answer()
        b.stop()
        a.fails("ETIMEDOUT", "call", 0, 10, 50)
        b.go_on()
        b.do("keep", 7, -1)
        b.fails("EALREADY", "reply", 7, 10)


@case
def calls_both_ways(folder):
    with opened(folder) as a, opened(folder) as b:
        a.do("listen", 3)
        meet(a, b)
        b.do("join", 0, 7, 3)
        for w, other, pid in ((a, b, 7), (b, a, 3)):
            other.tell("serve", pid, 200, -1)
            for n in range(200):
                assert w.do("call", 0, n * 5, -1) == str(n * 5)
            assert other.answer() == ("0", "200")


if __name__ == "__main__":
    raise SystemExit(main())
