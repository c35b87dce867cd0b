"""Settings from the environment: what is wrong is named, and no secret is shown."""

from collections.abc import Mapping

import pytest
from pydantic import Field, SecretStr, model_validator

from weft_kit.config import Settings
from weft_kit.joblog import LogConfig


class Config(Settings, env_prefix="WEFT_TEST_"):
    listen: str = "127.0.0.1:0"
    slots: int = Field(1, ge=1)
    signing_key: SecretStr = Field(SecretStr("x" * 32), min_length=32)
    spare_key: SecretStr | None = Field(None, min_length=32)
    log: LogConfig = LogConfig()

    def read_by_others(self) -> frozenset[str]:
        return frozenset({"WEFT_TEST_PROVIDER_KEY"})

    @model_validator(mode="after")
    def _is_consistent(self) -> "Config":
        if self.slots == 13:
            message = "thirteen slots bring bad luck"
            raise ValueError(message)
        return self


def test_a_bad_value_is_shown_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_TEST_SLOTS", "none")
    with pytest.raises(SystemExit) as exit_:
        Config.load()
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("WEFT_TEST_SLOTS: Input should be a valid integer")


def test_a_value_that_is_no_json_is_shown_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_TEST_LOG", "{retention_s: 60}")
    with pytest.raises(SystemExit) as exit_:
        Config.load()
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("WEFT_TEST_LOG: ")


def test_settings_are_read_from_the_environment_that_is_named_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_SLOTS", "none")
    assert Config.problems({"WEFT_TEST_SLOTS": "4"}) == Config.problems({}) == []


@pytest.mark.parametrize("name", ["SIGNING_KEY", "SPARE_KEY"])
def test_a_bad_secret_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(f"WEFT_TEST_{name}", "hush-hush")
    with pytest.raises(SystemExit):
        Config.load()
    said = capsys.readouterr().err
    assert said.startswith(f"WEFT_TEST_{name}: ")
    assert "hush" not in said


def test_settings_that_do_not_go_together_show_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_TEST_SLOTS", "13")
    monkeypatch.setenv("WEFT_TEST_SIGNING_KEY", "hush" * 10)
    with pytest.raises(SystemExit):
        Config.load()
    said = capsys.readouterr().err
    assert "bad luck" in said
    assert "hush" not in said


def test_a_mistyped_variable_stops_the_service_and_the_nearest_name_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEFT_TEST_SLOT", "4")
    with pytest.raises(SystemExit) as exit_:
        Config.load()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "WEFT_TEST_SLOT: no such setting; did you mean WEFT_TEST_SLOTS?\n"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"WEFT_TEST_SLOTS": "4", "weft_test_listen": "127.0.0.1:1", "PATH": "/bin"}, []),
        ({"WEFT_OTHER_SLOTS": "4", "WEFT_API_KEY": "k"}, []),
        ({"WEFT_TEST_PROVIDER_KEY": "what the catalog names"}, []),
        ({"WEFT_TEST_PORT": "1"}, ["WEFT_TEST_PORT: no such setting; did you mean WEFT_TEST_SLOTS?"]),
        (
            {"WEFT_TSET_SIGNING_KEY": "x"},
            ["WEFT_TSET_SIGNING_KEY: no such setting; did you mean WEFT_TEST_SIGNING_KEY?"],
        ),
        (
            {"WEFT_TEST_SLOTS": "0", "WEFT_TEST_SLOT": "4"},
            [
                "WEFT_TEST_SLOT: no such setting; did you mean WEFT_TEST_SLOTS?",
                "WEFT_TEST_SLOTS: Input should be greater than or equal to 1 (given: '0')",
            ],
        ),
        (
            {"WEFT_TEST_LOG": '{"retention": 5}'},
            ["WEFT_TEST_LOG.RETENTION: Unexpected keyword argument (given: 5)"],
        ),
    ],
)
def test_every_mistake_of_an_environment_is_found_and_nothing_else(environ: Mapping[str, str], told: list[str]) -> None:
    assert Config.problems(environ) == told


def test_a_value_that_should_be_json_and_is_not_is_named() -> None:
    (told,) = Config.problems({"WEFT_TEST_LOG": "{cut off"})
    assert told.startswith("WEFT_TEST_LOG: Input should be a dictionary")
    assert told.endswith("(given: '{cut off')")
