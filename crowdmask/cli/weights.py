"""`crowdmask weights`: what weights there are, whether they are whole, and how to get those that do not ship."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from crowdmask.cli.main import EXIT_FAILED, EXIT_SOME_FAILED
from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.cli.suggestions import SuggestingGroup
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.cpu import tensorflow_needs_avx2
from crowdmask.nets.fetch import fetch as fetch_weights
from crowdmask.nets.ir import ir_of
from crowdmask.nets.weights import Entry, Manifest, cache_folder

JSON_VERSION = 1  # of what list --json prints; docs/schemas/weights.schema.json describes it


@click.group(cls=SuggestingGroup)
def command() -> None:
    """List, verify and fetch the networks' weights.

    Fetched files are kept in CROWDMASK_CACHE or this platform's folder for caches;
    CROWDMASK_OFFLINE=1 forbids fetching.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Everything the manifest says, as JSON.")
def list_(as_json: bool) -> None:
    """Show every network's file, size, place and licence."""
    manifest = Manifest.load()
    if as_json:
        rows = []
        for name, entry in manifest.entries.items():
            found = manifest.find(name)
            rows.append({"name": name, **entry.as_dict(), "ships": entry.ships, "path": str(found) if found else None})
        click.echo(json.dumps({"schema_version": JSON_VERSION, "weights": rows}, indent=2, ensure_ascii=False))
        return
    for name, entry in manifest.entries.items():
        state = "present" if manifest.find(name) else "missing" if entry.ships else "not fetched"
        click.echo(f"{name}  {entry.file}  {entry.size / 1e6:.1f} MB  {state}")
        click.echo(f"    SHA-256  {entry.sha256}")
        click.echo(f"    source   {entry.source}")
        click.echo(f"    licence  {entry.licence}")


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> None:
    """Check size and SHA-256, of the form for OpenVINO too; of all weights that should be here unless named."""
    manifest = Manifest.load()
    failed = checked = 0
    for name in _known(manifest, names) or manifest.entries:
        if not names and not manifest.entry(name).ships and manifest.find(name) is None:
            click.echo(f"{name}: not fetched")
            continue
        checked += 1
        try:
            click.echo(f"{name}: good ({manifest.verify(name)})")
            for kind in manifest.entry(name).openvino:
                form = ir_of(manifest, name, kind)
                click.echo(f"{name}: good ({form.xml} and {form.bin.name}, for OpenVINO)")
        except WeightsError as error:
            failed += 1
            click.echo(f"crowdmask: {error}", err=True)
    _leave(failed, checked)


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--url", help="Fetch from here instead, for instance a mirror or file:///path; checked all the same.")
@click.option("--force", is_flag=True, help="Fetch even where a whole file is there.")
def fetch(names: tuple[str, ...], url: str | None, force: bool) -> None:
    """Download weights that do not ship; all of them unless named."""
    manifest = Manifest.load()
    if url and len(names) != 1:
        raise click.UsageError("--url goes with exactly one NAME")
    wanted = _known(manifest, names) or [name for name, entry in manifest.entries.items() if not entry.ships]
    failed = 0
    for name in wanted:
        try:
            click.echo(f"{name}: good ({_fetch_showing_progress(name, manifest, url, force)})")
        except WeightsError as error:
            failed += 1
            click.echo(f"crowdmask: {error}", err=True)
    _leave(failed, len(wanted))


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The weights to convert, if others."
)
@click.option("--int8", is_flag=True, help="Make the int8 form as well; needs NNCF and --calibrate-on.")
@click.option(
    "--calibrate-on",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Labelled pictures, of whose training share int8 takes the ranges of its numbers. Repeatable.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=WORD", help="As in training.")
def convert(
    names: tuple[str, ...], folder: Path | None, int8: bool, pictures: tuple[Path, ...], labels: tuple[str, ...]
) -> None:
    """Make the networks' form for OpenVINO of their .npz, beside it, and enter it in the manifest.

    `crowdmask train ship` does this by itself, but for int8; it takes TensorFlow.
    """
    if int8 != bool(pictures):
        raise click.UsageError("--int8 and --calibrate-on go together")
    manifest = Manifest.load(folder)
    # what another library builds has no graph of ours to convert
    for name in _known(manifest, names) or [name for name, entry in manifest.entries.items() if entry.architecture]:
        entry = _converting().convert_beside(Manifest.load(folder), name)
        if int8:
            entry = _quantised(Manifest.load(folder), name, pictures, labels)
        for form in entry.openvino.values():
            for file, made in form["files"].items():
                click.echo(f"{manifest.folder / file}: {made['size']:,} bytes, SHA-256 {made['sha256']}")


def _quantised(manifest: Manifest, name: str, folders: tuple[Path, ...], labels: tuple[str, ...]) -> Entry:
    from crowdmask.labels.records import LabelSet
    from crowdmask.labels.table import LabelTable
    from crowdmask.training.int8 import quantise_beside
    from crowdmask.training.run import read_data
    from crowdmask.training.settings import SplitSettings

    data = read_data(folders, LabelTable().with_options(labels), SplitSettings(), crops_too=False)
    return quantise_beside(manifest, name, [one for one in data.training if isinstance(one, LabelSet)])


def _converting() -> Any:
    """The module that converts; TensorFlow, which comes with it, says nothing on the terminal."""
    tensorflow_needs_avx2()
    hush()
    with native_stderr_shut():
        try:
            return importlib.import_module("crowdmask.nets.converting")
        except ImportError as error:
            raise SettingsError(f"converting needs TensorFlow, which cannot be loaded ({error}): install it") from error


@command.command()
@click.argument("name", required=False)
def path(name: str | None) -> None:
    """Print where the weights of NAME lie, or the folder that fetched weights are kept in."""
    manifest = Manifest.load()
    click.echo(manifest.locate(_known(manifest, (name,))[0]) if name else cache_folder())


def _known(manifest: Manifest, names: tuple[str, ...]) -> list[str]:
    """The names, a name that is in no manifest refused as bad usage."""
    for name in names:
        if name not in manifest.entries:
            raise click.BadParameter(f"no weights named {name!r}; there are: {', '.join(manifest.entries)}")
    return list(names)


def _fetch_showing_progress(name: str, manifest: Manifest, url: str | None, force: bool) -> Path:
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()) as bar:

        def show(there: int, total: int) -> None:
            bar.total = total
            bar.update(there - bar.n)

        return fetch_weights(name, manifest=manifest, url=url, force=force, progress=show)


def _leave(failed: int, attempted: int) -> None:
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED if failed == attempted else EXIT_SOME_FAILED)
