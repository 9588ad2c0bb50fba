"""`pixelseek teach`: teach a word by photos that show it, and photos that do not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import counted, print_json, printable
from model.errors import PixelseekError

if TYPE_CHECKING:
    from engine.teaching import Quality
    from indexer.library.library import Library
    from indexer.library.taught_words import TaughtWord

_OF_FILES = ("--not", "--take-back")


class _Teach(click.Command):
    """Reads all files that follow `--not` or `--take-back` as its own: a shell puts many where `*.jpg` is typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its files."""
        return super().parse_args(ctx, args if ctx.resilient_parsing else list(_repeated(args)))


def _repeated(arguments: Sequence[str]) -> Iterator[str]:
    option = None
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for place, argument in enumerate(arguments[:end]):
        if argument in _OF_FILES:
            option = argument
            if place + 1 == len(arguments) or arguments[place + 1].startswith("-"):
                raise click.UsageError(f"name a file after {option}.")
            continue
        if argument.startswith("-"):
            option = None
        if option is not None:
            yield option
        yield argument
    yield from arguments[end:]


def _names(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """The taught words that begin like that, for completion in a shell."""
    from indexer.library.library import Library
    from indexer.library.text_analysis import name_key

    with suppress(PixelseekError, OSError), Library.open(chosen_library(ctx.params.get("library"))) as opened:
        names = [word.name for word in opened.taught_words()]
        return [CompletionItem(name) for name in names if name_key(name).startswith(name_key(typed))]
    return []


@click.command(cls=_Teach)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_names, help="What the photos show: Rex.")
@click.argument("shown", type=FILE, metavar="[FILE]...", nargs=-1, help="Photos of the library that show it.")
@click.option("--not", "not_shown", type=FILE, metavar="FILE...", multiple=True, help="Photos that do not show it.")
@click.option(
    "--take-back", type=FILE, metavar="FILE...", multiple=True, help="Photos of which you say neither any more."
)
@click.option("--from-keywords", is_flag=True, help="Add the photos that have the name as a keyword in their files.")
@click.option("--rename", metavar="NEW", help="Another name. If there is such a word or tag, both become one.")
@click.option("--delete", is_flag=True, help="Forget the word, and remove its name from the tags of its photos.")
@click.option("--keep-tags", is_flag=True, help="With --delete: leave the tags.")
@click.option("--list", "as_list", is_flag=True, help="List the taught words, and names that could be taught.")
@library_option
@json_option
def teach(
    name: str | None,
    shown: tuple[Path, ...],
    not_shown: tuple[Path, ...],
    take_back: tuple[Path, ...],
    from_keywords: bool,
    rename: str | None,
    delete: bool,
    keep_tags: bool,
    as_list: bool,
    library: Path | None,
    as_json: bool,
) -> None:
    """Teach a word by photos that show it: the name of a dog, a house, a boat. From three photos on it is learned.

    Photos that show it get its name as a tag; no file is changed. Without a file, prints what is known of the word.

    Example: pixelseek teach Rex rex1.jpg rex2.jpg rex3.jpg --not wolf.jpg
    """
    answers = {True: shown, False: not_shown, None: take_back}
    given = [any(answers.values()), from_keywords, rename is not None, delete, as_list]
    if sum(given) > 1:
        raise click.UsageError("name files, --from-keywords, --rename, --delete or --list: one at a time.")
    if keep_tags and not delete:
        raise click.UsageError("--keep-tags goes with --delete.")
    if as_list and name is not None:
        raise click.UsageError(f"--list lists all words. To see one: {_command(library, name)}")
    if name is None and any(given[:-1]):
        raise click.UsageError("name the word.")
    from indexer.library.library import Library

    with Library.open(chosen_library(library)) as opened:
        if name is None:
            _print_list(opened, library, as_json=as_json)
        elif delete:
            _delete(opened, name, keep_tags=keep_tags, as_json=as_json)
        else:
            if rename is not None:
                word, message = _rename(opened, name, rename)
            elif from_keywords:
                word, message = _add_keywords(opened, name)
            elif any(answers.values()):
                word, message = _answer(opened, name, answers)
            else:
                word, message = _known_or_tagged(opened, name), ""
            _print_word(opened, word, message, library, as_json=as_json)


def _answer(library: Library, name: str, files: Mapping[bool | None, Sequence[Path]]) -> tuple[TaughtWord, str]:
    """Say of the photos in these files what they are listed under. All files are looked up before anything is said."""
    if Path(name).is_file():
        raise click.UsageError(f"{printable(name)} is a file. Name the word first: {_command(None, 'Rex')} FILE...")
    photo_ids = {shown: _photo_ids(library, paths) for shown, paths in files.items()}
    said = [photo_id for ids in photo_ids.values() for photo_id in set(ids)]
    if twice := {photo_id for photo_id in said if said.count(photo_id) > 1}:
        photo = library.photos(sorted(twice))[0]
        raise click.UsageError(f"{printable(photo.path)}: you say two things of this photo, or of a copy of it.")
    teaches = photo_ids[True] or photo_ids[False]
    word = library.teach_word(name) if teaches else _known_word(library, name)
    changed = sum(len(library.answer(word.id, ids, shown)) for shown, ids in photo_ids.items() if ids)
    return library.taught_word(word.id), f"{counted(changed, 'photo')} changed."


def _photo_ids(library: Library, files: Sequence[Path]) -> list[int]:
    for file in files:
        if file.is_dir():
            raise click.UsageError(f"{printable(str(file))} is a folder. Name the photos in it: {file}/*")
    return [library.photo_at(file).id for file in files]


def _rename(library: Library, name: str, new_name: str) -> tuple[TaughtWord, str]:
    word = _known_word(library, name)
    is_merged = library.rename_taught_word(word.id, new_name)
    renamed = library.taught_word(word.id)
    message = f"{word.name} is {renamed.name} now."
    if is_merged:
        message += f" There was {renamed.name} already: both are one word now, with the photos of both."
    return renamed, message


def _delete(library: Library, name: str, *, keep_tags: bool, as_json: bool) -> None:
    word = _known_word(library, name)
    answer = _as_json(library, word)
    library.delete_taught_word(word.id, keep_tags=keep_tags)
    if as_json:
        print_json(answer)
        return
    photos = counted(len(word.shown), "photo")
    tags = f"{photos} still have it as a tag" if keep_tags else f"its tag was removed from {photos}"
    click.echo(printable(f"{word.name} is forgotten; {tags}."))


def _add_keywords(library: Library, name: str) -> tuple[TaughtWord, str]:
    """Add the photos with that keyword. A word that no photo has is not made."""
    from indexer.library.errors import TaughtWordMissing

    if not library.photos_named(name, "keyword"):
        raise TaughtWordMissing(
            printable(f"no photo has the keyword {name} in its file. Name photos that show it instead.")
        )
    word = library.teach_word(name)
    added = library.add_keyword_examples(word.id)
    return library.taught_word(word.id), f"{counted(len(added), 'photo')} added."


def _known_or_tagged(library: Library, name: str) -> TaughtWord:
    """The word; it is made where photos have that tag. Raises TaughtWordMissing where nobody said anything of it."""
    return library.teach_word(name) if library.photos_named(name, "tag") else _known_word(library, name)


def _known_word(library: Library, name: str) -> TaughtWord:
    """The word of that name. Raises TaughtWordMissing, with the names that are most like it."""
    from difflib import get_close_matches

    from indexer.library.errors import TaughtWordMissing
    from indexer.library.text_analysis import name_key

    words = {word.key: word for word in library.taught_words()}
    key = name_key(name)
    if key in words:
        return words[key]
    near = [words[like].name for like in get_close_matches(key, words)]
    remedy = (
        f"Did you mean {' or '.join(near)}?" if near else f"Name photos that show it: {_command(None, name)} FILE..."
    )
    raise TaughtWordMissing(printable(f"{name} is not a taught word. {remedy}"))


def _print_list(library: Library, folder: Path | None, *, as_json: bool) -> None:
    from web.schema.teaching import TaughtWordsAnswer, TaughtWordSummary  # one shape with the API

    words, offers = library.taught_words(), library.taught_word_offers()
    qualities = _qualities(library, words)
    if as_json:
        summaries = [TaughtWordSummary.of(word, qualities.get(word.id)) for word in words]
        print_json(TaughtWordsAnswer.of(summaries, offers).model_dump())
        return
    if not words:
        click.echo("No word is taught yet. Name some photos that show one: pixelseek teach Rex FILE...")
    for word in words:
        _print_known(word, qualities)
    if offers:
        click.echo("\nCould be taught:")
    for offer in offers:
        option = ["--from-keywords"] if offer.source == "keyword" else []
        photos = f"{counted(offer.photos, 'photo')} with that {offer.source}"
        click.echo(printable(f"{offer.name}: {photos}: {_command(folder, offer.name, *option)}"))


def _print_word(library: Library, word: TaughtWord, message: str, folder: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(library, word))
        return
    if message:
        click.echo(printable(message))
    _print_known(word, _qualities(library, [word]))
    if keywords := library.keyword_examples(word.id):
        add = _command(folder, word.name, "--from-keywords")
        click.echo(
            printable(f"{counted(len(keywords), 'more photo')} with that keyword in the file. To add them: {add}")
        )


def _print_known(word: TaughtWord, qualities: Mapping[int, Quality]) -> None:
    """How many photos show the word and how many do not, and how well it is learned or how many are missing."""
    from indexer.library.taught_words import MIN_SHOWN

    shown, not_shown = len(word.shown), len(word.not_shown)
    text = f"{word.name}: {counted(shown, 'photo')} {'shows' if shown == 1 else 'show'} it, "
    text += f"{not_shown:,} {'does' if not_shown == 1 else 'do'} not."
    if word.needed:
        text += f" To learn it, {MIN_SHOWN} that show it are needed: {word.needed} more."
    elif word.id in qualities:
        text += f" {qualities[word.id].text}"
    click.echo(printable(text))


def _qualities(library: Library, words: Sequence[TaughtWord]) -> dict[int, Quality]:
    """How well each word is learned, by its id; of none where there is no model to ask."""
    from engine.search import SearchEngine

    learned = [word for word in words if not word.needed]
    if learned:
        with suppress(PixelseekError), SearchEngine.open(library.path) as engine:
            return {word.id: engine.taught_quality(word) for word in learned}
    return {}


def _as_json(library: Library, word: TaughtWord) -> dict[str, Any]:
    from web.schema.teaching import TaughtWordAnswer, TaughtWordSummary  # one shape with the API

    summary = TaughtWordSummary.of(word, _qualities(library, [word]).get(word.id))
    return TaughtWordAnswer.with_examples(summary, word, library).model_dump()


def _command(library: Path | None, name: str, *options: str) -> str:
    """The command for that word, to be typed."""
    of_library = [] if library is None else ["--library", str(library)]
    return shlex.join(["pixelseek", "teach", *of_library, *options, *(["--"] if name.startswith("-") else []), name])
