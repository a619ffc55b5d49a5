"""The BOOTCHECK_* variables: each value, each mistake, all mistakes together."""

from __future__ import annotations

import pytest

from bootcheck.model.errors import BootcheckError, SettingError
from bootcheck.settings import VARIABLES, Settings, disabled


def read(**environ: str) -> Settings:
    """Return the settings of an environment."""
    return Settings.from_environ({f"BOOTCHECK_{name}": value for name, value in environ.items()})


def problem(**environ: str) -> str:
    """Return what is said about an environment."""
    with pytest.raises(SettingError) as caught:
        read(**environ)
    return str(caught.value)


def test_without_any_variable_the_defaults_hold():
    """Crash capture and guards, nothing enforced that nobody declared."""
    settings = Settings.from_environ({"PATH": "/bin", "SECRET_KEY": "x"})

    assert vars(settings) == {
        "directory": None,
        "enforce": "declared",
        "require_env": (),
        "boot_deadline": 0.0,
        "probe_bind": None,
        "log": "summary",
        "disabled": False,
    }


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_an_empty_variable_is_one_that_is_not_set(name: str):
    """Compose files and charts set empty strings."""
    assert vars(Settings.from_environ({name: ""})) == vars(Settings())
    assert VARIABLES[name].endswith(".")


@pytest.mark.parametrize(
    ("environ", "attribute", "value"),
    [
        ({"DIR": "/var/reports"}, "directory", "/var/reports"),
        ({"ENFORCE": "observe"}, "enforce", "observe"),
        ({"ENFORCE": " ALL "}, "enforce", "all"),
        ({"REQUIRE_ENV": "A, B,,C "}, "require_env", ("A", "B", "C")),
        ({"BOOT_DEADLINE": "120"}, "boot_deadline", 120.0),
        ({"BOOT_DEADLINE": " 0.5"}, "boot_deadline", 0.5),
        ({"BOOT_DEADLINE": "0"}, "boot_deadline", 0.0),
        ({"PROBE_BIND": "127.0.0.1:9090"}, "probe_bind", ("127.0.0.1", 9090)),
        ({"PROBE_BIND": ":9090"}, "probe_bind", ("0.0.0.0", 9090)),
        ({"PROBE_BIND": "[::1]:0"}, "probe_bind", ("::1", 0)),
        ({"LOG": "checkpoints"}, "log", "checkpoints"),
        ({"LOG": "JSON"}, "log", "json"),
        ({"LOG": "off"}, "log", "off"),
        ({"DISABLE": "1"}, "disabled", True),
        ({"DISABLE": "yes"}, "disabled", True),
        ({"DISABLE": "0"}, "disabled", False),
    ],
)  # fmt: skip
def test_a_value_is_read(environ: dict[str, str], attribute: str, value: object):
    """Blanks around it and its case do not matter."""
    assert getattr(read(**environ), attribute) == value


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ENFORCE": "observ"}, "='observ' is not one of observe, declared, all. Did you mean observe?"),
        ({"ENFORCE": "1"}, "Known: observe, declared, all."),
        ({"LOG": "chekpoints"}, "Did you mean checkpoints?"),
        ({"BOOT_DEADLINE": "2m"}, "BOOTCHECK_BOOT_DEADLINE='2m' is not a number of seconds. Write for example"),
        ({"BOOT_DEADLINE": "-1"}, "or 0 for off"),
        ({"BOOT_DEADLINE": "nan"}, "is not a number of seconds"),
        ({"BOOT_DEADLINE": "inf"}, "is not a number of seconds"),
        ({"PROBE_BIND": "9090"}, "BOOTCHECK_PROBE_BIND='9090' is not host:port. Write for example"),
        ({"PROBE_BIND": "localhost:http"}, "is not host:port"),
        ({"PROBE_BIND": "localhost:70000"}, "is not host:port"),
        ({"REQUIRE_ENV": "A,B C"}, "entry 2"),
        ({"DISABLE": "maybe"}, "is neither 1 nor 0"),
        ({"ENFORCED": "all"}, "BOOTCHECK_ENFORCED is not a variable of bootcheck. Did you mean BOOTCHECK_ENFORCE?"),
        ({"DEADLINE": "3"}, "Did you mean BOOTCHECK_BOOT_DEADLINE?"),
        ({"LOG_LEVEL": "debug"}, "Did you mean BOOTCHECK_LOG?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_the_nearest_right_word(environ: dict[str, str], said: str):
    """What, where, and the next step."""
    assert said in problem(**environ)


def test_all_mistakes_are_said_at_once():
    """Not one per restart."""
    lines = problem(ENFORCE="none", LOG="loud", BOOT_DEADLINE="soon", WAIT="1", REQUIRE_ENV="A=1").splitlines()

    assert len(lines) == 5
    assert {line.split("=")[0].split()[0] for line in lines} == {
        "BOOTCHECK_ENFORCE",
        "BOOTCHECK_LOG",
        "BOOTCHECK_BOOT_DEADLINE",
        "BOOTCHECK_WAIT",
        "BOOTCHECK_REQUIRE_ENV",
    }


def test_a_value_in_a_list_of_names_is_not_repeated():
    """Somebody wrote NAME=secret there."""
    assert "hunter2" not in problem(REQUIRE_ENV="A,SECRET_KEY=hunter2")


def test_switched_off_nothing_is_an_error():
    """`BOOTCHECK_DISABLE=1` is the way out of a wrong environment."""
    assert read(DISABLE="1", ENFORCE="nonsense", TYPO="1").disabled


@pytest.mark.parametrize(("value", "off"), [("1", True), (" True ", True), ("on", True), ("0", False), ("", False)])
def test_being_switched_off_is_seen_without_reading_anything_else(value: str, off: bool):
    """The first question of all."""
    assert disabled({"BOOTCHECK_DISABLE": value, "BOOTCHECK_ENFORCE": "x"}) is off
    assert not disabled({})


def test_the_error_is_one_of_ours():
    """Commands end with 2 for it."""
    assert issubclass(SettingError, BootcheckError)
    assert SettingError.exit_code == 2
