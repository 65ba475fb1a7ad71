import pytest

from oxtrio.control.query import Query, finite, natural
from oxtrio.errors import UsageError


def test_values_are_decoded_and_may_be_repeated_where_that_is_meant():
    query = Query("name=api%3A0&name=tag:x&grep=a%2Bb+c&fresh")

    assert query.all("name") == ("api:0", "tag:x")
    assert query.text("grep") == "a+b c"
    assert query.flag("fresh") is True
    assert query.flag("follow") is False
    query.finish()


def test_what_nobody_took_is_a_mistake_and_is_named():
    query = Query("folow=1")
    query.flag("follow")

    with pytest.raises(UsageError, match="unknown query parameter 'folow'") as caught:
        query.finish()

    assert caught.value.hint == "parameters: follow"


@pytest.mark.parametrize(
    "text", ["n=x", "n=-1", "n=1e3", "n=1_0", "n=%D9%A3", "n=" + "9" * 4301, "n=", "n=1&n=2"]
)
def test_what_is_no_whole_number_is_refused(text: str):
    with pytest.raises(UsageError):
        Query(text).value("n", natural, "a number", default=0)


@pytest.mark.parametrize("text", ["n=x", "n=nan", "n=inf", "n=1e999"])
def test_what_is_no_number_is_refused(text: str):
    with pytest.raises(UsageError, match="^n must be a number, is "):
        Query(text).value("n", finite, "a number", default=0.0)


@pytest.mark.parametrize("text", ["a=%ff", "&".join("a=1" for _ in range(1001))])
def test_a_query_that_cannot_be_read_is_refused(text: str):
    with pytest.raises(UsageError, match="cannot read the query"):
        Query(text)


def test_a_flag_is_off_only_when_it_says_so():
    query = Query("a=0&b=false&c=true&d=1&e=")

    assert [query.flag(key) for key in "abcde"] == [False, False, True, True, True]
    with pytest.raises(UsageError, match="f must be 1 or 0, is 'maybe'"):
        Query("f=maybe").flag("f")
