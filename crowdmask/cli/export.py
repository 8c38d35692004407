"""`crowdmask export`: a network for other runtimes, compared with the original before it gets its name."""

from __future__ import annotations

from pathlib import Path

import click

from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.errors import SettingsError
from crowdmask.nets.cpu import tensorflow_needs_avx2

FORMATS = ("openvino", "onnx", "tflite", "savedmodel")
EPILOG = """\b
Examples:
  crowdmask export xception --format onnx --out exported --pictures faces
  crowdmask export retinaface-mobilenet --format openvino --int8 --calibrate-on street --out exported --pictures crowd
Beside each export lies NAME.json: input, labels, anchors, and how the outputs are read."""


@click.command(name="export", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("network")
@click.option("--format", "form", required=True, type=click.Choice(FORMATS), help="What to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the export.")
@click.option(
    "--pictures",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Real pictures (for a classifier, crops) on which export and original are compared.",
)
@click.option(
    "--weights",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of other weights, or a training run, that holds the network.",
)
@click.option("--int8", is_flag=True, help="Whole numbers of 8 bits (openvino, tflite); needs --calibrate-on.")
@click.option(
    "--calibrate-on",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures, not those compared on, from which the ranges of int8 are measured.",
)
@click.option("--overwrite", is_flag=True, help="Replace an export that is already there.")  # fmt: skip
def command(
    *,
    network: str,
    form: str,
    out: Path,
    pictures: Path,
    folder: Path | None,
    int8: bool,
    calibrate_on: Path | None,
    overwrite: bool,
) -> None:
    """Write NETWORK (a name among the weights) for another runtime."""
    if int8 != (calibrate_on is not None):
        raise SettingsError("--int8 and --calibrate-on go together: the ranges of whole numbers have to be measured")
    tensorflow_needs_avx2()
    hush()
    with native_stderr_shut():
        from crowdmask.exporting.exporting import export

        done = export(network, form, out, pictures, folder=folder, calibrate_on=calibrate_on, overwrite=overwrite)
    click.echo(
        f"{done.path}: on {done.pictures} picture(s) its probabilities differ from the original's by {done.mean:.2g} "
        f"on average and {done.worst:.2g} at most; {done.sidecar.name} says how to use it"
    )
