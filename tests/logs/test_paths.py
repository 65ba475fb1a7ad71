"""Which file output goes to."""

from oxtrio.logs.paths import Route, route_of, routes_of
from tests.logs.writing import ERR, OUT, an_app


def test_by_default_one_file_holds_all_output():
    app = an_app()

    assert route_of(app, 0, ERR, "/logs") == Route("/logs/api.log", 0, None)
    assert route_of(app, 0, OUT, "/logs").shared
    assert len(routes_of(app, "/logs")) == 1


def test_without_a_folder_and_a_name_there_is_no_file():
    app = an_app(error_file="/x/err.log")

    assert route_of(app, 0, OUT, None) is None
    assert routes_of(app, None) == (Route("/x/err.log", 0, ERR),)


def test_a_file_of_one_writer_is_not_shared():
    app = an_app(file="/x/out.log", error_file="/x/err.log")

    assert not route_of(app, 0, OUT, None).shared
    assert route_of(app, 0, ERR, None) == Route("/x/err.log", 0, ERR)


def test_instances_share_a_file_unless_the_path_has_their_number():
    shared = an_app(instances=2, file="/x/out.log", error_file="/x/err.log")
    own = an_app(instances=2, file="/x/${instance}.log", error_file="/x/e${instance}.log")

    assert route_of(shared, 1, OUT, None) == Route("/x/out.log", None, OUT)
    assert route_of(own, 1, OUT, None) == Route("/x/1.log", 1, OUT)
    assert [route.path for route in routes_of(own, None)] == [
        "/x/0.log",
        "/x/e0.log",
        "/x/1.log",
        "/x/e1.log",
    ]
