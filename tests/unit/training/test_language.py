"""Training language models: what the batches are, that they learn, and that parts make the whole."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load

from polysee.checkpoints.bundled import BUNDLED
from polysee.errors import ConfigError, DataError
from polysee.training import run
from polysee.training.language import Causal, LanguageTask
from polysee.training.optimisers import Muon, _directly, orthogonalise
from polysee.training.parts import Part
from polysee.training.recipe import Language, Optimiser, Recipe
from polysee.training.start_vectors import start_vectors

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers and folders

WORDS = "the cat sat on a mat and saw two dogs run far away from one big red barn".split()


@pytest.fixture
def recipe(tmp_path):
    """A recipe over a few made sentences, or pairs of a sentence and itself backwards."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(len(WORDS), (300, 6), generator=draw).tolist()
    sentences = [" ".join(WORDS[i] for i in row[: 2 + row[0] % 5]) for row in rows]
    (tmp_path / "text.txt").write_text("\n".join(sentences), encoding="utf-8")
    backwards = [" ".join(reversed(sentence.split())) for sentence in sentences]
    pq.write_table(pa.table({"en": sentences, "ne": backwards}), tmp_path / "pairs.parquet")

    def make(objective="causal", *, steps=6, batch_size=8, task=None, **changes):
        pairs = objective == "seq2seq"
        values = {
            "kind": "language",
            "objective": objective,
            "data": [str(tmp_path / ("pairs.parquet" if pairs else "text.txt"))],
            "columns": ["en", "ne"] if pairs else ["text"],
            "tokenizer": "characters" if objective == "causal" else "bpe",
            "vocab_size": 320,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 2,
            "context_length": 24,
            **(task or {}),
        }
        return Recipe(
            **{
                "name": "language",
                "steps": steps,
                "batch_size": batch_size,
                "validate_every": 1000,
                "checkpoint_every": 1000,
                "optimiser": Optimiser(rate=1e-2, warmup_steps=2),
                "task": Language(**values),
                **changes,
            }
        )

    return make


OBJECTIVES = ("causal", "masked", "seq2seq")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_parts_of_a_batch_make_the_whole(recipe, objective):
    asked = recipe(objective)
    task = LanguageTask(asked, asked.task)
    gradients = []
    for parts in ([Part()], [Part(0, 2), Part(1, 2)], [Part(i, 4) for i in range(4)]):
        task.model.zero_grad()
        for part in parts:
            loss = task.losses(task.batch_part(3, part))["language"]
            (loss / len(parts)).backward()
        gradients.append([p.grad.clone() for p in task.model.parameters() if p.grad is not None])
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_batch_depends_on_its_step_alone(recipe, objective):
    asked = recipe(objective)
    first, second = (LanguageTask(asked, asked.task) for _ in range(2))
    for step in (0, 5):
        one, other = first.batch(step), second.batch(step)
        for name, value in one.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[name])), name
    differ = [
        not torch.equal(torch.as_tensor(v), torch.as_tensor(first.batch(4)[n]))
        for n, v in one.items()
    ]
    assert any(differ)


def test_pairs_in_both_directions_begin_with_their_language(recipe):
    asked = recipe("seq2seq", task={"both_ways": True})
    task = LanguageTask(asked, asked.task)
    names = {task.tokenizer.backend.token_to_id(name) for name in ("<en>", "<ne>")}
    batch = task.batch(0)
    assert set(batch["target"][:, 0].tolist()) <= names
    assert len(task.objective.pairs) == 2 * 270
    ends = [
        row[mask][-1].item()
        for row, mask in zip(batch["target"], batch["target_mask"], strict=True)
    ]
    assert set(ends) == {task.tokenizer.end}


def test_the_activation_is_the_recipes_or_the_papers(recipe):
    for objective, own in (("causal", "tanh_gelu"), ("masked", "gelu")):
        for asked, wanted in ((None, own), ("relu", "relu")):
            made = recipe(objective, task={"activation": asked})
            config = LanguageTask(made, made.task).model.config
            assert getattr(config, "bert", config).activation == wanted


def test_every_token_is_read_once_in_an_epoch(recipe):
    task = LanguageTask(made := recipe(batch_size=2), made.task)
    assert isinstance(task.objective, Causal)
    stream, step = task.objective.tokens, made.task.context_length
    count = (len(stream) - step - 1) // step
    assert count > 100
    task.objective.tokens = torch.arange(len(stream))  # so that a token says where it stands
    read = torch.cat([task.objective.windows(i)[:, :-1] for i in range(count)])
    epochs = [half.flatten() for half in read.split(count)]
    for places in epochs:
        assert len(places) == count * step > len(stream) - 2 * step - 1
        ordered = places.sort().values
        assert torch.equal(ordered, torch.arange(len(places)) + ordered[0])
        assert not torch.equal(places, ordered)
    assert not torch.equal(*epochs)


def test_what_is_held_out_is_in_no_batch(recipe):
    asked = recipe()
    task = LanguageTask(asked, asked.task)
    objective = task.objective
    assert len(objective.held) / (len(objective.held) + len(objective.tokens)) == pytest.approx(
        0.1, abs=0.001
    )
    batches = list(objective.held_out())
    read = torch.cat([batch["tokens"][:, 1:].flatten() for batch in batches])
    assert torch.equal(read, objective.held[1:])  # every token is guessed once
    assert sum(batch["count"] for batch in batches) == len(objective.held) - 1
    fresh = task.validate()["validation_loss"]
    assert fresh == pytest.approx(math.log(task.tokenizer.backend.get_vocab_size()), rel=0.1)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_in_parts_ends_as_a_whole_one(recipe, monkeypatch, tmp_path, kind):
    saved = {}
    optimiser = Optimiser(kind=kind, rate=1e-2, warmup_steps=2)
    for accumulate in (1, 4):
        monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path / str(accumulate)))
        asked = recipe("seq2seq", accumulate=accumulate, ema_decay=0.9, optimiser=optimiser)
        trained = run.train(asked, progress=False) / "model.safetensors"
        saved[accumulate] = load(trained.read_bytes())  # not mapped while the other run trains
    for name, tensor in saved[1].items():
        if name.endswith("key.bias"):
            continue  # no loss depends on it: its gradient is rounding alone, which Adam makes large
        torch.testing.assert_close(saved[4][name], tensor, atol=2e-4, rtol=1e-3, msg=name)


def test_it_learns(recipe, monkeypatch, tmp_path):
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path))
    asked = recipe(
        steps=60, batch_size=16, optimiser=Optimiser(kind="muon", rate=0.02, warmup_steps=5)
    )
    task = LanguageTask(asked, asked.task)
    fresh = task.validate()["validation_loss"]
    monkeypatch.setattr(run, "make_task", lambda recipe: task)
    run.train(asked, progress=False)
    assert task.validate()["validation_loss"] < 0.6 * fresh


def test_orthogonalised_matrices_have_even_singular_values():
    draw = torch.Generator().manual_seed(0)
    for shape in ((3, 16, 16), (2, 40, 16), (2, 16, 40)):
        found = orthogonalise(torch.randn(*shape, generator=draw))
        values = torch.linalg.svdvals(found)
        assert found.shape == shape
        assert values.min() > 0.5
        assert values.max() < 1.3


@pytest.mark.parametrize("shape", [(3, 16, 64), (3, 64, 16), (2, 8, 16)])
def test_long_matrices_are_orthogonalised_by_their_square_alike(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrices[0, :, 1] = matrices[0, :, 0]  # of lower rank
    matrices[0, 1] = matrices[0, 0]
    upright = matrices.mT if shape[1] > shape[2] else matrices
    wanted = _directly(upright / upright.norm(dim=(1, 2), keepdim=True), 5)
    found = orthogonalise(matrices.float())
    found = found.mT if shape[1] > shape[2] else found
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-4)  # of many products


@pytest.mark.parametrize("shape", [(64, 256), (256, 64), (64, 64)])
def test_half_the_precision_is_enough_to_orthogonalise_what_has_one_large_direction(shape):
    draw = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(size, generator=draw) for size in shape)
    matrix = torch.outer(rows, columns) + 0.1 * torch.randn(shape, generator=draw)
    wanted, found = orthogonalise(matrix[None]), orthogonalise(matrix[None].bfloat16()).float()
    assert torch.cosine_similarity(found.flatten(), wanted.flatten(), dim=0) > 0.999
    assert torch.linalg.svdvals(found).max() < 1.3


def test_muon_moves_alike_matrices_as_if_each_were_alone():
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(3, 8, 4, generator=draw)
    slopes = torch.randn(2, 3, 8, 4, generator=draw)

    def moved(groups):
        weights = [torch.nn.Parameter(matrix.clone()) for matrix in start]
        optimisers = [
            Muon(
                [
                    {
                        "params": [weights[i] for i in group],
                        "lr": 0.1,
                        "weight_decay": 0.1,
                        "matrix": True,
                    }
                ]
            )
            for group in groups
        ]
        for step in slopes:
            for weight, slope in zip(weights, step, strict=True):
                weight.grad = slope.clone()
            for optimiser in optimisers:
                optimiser.step()
        return torch.stack([weight.detach() for weight in weights])

    torch.testing.assert_close(moved([[0, 1, 2]]), moved([[0], [1], [2]]))


@pytest.mark.parametrize(
    ("objective", "task", "error", "said"),
    [("causal", {"data": ["nothing.txt"]}, DataError, r"nothing\.txt: no such file"),
     ("causal", {"context_length": 5000}, DataError, "fewer than one window"),
     ("masked", {"tokenizer": "characters"}, ConfigError, "only for causal")],
)  # fmt: skip
def test_what_cannot_be_trained_is_named(recipe, objective, task, error, said):
    asked = recipe(objective, task=task)
    with pytest.raises(error, match=said):
        LanguageTask(asked, asked.task)


def test_columns_that_do_not_fit_are_named(recipe):
    with pytest.raises(ValueError, match="seq2seq needs 2"):
        recipe("seq2seq", task={"columns": ["en"]})


def test_tokens_start_where_a_bilingual_model_puts_them(recipe):
    folder = BUNDLED / "align-nano"
    asked = recipe("seq2seq", task={"start_vectors": str(folder)})
    task = LanguageTask(asked, asked.task)
    wanted = start_vectors(folder, task.tokenizer.backend, asked.task.hidden_size)
    assert torch.equal(task.model.token.weight, wanted)


def test_names_are_learnt_beside_the_pairs_and_never_measured(recipe, monkeypatch):
    names = [("cat", "tac"), ("dog", "god")]
    monkeypatch.setattr("polysee.training.language.name_pairs", lambda columns: names)
    plain, named = (recipe("seq2seq", task={"names": given}) for given in (False, True))
    without, beside = (LanguageTask(asked, asked.task).objective for asked in (plain, named))
    assert len(beside.pairs) == len(without.pairs) + len(names)
    assert len(beside.held) == len(without.held)


def test_texts_in_an_order_by_lot_are_the_same_texts(recipe, tmp_path):
    rows = [f"{word} {number}" for number in range(40) for word in WORDS[:3]]
    (tmp_path / "text.txt").write_text("|".join(rows), encoding="utf-8")
    asked = recipe(task={"separator": "|", "shuffled": True})
    task = LanguageTask(asked, asked.task)
    whole = torch.cat([task.objective.tokens, task.objective.held])
    text = task.tokenizer.decode(whole.tolist())
    assert sorted(text) == sorted("".join(rows))
    assert not text.startswith("".join(rows[:5]))
