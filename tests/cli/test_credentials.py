"""Which mesh the command line talks to, and with which key."""

import json

from weft_cli.credentials import Access, local_mesh

LOCAL = Access("127.0.0.1:7600", "local-key", "local-token")


def test_a_local_mesh_fills_what_is_not_given():
    assert Access().completed_by(LOCAL) == LOCAL
    assert Access(api_key="mine").completed_by(LOCAL) == Access("127.0.0.1:7600", "mine", "local-token")


def test_the_keys_of_a_local_mesh_are_not_sent_elsewhere():
    assert Access(endpoint="weft.example:443").completed_by(LOCAL) == Access("weft.example:443")


def test_the_keys_of_a_local_mesh_are_for_each_of_its_gateways():
    mesh = Access("127.0.0.1:7600,127.0.0.1:7620", "local-key", "local-token")
    assert Access(endpoint="127.0.0.1:7620").completed_by(mesh).api_key == "local-key"
    assert Access(endpoint="127.0.0.1:7620,10.0.0.1:7600").completed_by(mesh).api_key == ""


def test_without_anything_the_default_endpoint_is_asked():
    assert Access().completed_by(Access()).endpoint == "127.0.0.1:7600"


def test_a_state_folder_without_a_mesh_gives_nothing(tmp_path):
    assert local_mesh(tmp_path) == Access()


def test_the_state_folder_says_where_the_mesh_is(tmp_path):
    written = {"endpoint": "127.0.0.1:7600", "api_key": "local-key", "operator_token": "local-token", "parts": []}
    (tmp_path / "mesh.json").write_text(json.dumps(written))
    assert local_mesh(tmp_path) == LOCAL


def test_a_mesh_of_several_gateways_names_them_all(tmp_path):
    written = {"endpoint": "127.0.0.1:7600", "endpoints": ["127.0.0.1:7600", "127.0.0.1:7620"]}
    (tmp_path / "mesh.json").write_text(json.dumps({**written, "api_key": "k", "operator_token": "t"}))
    assert local_mesh(tmp_path).endpoint == "127.0.0.1:7600,127.0.0.1:7620"
