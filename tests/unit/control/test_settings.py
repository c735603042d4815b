# SPDX-License-Identifier: Apache-2.0
"""The control configuration: the TOML subset, ranges, contradictions, the pin map, and the tool that checks it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control import cli, pins, printing
from pilotlight.runtime.control.loading import ControlSettingsError, load, read
from pilotlight.runtime.control.settings import REQUIRED, SECTIONS, ControlSettings, odr_hz
from pilotlight.runtime.control.toml import TomlError, parse

from tests.unit.control.configs import EMPTY, HARDWARE, SIMULATED, settings

PRINTED = Path(__file__).with_name("print_config.txt")


def refusal(text: str, base: str = EMPTY) -> str:
    with pytest.raises(ControlSettingsError) as refused:
        read(base + text, "c.toml")
    return str(refused.value)


def warnings(text: str, base: str = EMPTY) -> list[str]:
    return [problem.text for problem in read(base + text)[1]]


def test_empty_sections_mean_the_defaults() -> None:
    assert read(EMPTY) == (ControlSettings(), [])


def test_the_printed_configuration_is_equal_to_the_byte() -> None:
    assert printing.text(settings(base=SIMULATED)) == PRINTED.read_text()


def test_values_of_every_kind() -> None:
    text = r"""
[baro]                        # opened again
i2c_address = 0x76            # hexadecimal
[imu_watchdog]
flatline_epsilon = 2.5e-3
recovery_backoff_ms = 7.0
[actuator]
start_armed = true
slew_limit_norm_per_sec = 8
[imu]
accel_odr = "PowerDown"
spi_device = "/dev/spidev\\\"1"
"""
    made = settings(text)
    assert made.baro.i2c_address == 0x76
    assert made.imu_watchdog.flatline_epsilon == 0.0025
    assert made.imu_watchdog.recovery_backoff_ms == 7
    assert made.actuator.start_armed is True
    assert made.actuator.slew_limit_norm_per_sec == 8.0
    assert made.imu.spi_device == '/dev/spidev\\"1'


@pytest.mark.parametrize("line", ["\tkey  =  -5 # c", 'key="a # b"', "key = 1e3", "key = -0.5", "key = false"])
def test_what_the_subset_reads(line: str) -> None:
    expected = {"-5": -5, '"a': "a # b", "1e3": 1000.0, "-0.5": -0.5, "false": False}
    [value] = [entry.value for entry in parse(f"[s]\r\n{line}\r\n")["s"].entries.values()]
    assert value == next(want for part, want in expected.items() if part in line)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("key = 1", 1, "before the first"),
        ("[s]\nkey = 1\n[t]\n[s]\nkey = 2", 5, "is set already in line 2"),
        ("[s]\nkey", 2, "neither a"),
        ("[s", 1, "one name in brackets"),
        ("[[s]]", 1, "one name in brackets"),
        ("[s.t]", 1, "one name in brackets"),
        ("[s]\nkey =", 2, "the value is missing"),
        ("[s]\nkey = 1 2", 2, "more than one"),
        ("[s]\nkey = 1_000", 2, "is not a value"),
        ("[s]\nkey = [1]", 2, "is not a value"),
        ("[s]\nkey = 2026-11-21", 2, "is not a value"),
        ("[s]\nkey = nan", 2, "is not a value"),
        ("[s]\nkey = 'x'", 2, "is not a value"),
        ("[s]\nkey = " + "9" * 5000, 2, "a number of 5000 characters"),
        ("[s]\nkey = 0x" + "9" * 5000, 2, "a number of 5002 characters"),
        ('[s]\nkey = "x', 2, "between double quotes"),
        ('[s]\nkey = """x"""', 2, "between double quotes"),
        ('[s]\nkey = "\\u0041"', 2, "means nothing"),
        ("[s]\na.b = 1", 2, "neither a"),
    ],
)
def test_what_it_refuses(text: str, line: int, words: str) -> None:
    with pytest.raises(TomlError, match=words) as refused:
        parse(text)
    assert refused.value.line == line


@given(st.text(alphabet='[]="\\#.-x0 1e\n\tu', max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        read(EMPTY + text)
    except ControlSettingsError as refused:
        assert all(problem.line <= EMPTY.count("\n") + text.count("\n") + 1 for problem in refused.problems)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_section_must_be_there(name: str) -> None:
    base = "".join(f"[{other}]\n" for other in REQUIRED if other != name)
    assert refusal("", base).startswith(f"c.toml: error: the section [{name}] is missing\n")


def test_security_may_be_missing() -> None:
    assert "security" in SECTIONS
    assert "security" not in REQUIRED


def test_unknown_names_are_refused_with_the_nearest_known() -> None:
    text = refusal("[timeouts]\nimu_stale = 20\n[quux]\nq = 1\n[kilswitch]\n")
    start = EMPTY.count("\n")
    assert f"c.toml:{start + 2}: error: timeouts.imu_stale is no key; did you mean imu_stale_ms?" in text
    assert f"c.toml:{start + 3}: error: [quux] is no section; known here: runtime, modes" in text
    assert f"c.toml:{start + 5}: error: [kilswitch] is no section; did you mean killswitch?" in text
    assert text.endswith("c.toml is refused; nothing was started or changed")


RANGES = [
    *(
        (f"[threads]\n{name}_hz = 0", "from 1 to 10000")
        for name in "control actuator igniter imu estimator baro".split()
    ),
    ("[threads]\ncontrol_priority = 100", "to 99"),
    ("[threads]\nimu_cpu = -2", "from -1"),
    ("[runtime]\nsim_mode = 1", "true or false"),
    ("[runtime]\nlog_period_ms = 0.5", "a whole number"),
    ("[runtime]\nlog_period_ms = -1", "from 0 to 4294967295"),
    ("[runtime]\nlog_period_ms = true", "a whole number"),
    ("[runtime]\nrun_duration_s = -1", "of at least 0"),
    ("[runtime]\nrun_duration_s = 1e999", "a finite number"),
    ("[runtime]\nrun_duration_s = " + "9" * 400, "a finite number"),
    ('[modes]\nestimator_mode = "cpp"', "one of cpp_native, python_dev, cpp_dev"),
    ("[modes]\nestimator_mode = 1", "a text"),
    ('[ipc]\nsensor_snapshot_shm = "rt"', "begins with /"),
    ("[imu]\nspi_mode = 4", "from 0 to 3"),
    ("[imu]\nspi_speed_hz = 0", "from 1"),
    ('[imu]\naccel_odr = "100hz"', "one of power_down, 12.5hz"),
    ('[imu]\naccel_scale = "3g"', "one of 2g, 4g, 8g, 16g"),
    ('[imu]\ngyro_scale = "250dps"', "one of 245dps"),
    ("[imu_watchdog]\nflatline_epsilon = 0", "greater than 0"),
    ("[imu_watchdog]\nzero_vector_consecutive = 0", "from 1"),
    ("[baro]\ni2c_address = 0x80", "from 8 to 119"),
    ("[killswitch]\nnc_closed_value = 2", "from 0 to 1"),
    ("[killswitch]\ndebounce_samples = 0", "from 1"),
    ("[actuator]\nfrequency_hz = 0", "from 1"),
    ("[igniter]\nsettle_ms = 0", "from 1"),
    ('[igniter]\nfault_policy = "any"', "one of global, isolated"),
    ("[sim_net]\nsensor_port = 65537", "from 1 to 65535"),
    ('[sim_net]\nsensor_host = "localhost"', "an IPv4 address"),
]


@pytest.mark.parametrize(("text", "wanted"), RANGES)
def test_a_value_out_of_its_range_is_refused_at_its_line(text: str, wanted: str) -> None:
    section, key = text.partition(" =")[0].strip("[").split("]\n")
    first = refusal(text).splitlines()[0]
    assert first.startswith(f"c.toml:{EMPTY.count(chr(10)) + 2}: error: {section}.{key} is ")
    assert wanted in first


CONTRADICTIONS = [
    ("[runtime]\nfail_fast_on_hw_error = false", "runtime.fail_fast_on_hw_error: has to be true"),
    ('[ipc]\nestimator_state_shm = "/rt_igniter_status_v1"', "is the mailbox of ipc.estimator_state_shm too"),
    ("[timeouts]\nactuator_cmd_timeout_ms = 3", "less than a period of threads.control_hz (4 ms)"),
    ("[threads]\nestimator_hz = 8", "timeouts.estimator_hold_ms: 120 ms is less than a period of threads.estimator_hz"),
    ("[timeouts]\nimu_stale_ms = 1", "less than a period of threads.imu_hz (2 ms)"),
    ("[servo0]\nmin_pwm_us = 2000", "servo0.min_pwm_us: 2000 is not less than max_pwm_us, 2000"),
    ("[servo2]\nneutral_pwm_us = 2001", "servo2.neutral_pwm_us: 2001 is not from"),
    ("[servo2]\nmax_norm = -1", "servo2.min_norm: -1 is not less than max_norm, -1"),
    ("[actuator]\nfrequency_hz = 600", "servo3.max_pwm_us: 2000 is longer than a period"),
    ("[igniter]\ndefault_fire_ms = 3000", "igniter.default_fire_ms: 3000 is more than max_fire_ms, 2000"),
    ('[sim_net]\nenabled = true\nsensor_host = "10.0.0.1"', "sim_net.sensor_host: 10.0.0.1 is not 127.0.0.1"),
    ("[sim_net]\nenabled = true\nsensor_port = 56001", "the loop would call itself"),
]


@pytest.mark.parametrize(("text", "wanted"), CONTRADICTIONS)
def test_contradictions_between_keys(text: str, wanted: str) -> None:
    assert wanted in refusal(text)


def test_another_host_is_a_choice() -> None:
    text = '[sim_net]\nenabled = true\nsensor_host = "10.0.0.1"\n[security]\nrequire_loopback_sim_net = false\n'
    assert settings(text).sim_net.sensor_host == "10.0.0.1"


def test_hardware_needs_a_sensor_that_is_on_and_fast_enough() -> None:
    assert "samples come 80 ms apart" in refusal('[imu]\naccel_odr = "12.5hz"', HARDWARE)
    assert "switches the sensor off" in refusal('[imu]\ngyro_odr = "power_down"', HARDWARE)
    assert "a read takes 2.7 ms, more than a quarter" in refusal("[imu]\nspi_speed_hz = 50000", HARDWARE)
    assert ["switches the sensor off" in text for text in warnings('[imu]\ngyro_odr = "off"')] == [True]


@pytest.mark.parametrize(("name", "rate"), [("104HZ", 104.0), ("12p5 hz", 12.5), ("8_3-3", 833.0), ("0", 0.0)])
def test_names_of_rates_may_be_written_in_many_ways(name: str, rate: float) -> None:
    assert odr_hz(name) == rate


def test_all_igniter_channels_share_their_chips() -> None:
    assert "igniter3.enabled: has to be true" in refusal("[igniter]\nenabled = true")
    text = SIMULATED.replace("[igniter2]", '[igniter2]\nstatus_chip = "/dev/gpiochip11"')
    assert "igniter2.status_chip: /dev/gpiochip11 is not igniter0's /dev/gpiochip0" in refusal("", text)


def test_a_sound_board_has_no_warnings() -> None:
    assert warnings("", HARDWARE) == []


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("gpio = 27", "gpio = 4", "GPIO4 is used twice: kill switch (killswitch.gpio) and igniter0 status"),
        ("gpio = 27", "gpio = 12", "GPIO12 is used twice: kill switch (killswitch.gpio) and servo0, PWM0 channel 0"),
        ("status_line = 16", "status_line = 7", "igniter3 status (igniter3.status_line) and SPI0 CE1"),
        ("status_line = 16", "status_line = 3", "igniter3 status (igniter3.status_line) and I2C1 SCL"),
        ("status_line = 16", "status_line = 22", "igniter0 output (igniter0.input_line) and igniter3 status"),
        ("status_line = 16", "status_line = 54", "igniter3.status_line: GPIO54 is no line"),
        ("channel = 3", "channel = 2", "servo3.channel: servo2 has channel 2 of this PWM chip too"),
    ],
)
def test_a_line_used_twice_is_refused(old: str, new: str, wanted: str) -> None:
    assert wanted in refusal("", HARDWARE.replace(old, new))


def test_lines_of_another_chip_do_not_meet() -> None:
    text = HARDWARE.replace("gpio = 27", 'gpio = 22\nchip = "/dev/gpiochip11"')
    assert warnings("", text) == []
    assert "used twice" in refusal("", HARDWARE.replace("gpio = 27", 'gpio = 22\nchip = "/dev/gpiochip4"'))


def test_what_would_clash_once_it_is_on_is_a_warning() -> None:
    assert (
        "igniter0.status_line: GPIO17 is used twice: kill switch (killswitch.gpio) and igniter0 status, "
        "which is an error as soon as both are on"
    ) in warnings("", SIMULATED)


def test_a_pwm_channel_with_two_pins_is_a_warning() -> None:
    found = warnings("", HARDWARE.replace("status_line = 16", "status_line = 18"))
    assert any(text.endswith("unless the board uses the other pin of that channel") for text in found)


def test_an_output_that_a_reset_pulls_up_is_a_warning() -> None:
    found = warnings("", HARDWARE.replace("input_line = 22", "input_line = 0"))
    assert found == [
        "igniter0.input_line: a reset pulls GPIO0 up, so igniter0 could fire before any program runs; "
        "use a line from 9 on, with a pull-down at the driver"
    ]


def test_the_tool_shows_the_pin_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.toml"
    path.write_text(HARDWARE)
    assert cli.main(["check", str(path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "GPIO14 or GPIO18  servo2, PWM0 channel 2" in out
    assert "GPIO27            kill switch" in out
    assert out[-1] == f"{path} is sound"
    assert cli.main(["check", "--print-config", str(path)]) == 0
    assert capsys.readouterr().out == printing.text(settings(base=HARDWARE))


def test_the_tool_refuses_and_warns_at_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.toml"
    path.write_text("[threads]\ncontrol_hz = 0\n" + EMPTY)
    assert cli.main(["check", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}:2: error: threads.control_hz is 0: a number from 1")
    path.write_text("[servo0]\ndirection = -2\n" + EMPTY)
    assert cli.main(["check", str(path)]) == 0
    assert (
        capsys.readouterr().err
        == f"{path}:2: warning: servo0.direction: -2 scales every command; 1 and -1 only turn it\n"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "control.toml"
    with pytest.raises(ControlSettingsError, match="No such file"):
        load(path)
    path.write_bytes(b"[runtime]\n\xff\n")
    with pytest.raises(ControlSettingsError, match="toml:2: error: not UTF-8"):
        load(path)
    path.write_bytes(b"#" * 70000)
    with pytest.raises(ControlSettingsError, match="larger than 64 KiB"):
        load(path)


def test_the_pin_map_says_what_is_off() -> None:
    assert "GPIO17  (off) kill switch" in pins.table(settings()).splitlines()
