"""`python -m guide train | evaluate | huggingface FOLDER`, from the folder above with `scripts` on
the path; `make guide` and `make guide-evaluation` do that."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from guide import topics
from guide.by_torch import TorchAnswers
from guide.evaluation import Report, evaluate
from guide.gguf_file import GuideModel, read_gguf, write_gguf
from guide.huggingface import write_huggingface
from guide.manifest import write_manifest
from guide.recipe import Recipe
from guide.shape import Shape
from guide.tokenizer import Codec, train_tokenizer
from guide.topics import Knowledge
from guide.training import train

FOLDER = Path(__file__).resolve().parent.parent.parent / "models_app" / "built_in"
MODEL = FOLDER / "minerva-guide-q8_0.gguf"


def main() -> None:
    options = _options()
    match options.action:
        case "train":
            sys.exit(_train(options.model, _recipe(options), goes_on=options.goes_on))
        case "evaluate":
            report = _evaluate(options.model, topics.load(), options.held_out)
            _print(report, mistakes=options.held_out == "tuning")
            sys.exit(not report.is_good_enough)
        case "huggingface":
            write_huggingface(options.model, options.folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guide", description="Make the built-in guide.")
    parser.add_argument("--model", type=Path, default=MODEL, help="the GGUF file")
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train", help="from nothing: tokenizer, model, file, evaluation")
    training.add_argument("--steps", type=int, default=0, help="0: as many as the recipe has")
    training.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="from the model that is there, which has most of it already",
    )
    evaluation = actions.add_parser("evaluate", help="print how good the model is")
    evaluation.add_argument("--held-out", choices=("final", "tuning"), default="final")
    folder = actions.add_parser("huggingface", help="write the same weights for MLX")
    folder.add_argument("folder", type=Path)
    return parser.parse_args()


def _recipe(options: argparse.Namespace) -> Recipe:
    """What is there already is kept by smaller steps, and fewer of them."""
    recipe = Recipe.further() if options.goes_on else Recipe()
    return replace(recipe, steps=options.steps or recipe.steps)


def _train(path: Path, recipe: Recipe, *, goes_on: bool) -> int:
    knowledge = topics.load()
    before = read_gguf(path) if goes_on else None
    print(f"{len(knowledge.topics)} topics. Making the tokenizer …", flush=True)
    codec = Codec(before.tokenizer if before else train_tokenizer(knowledge, seed=recipe.seed))
    shape = Shape()
    model = train(knowledge, codec, shape, recipe, weights=before.weights if before else None)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, GuideModel(shape, weights, codec.tokenizer))
    print(f"Wrote {path} ({path.stat().st_size / 1e6:.2f} MB). Evaluating …", flush=True)
    report = _evaluate(path, knowledge)
    _print(report)
    write_manifest(path, shape=shape, recipe=recipe, report=report)
    return int(not report.is_good_enough)


def _evaluate(path: Path, knowledge: Knowledge, held_out: str = "final") -> Report:
    by_torch = TorchAnswers(read_gguf(path), knowledge.answers)
    return evaluate(path, knowledge, held_out=held_out, other=by_torch)


def _print(report: Report, *, mistakes: bool = False) -> None:
    if mistakes:
        print("\n".join(report.mistakes))
    print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
