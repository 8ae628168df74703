"""A night in MLflow: once, with everything; and not at all, within seconds, when MLflow is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from recsys import publication
from recsys.config import Settings
from recsys.errors import ServiceError
from recsys.tracking import connect, mirror, replay
from recsys.tracking.view import experiment_tags
from tests.tracking import world

MOST = 10.0  # seconds a night may lose to a broken MLflow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Any, dict[str, Any]]:
    """A night mirrored into a local store: settings, client, what mirror said."""
    import mlflow

    one = world.settings(tmp_path_factory.mktemp("tracking"))
    lake, night = world.whole_night(one)
    return one, mlflow.MlflowClient(connect.address(one), connect.address(one)), mirror(one, lake, *night)


Told = tuple[Settings, Any, dict[str, Any]]


@pytest.mark.slow
def test_runs_are_flat_and_carry_their_tags(told: Told) -> None:
    _, client, said = told
    assert (said["status"], said["version"]) == ("ok", "1")
    found = {r.info.run_name: r for r in client.search_runs([said["experiment"]])}
    assert set(found) == {"ease", "als_small", "lightfm_warp", "night 2011-12-08"}
    assert not any("mlflow.parentRunId" in run.data.tags for run in found.values())
    tags = found["ease"].data.tags
    assert (tags["contender"], tags["family"], tags["night"]) == ("ease", "ease", "2011-12-08")
    assert (tags["airflow_run"], tags["dataset_digest"], tags["git_commit"]) == ("manual__8", "e" * 64, "c0ffee")
    whole = found["night 2011-12-08"].data.tags
    assert (whole["dataset_digest"], whole["config_digest"]) == ("e" * 64, "5e77")
    assert (tags["role"], found["als_small"].data.tags["role"]) == ("champion", "challenger")
    assert found["ease"].data.params == {
        "family": "ease",
        "as_of": "2011-12-08",
        "seed": "7",
        "factors": "16",
        "loss": "warp",
    }
    assert (found["lightfm_warp"].info.status, found["lightfm_warp"].data.tags["status"]) == ("FAILED", "failed")
    assert found["ease"].inputs.dataset_inputs[0].dataset.digest == "e" * 36


@pytest.mark.slow
def test_the_experiment_says_what_it_is_and_how_its_table_opens(told: Told) -> None:
    one, client, said = told
    tags = client.get_experiment(said["experiment"]).tags
    assert experiment_tags(one).items() <= tags.items()
    assert "One run per contender and night" in tags["mlflow.note.content"]


@pytest.mark.slow
def test_losses_have_a_step_per_epoch(told: Told) -> None:
    _, client, said = told
    history = client.get_metric_history(said["runs"]["ease"], "train/loss")
    assert sorted((m.step, m.value) for m in history) == [(0, 0.7), (1, 0.4)]


@pytest.mark.slow
def test_the_summary_has_table_plot_and_decision(told: Told) -> None:
    _, client, said = told
    assert {a.path for a in client.list_artifacts(said["summary"])} == {
        "decision.json",
        "leaderboard.json",
        "leaderboard.png",
        "cost.png",
    }


@pytest.mark.slow
def test_a_contenders_run_has_its_figures_and_the_champions_its_card(told: Told) -> None:
    _, client, said = told

    def kept(run: str) -> set[str]:
        return {a.path for a in client.list_artifacts(run)}

    assert kept(said["runs"]["als_small"]) == {"groups.png", "epochs.png"}
    assert {"groups.png", "epochs.png", "card.md"} <= kept(said["runs"]["ease"])
    assert kept(said["runs"]["lightfm_warp"]) == set()


@pytest.mark.slow
def test_publication_and_run_name_each_other(told: Told) -> None:
    one, client, said = told
    note = world.lake_of(one).read_json("mirror/gen-000001.json")
    assert (note["version"], note["run"], note["summary"]) == ("1", said["runs"]["ease"], said["summary"])
    assert client.get_run(note["run"]).data.tags["generation"] == "gen-000001"


@pytest.mark.slow
def test_the_champion_is_served_from_plain_arrays(told: Told) -> None:
    import mlflow

    one, client, _ = told
    version = client.get_model_version_by_alias("recsys-corner", "champion")
    assert (version.tags["generation"], version.tags["contender"]) == ("gen-000001", "ease")
    assert version.tags["reasons"] == "ease is best."
    assert (version.tags["night"], version.tags["decision"]) == ("2011-12-08", "first")
    assert (version.tags["dataset_digest"], version.tags["config_digest"]) == ("e" * 64, "5e77")
    assert version.description.startswith("# ease, generation gen-000001")
    mlflow.set_tracking_uri(connect.address(one))
    folder = Path(mlflow.artifacts.download_artifacts("models:/recsys-corner@champion"))
    assert not [f for f in folder.rglob("*") if f.suffix in (".pkl", ".pickle")]
    model = mlflow.pyfunc.load_model("models:/recsys-corner@champion")
    assert model.metadata.signature.inputs is not None
    assert model.predict(["bob", "alice", "stranger"]) == [world.LISTS["bob"], world.LISTS["alice"], ["poster"]]


@pytest.mark.slow
def test_the_champions_version_shows_what_to_ask_it(told: Told) -> None:
    """The input example and what the version answers to it: two known customers and one nobody knows."""
    import mlflow

    mlflow.set_tracking_uri(connect.address(told[0]))
    model = mlflow.pyfunc.load_model("models:/recsys-corner@champion")
    assert list(model.input_example) == ["alice", "bob", "somebody new"]
    assert model.predict(model.input_example) == [world.LISTS["alice"], world.LISTS["bob"], ["poster"]]


@pytest.mark.slow
def test_twice_is_once(told: Told) -> None:
    one, client, said = told
    lake = world.lake_of(one)
    records = [world.record(lake, "ease", 0.2), world.record(lake, "als_small", 0.1), world.failed("lightfm_warp")]
    published = {"generation": "gen-000001", "champion": "ease"}
    again = mirror(one, lake, world.night(), records, world.decision("ease", records), published)
    assert (again["runs"], again["summary"], again["version"]) == (said["runs"], said["summary"], said["version"])
    assert len(client.search_runs([said["experiment"]])) == 4


@pytest.mark.slow
def test_a_run_opened_while_training_or_left_half_written_is_finished(told: Told, tmp_path: Path) -> None:
    one, client, said = told
    night = {**world.night(), "key": "half"}
    half = client.create_run(said["experiment"], tags={"night_key": "half", "contender": "ease"}).info.run_id
    client.log_metric(half, "ndcg_at_10", 0.2)
    twin = client.create_run(said["experiment"], tags={"night_key": "half", "contender": "ease"}).info.run_id
    old = {"night_key": "older", "kind": "contender", "contender": "als"}
    abandoned = client.create_run(said["experiment"], tags=old).info.run_id
    lake = world.lake_of(one)
    again = mirror(one, lake, night, [world.record(lake, "ease", 0.2)], world.decision("ease", []), {})
    assert again["runs"]["ease"] == half
    assert (client.get_run(half).info.status, client.get_run(half).data.tags["role"]) == ("FINISHED", "champion")
    assert client.get_run(half).data.params["factors"] == "16"
    assert client.get_run(twin).info.lifecycle_stage == "deleted"
    assert client.get_run(abandoned).info.status == "KILLED"


@pytest.mark.slow
def test_a_spooled_night_is_sent_later_and_the_alias_follows_what_is_served(tmp_path: Path, closed_port: int) -> None:
    """Nothing lost, nothing doubled, and a rollback moves the alias back."""
    import mlflow

    away = world.settings(tmp_path, f"http://127.0.0.1:{closed_port}")
    lake, first = world.whole_night(away, "ease", 7)
    assert mirror(away, lake, *first)["status"] == "spooled"
    here = world.settings(tmp_path)
    _, second = world.whole_night(here, "als_small", 8)
    said = mirror(here, lake, *second)
    assert (said["status"], said["replayed"]) == ("ok", 1)
    assert not list(lake.paths("spool"))
    client = mlflow.MlflowClient(connect.address(here), connect.address(here))
    assert len(client.search_runs([said["experiment"]])) == 8

    def aliased(alias: str) -> str:
        return str(client.get_model_version_by_alias("recsys-corner", alias).tags["generation"])

    mirror(here, lake, *second)  # by now the night before has its version
    assert (aliased("champion"), aliased("challenger")) == ("gen-000002", "gen-000001")
    publication.rollback(lake, "worse")
    held = {"generation": None, "champion": "ease"}
    mirror(here, lake, world.night(9), *second[1:-1], held)
    assert (aliased("champion"), aliased("previous")) == ("gen-000001", "gen-000002")


def test_nobody_listens(tmp_path: Path, closed_port: int) -> None:
    one = world.settings(tmp_path, f"http://127.0.0.1:{closed_port}")
    lake, night = world.whole_night(one)
    began = time.monotonic()
    for _ in range(2):  # the second try replaces the first
        said = mirror(one, lake, *night)
    assert time.monotonic() - began < 2 * MOST
    assert (said["status"], said["version"]) == ("spooled", None)
    assert "published all the same" in said["note"]
    spooled = list(lake.paths("spool"))  # another machine's night will send it
    assert spooled == [said["spooled"]]
    assert lake.read_json(spooled[0])["night"] == world.night()
    assert replay(one, lake) == 0


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def error(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(500)


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def truncated(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"experiment": {"exp')


def well(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"OK")


@pytest.fixture
def broken(serve: Callable[..., str]) -> Callable[..., str]:
    """Start a server that says it is well and then misbehaves; returns its address."""

    def start(fault: Callable[[BaseHTTPRequestHandler], None], ill: bool = False) -> str:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            (well if handler.path == "/health" and not ill else fault)(handler)

        return serve(answer)

    return start


@pytest.mark.slow
@pytest.mark.parametrize("fault", [hang, error, reset, truncated])
def test_a_server_that_misbehaves_costs_ten_seconds_at_most(
    tmp_path: Path, broken: Callable[..., str], fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    import mlflow  # its import is not the server's fault

    assert mlflow.__version__
    one = world.settings(tmp_path, broken(fault))
    lake, night = world.whole_night(one)
    began = time.monotonic()
    assert mirror(one, lake, *night)["status"] == "spooled"
    assert time.monotonic() - began < MOST


def test_a_server_that_hangs_is_found_out_by_the_probe(tmp_path: Path, broken: Callable[..., str]) -> None:
    one = world.settings(tmp_path, broken(hang, ill=True))
    lake, night = world.whole_night(one)
    began = time.monotonic()
    assert mirror(one, lake, *night)["status"] == "spooled"
    assert time.monotonic() - began < MOST


def test_a_damaged_spool_file_is_left_for_a_person(tmp_path: Path) -> None:
    one = world.settings(tmp_path)
    lake = world.lake_of(one)
    lake.point("spool/2011-12-07-x.json", b"{")
    assert replay(one, lake) == 0
    assert list(lake.paths("spool")) == ["spool/2011-12-07-x.json"]


def test_work_that_takes_too_long_is_left_behind() -> None:
    assert connect.within(5, lambda: 3) == 3
    with pytest.raises(ServiceError, match="too slow"):
        connect.within(0.1, lambda: time.sleep(5))
    with pytest.raises(KeyError):
        connect.within(5, lambda: {}["x"])
