"""Settings from the environment: what is wrong is named, and no secret is shown."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, model_validator

from weft_kit.config.secrets import SecretUrl
from weft_kit.config.settings import Settings
from weft_kit.joblog import LogConfig


class Config(Settings, env_prefix="WEFT_TEST_"):
    listen: str = "127.0.0.1:0"
    slots: int = Field(1, ge=1)
    signing_key: SecretStr = Field(SecretStr("x" * 32), min_length=32)
    spare_key: SecretStr | None = Field(None, min_length=32)
    log: LogConfig = LogConfig()
    redis_url: SecretUrl = "redis://127.0.0.1:6379/0"

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
    assert said.endswith(": thirteen slots bring bad luck\n")
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


KEY = "hush-" * 8


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "signing key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return file


def test_a_secret_is_read_from_the_file_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret_file: Path, tmp_path: Path
) -> None:
    url_file = tmp_path / "url"
    url_file.write_bytes(b"redis://:hush@redis:6379/0\r\n")
    url_file.chmod(0o600)
    monkeypatch.setenv("WEFT_TEST_SIGNING_KEY_FILE", str(secret_file))
    monkeypatch.setenv("weft_test_redis_url_file", str(url_file))
    monkeypatch.setenv("WEFT_TEST_SIGNING_KEY", "")  # as containers are told what is not set
    config = Config.load()
    assert config.signing_key.get_secret_value() == KEY
    assert config.redis_url == "redis://:hush@redis:6379/0"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"x" * (64 * 1024 + 1)])
def test_a_file_that_holds_no_secret_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    (told,) = Config.problems({"WEFT_TEST_SIGNING_KEY_FILE": str(file)})
    assert told.startswith(f"WEFT_TEST_SIGNING_KEY_FILE: {file} ")
    assert "; " in told
    (told,) = Config.problems({"WEFT_TEST_SIGNING_KEY_FILE": str(tmp_path)})
    assert "cannot be read (Is a directory)" in told


def test_a_secret_that_is_given_twice_is_refused(secret_file: Path) -> None:
    environ = {"WEFT_TEST_SIGNING_KEY": KEY, "WEFT_TEST_SIGNING_KEY_FILE": str(secret_file)}
    told = "WEFT_TEST_SIGNING_KEY and WEFT_TEST_SIGNING_KEY_FILE are both set; unset one of them"
    assert Config.problems(environ) == [told]


def test_a_bad_secret_in_a_file_is_named_and_not_shown(secret_file: Path) -> None:
    secret_file.write_text("hush")
    (told,) = Config.problems({"WEFT_TEST_SIGNING_KEY_FILE": str(secret_file)})
    assert told.startswith("WEFT_TEST_SIGNING_KEY: ")
    assert "hush" not in told


def test_a_file_that_everybody_may_read_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret_file: Path
) -> None:
    secret_file.chmod(0o644)
    monkeypatch.setenv("WEFT_TEST_SIGNING_KEY_FILE", str(secret_file))
    assert Config.load().signing_key.get_secret_value() == KEY
    said = capsys.readouterr().err
    assert said.startswith("WEFT_TEST_SIGNING_KEY_FILE: ")
    assert str(secret_file) in said
    assert KEY not in said


def test_what_is_no_secret_is_not_read_from_a_file(secret_file: Path) -> None:
    (told,) = Config.problems({"WEFT_TEST_SLOTS_FILE": str(secret_file)})
    assert told.startswith("WEFT_TEST_SLOTS_FILE: no such setting")


def test_no_secret_is_in_what_settings_look_like(secret_file: Path) -> None:
    config = Config(signing_key=KEY, redis_url="redis://:hush@redis:6379/0")
    assert "hush" not in f"{config!r} {config}"


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("redis://:hush/hush@redis:6379/0", False),
        ("redis://:hush#hush@redis:6379/0", False),
        ("redis://redis:hush/0", False),
        ("nats://hush?hush@a:4222,nats://hush@b:4222", False),
        ("redis://[::1/hush", False),
        ("redis://:hush%2Fhush@redis:6379/0", True),
        ("redis://:hu@sh@redis/0", True),
        ("nats://hush@a:4222,nats://hush@b:4222", True),
        ("127.0.0.1:4222", True),
        ("postgresql://weft:h,ush@a:5432,[::1]:5433/weft", True),
        ("postgresql://weft:hush@/weft?host=/run/postgresql", True),
        ("host=/run dbname=weft password=hu:sh", True),
        ("", True),
    ],
)
def test_a_url_that_libraries_would_refuse_by_quoting_its_password_is_refused_without(
    url: str, *, is_good: bool
) -> None:
    told = Config.problems({"WEFT_TEST_REDIS_URL": url})
    assert [line.startswith("WEFT_TEST_REDIS_URL: no URL that can be read") for line in told] == [True] * (not is_good)
    assert "hush" not in repr(told)


@pytest.mark.parametrize(
    ("service", "secrets"),
    [
        ("gateway", {"OPERATOR_TOKEN", "WEBHOOK_SIGNING_KEY", "NATS_URL", "POSTGRES_URL", "REDIS_URL"}),
        ("router", {"NATS_URL", "REDIS_URL"}),
        ("cache", {"REDIS_URL", "ENCRYPTION_KEYS"}),
        ("retrieval", {"NATS_URL", "POSTGRES_URL"}),
        ("inference", set()),
    ],
)
def test_every_secret_of_a_service_can_be_in_a_file(service: str, secrets: set[str]) -> None:
    known = import_module(f"weft_{service}.config").Config.variables()
    in_files = {f"WEFT_{service.upper()}_{name}_FILE" for name in secrets}
    plain = {f"WEFT_{service.upper()}_{name}" for name in ("CATALOG_FILE", "MODEL_FILE", "ENGINE_FILE")}
    assert {name for name in known if name.endswith("_FILE")} - plain == in_files
