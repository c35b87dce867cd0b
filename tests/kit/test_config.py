"""Settings from the environment: what is wrong is named, and no secret is shown."""

import pytest
from pydantic import Field, SecretStr, model_validator

from weft_kit.config import Settings


class Config(Settings, env_prefix="WEFT_TEST_"):
    listen: str = "127.0.0.1:0"
    slots: int = Field(1, ge=1)
    signing_key: SecretStr = Field(SecretStr("x" * 32), min_length=32)
    spare_key: SecretStr | None = Field(None, min_length=32)

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
