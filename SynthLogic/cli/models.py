"""``crossmodalsynth models``: the installed bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, one_line, warn
from SynthLogic.cli.group import Group
from SynthLogic.cli.licence import agrees
from SynthLogic.cli.options import AcceptLicence, DebugFlag, JsonFlag, example

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.bundles import Card

app = typer.Typer(
    cls=Group,
    name="models",
    help="List, show, verify, import and remove bundles (trained models with a card).",
    epilog=example("crossmodalsynth models list"),
)

Name = Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="Installed bundle, or a bundle's folder.")]


@app.command("list", epilog=example("crossmodalsynth models list"))
def list_models(json_: JsonFlag = False, debug: DebugFlag = False) -> Answer:
    """List the installed bundles."""
    from SynthLogic.bundles import damaged, installed, summary

    bundles = installed()
    broken = damaged()
    for name, why in broken.items():
        warn(f"Folder {name!r} holds no readable bundle: {why}")
    document = {"bundles": [summary(bundle) for bundle in bundles], "damaged": broken}

    def show(console: Console) -> None:
        from SynthLogic.review.tables import Column, Table

        rows = tuple(
            (
                b.name,
                b.version,
                _direction(b.card),
                b.card.coverage.anatomy,
                b.card.licence.spdx,
                b.card.title,
            )
            for b in bundles
        )
        headings = ("Name", "Version", "Direction", "Anatomy", "Licence", "Title")
        if rows:
            console.print(Table("Installed bundles", tuple(map(Column, headings)), rows).to_rich())
        else:
            console.print(
                "No bundle is installed; import one with: crossmodalsynth models import FOLDER_OR_ZIP"
            )

    return Answer(document, show)


@app.command("show", epilog=example("crossmodalsynth models show thorax-ct-to-mr"))
def show_model(name: Name, json_: JsonFlag = False, debug: DebugFlag = False) -> Answer:
    """Show a bundle's card: what it does, for which scans, how well, and under which licence."""
    from SynthLogic.bundles import look_up, summary

    bundle = look_up(name)
    document = {**summary(bundle), "card": bundle.card.model_dump(mode="json")}

    def show(console: Console) -> None:
        from SynthLogic.cli.card_table import card_tables

        for table in card_tables(bundle):
            console.print(table)

    return Answer(document, show)


@app.command(
    "verify", epilog=example("crossmodalsynth models verify", "crossmodalsynth models verify thorax-ct-to-mr")
)
def verify_models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FOLDER]", help="One bundle; without it, all installed ones."),
    ] = None,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Check hashes, card, licence and weights; exit code 2 if anything is wrong."""
    from SynthLogic.bundles import damaged, installed, look_up
    from SynthLogic.errors import BundleError

    if name is not None:
        bundle = look_up(name)
        bundle.verify()
        results = {bundle.name: ""}
    else:
        results = dict(damaged())
        for bundle in installed():
            try:
                bundle.verify()
            except BundleError as error:
                results[bundle.name] = one_line(str(error))
            else:
                results[bundle.name] = ""
    rows = [{"name": key, "ok": not why, "message": why} for key, why in sorted(results.items())]

    def show(console: Console) -> None:
        for key, why in sorted(results.items()):
            console.print(f"{key}: {'WRONG: ' + why if why else 'in order'}", markup=False, soft_wrap=True)
        if not results:
            console.print("No bundle is installed.")

    return Answer({"bundles": rows}, show, code=2 if any(results.values()) else 0)


@app.command("import", epilog=example("crossmodalsynth models import my-bundle.zip"))
def import_model(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER_OR_ZIP", help="A bundle's folder, or a zip of it.")
    ],
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Let a TorchScript or ONNX model in: it is somebody else's program."),
    ] = False,
    accept_licence: AcceptLicence = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Verify a bundle and bring it into your store; nothing lands there unless all of it is in order."""
    from SynthLogic.bundles import ConsentRequired, import_bundle, summary

    try:
        imported = import_bundle(source, trust=trust, consent=accept_licence)
    except ConsentRequired as question:
        if json_ or not agrees(question.name, question.notice):
            raise
        imported = import_bundle(source, trust=trust, consent=True)
    document = {**summary(imported.bundle), "status": imported.status, "message": imported.message}
    return Answer(document, lambda console: console.print(imported.message, markup=False, soft_wrap=True))


@app.command("remove", epilog=example("crossmodalsynth models remove my-bundle"))
def remove_model(
    name: Annotated[str, typer.Argument(help="An imported bundle.")],
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Remove an imported bundle; those that ship with the program stay."""
    from SynthLogic.bundles import remove

    remove(name)
    message = f"Bundle {name!r} was removed."
    return Answer({"name": name, "message": message}, lambda console: console.print(message, markup=False))


def _direction(card: Card) -> str:
    return f"{card.input.modality} to {card.output.modality}"
