"""`seedfill doctor`: what is installed, what runs, and what to do about anything wrong."""

from __future__ import annotations

from typing import Any

from seedfill.commands.models import installed_models, running_service
from seedfill.commands.output import JsonOption, print_json, stderr_console, stdout_console


def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, which device is used, whether the service runs, and what to do about anything wrong.

    Example: seedfill doctor
    """
    with stderr_console().status("Looking around …"):
        from seedfill.doctor import diagnose, hung_process

        health = running_service()
        report = diagnose(health, *installed_models(health)) | {"hung_process": hung_process(health)}
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    console = stdout_console()
    rates = ", ".join(f"{dtype} {rate:.0f} GFLOP/s" for dtype, rate in report["matmul_gflops"].items())
    packages = ", ".join(f"{name} {installed or 'missing'}" for name, installed in report["packages"].items())
    rows = {
        "python": f"{report['python']} on {report['platform']}",
        "packages": packages,
        "device": f"{report['device']}, {report['dtype']}; matrix products {rates}",
        "cpus": f"{report['n_cpus']}, load {report['load_average']:.1f}",
        "service": _service(report["service"], report["hung_process"]),
        "models": ", ".join(_model(model) for model in report["models"]) or "none",
        "languages": ", ".join(report["languages"]) or "any",
    }
    for name, value in rows.items():
        console.print(f"[bold]{name:>10}[/]  ", end="")
        console.print(value, markup=False)
    for problem in report["problems"]:
        console.print(f"[bold red]{'problem':>10}[/]  ", end="")
        console.print(problem, markup=False)
    if not report["problems"]:
        console.print(f"[bold green]{'all well':>10}[/]")


def _service(service: dict[str, Any] | None, hung_process: int | None) -> str:
    if hung_process is not None:
        return f"process {hung_process} does not answer; the next request replaces it"
    if service is None:
        return "not running; the first request starts it"
    held = sum(model["bytes"] for model in service["models"] if model["loaded"])
    return (
        f"{service['status']}, process {service['pid']}, up {service['uptime_s']:.0f} s, "
        f"{held / 1e6:.0f} MB of models and {service['slot_bytes'] / 1e6:.0f} MB of what was read "
        f"on {service['device'] or 'no device yet'}"
    )


def _model(model: dict[str, Any]) -> str:
    state = "loaded" if model["loaded"] else "not loaded"
    return f"{model['id']} ({model['parameters'] / 1e6:.1f} M parameters, {model['bytes'] / 1e6:.0f} MB, {state})"
