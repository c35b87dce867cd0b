"""mesh.json: what one launcher leaves for the next."""

from pathlib import Path

from weft_compose.state import Mesh, Process, RunningPart, StateFolder


def test_the_record_is_read_as_it_was_written(tmp_path: Path):
    part = RunningPart("gateway-2", "127.0.0.1:7700", Process(7, 1.5), "logs/gateway-2.log")
    written = Mesh("127.0.0.1:7600", "token", "key", ("127.0.0.1:7600", "127.0.0.1:7700"), parts=(part,))
    state = StateFolder(tmp_path)
    state.write(written)
    assert state.read() == written


def test_a_record_from_before_replicas_and_webhooks_still_opens_its_mesh():
    old = '{"endpoint": "127.0.0.1:7600", "operator_token": "token", "launcher": null, "parts": []}'
    assert Mesh.from_json(old) == Mesh("127.0.0.1:7600", "token")


def test_a_replica_is_of_the_kind_before_its_number():
    kinds = [RunningPart(name, "", Process(1, 1.0), "").kind for name in ("nats", "nats-2", "gateway-12")]
    assert kinds == ["nats", "nats", "gateway"]
