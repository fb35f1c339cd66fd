"""Processes that share a batch, real ones: their loss and gradients are those of the batch joined."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from polysee.objectives.contrastive import contrastive, contrastive_over_processes
from polysee.objectives.gather import gather, processes

HELPER = Path(__file__).with_name("gathered.py")
spec = importlib.util.spec_from_file_location("gathered", HELPER)
gathered = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gathered)

CASES = [(smoothing, grouped) for smoothing in (0.0, 0.1) for grouped in (False, True)]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    started = [
        subprocess.Popen(
            [sys.executable, HELPER, str(rank), "2", folder],
            stderr=subprocess.PIPE, text=True, encoding="utf-8",
        )
        for rank in range(2)
    ]  # fmt: skip
    for child in started:
        _, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def joined(smoothing, grouped):
    image, text, log_scale = gathered.towers()
    pictures, texts, keys = gathered.joined_batch()
    same = keys[:, None] == keys if grouped else None
    loss = contrastive(
        image(pictures), text(texts), log_scale.exp(), smoothing=smoothing, same=same
    )
    loss.backward()
    return loss.detach(), [p.grad for p in (*image.parameters(), *text.parameters(), log_scale)]


@pytest.mark.parametrize(("smoothing", "grouped"), CASES)
def test_two_processes_equal_the_joined_batch(two_processes, smoothing, grouped):
    wanted_loss, wanted = joined(smoothing, grouped)
    for found, _, _ in two_processes:
        loss, gradients = found[smoothing, grouped]
        assert_close(loss, wanted_loss, rtol=0, atol=1e-5)
        for gradient, right in zip(gradients, wanted, strict=True):
            assert right.abs().max() > 1e-3
            assert_close(gradient, right, rtol=0, atol=1e-5)


def test_one_part_alone_is_not_the_joined_batch():
    image, text, log_scale = gathered.towers()
    pictures, texts, _ = (part[::2] for part in gathered.joined_batch())
    alone = contrastive(image(pictures), text(texts), log_scale.exp())
    assert (alone - joined(0.0, False)[0]).abs() > 0.1


def test_rows_come_in_the_order_of_processes_and_gradients_add_up(two_processes):
    for _, rows, gradient in two_processes:
        assert_close(rows, torch.tensor([0.0, 0, 1, 1])[:, None].expand(4, 3))
        assert_close(
            gradient, torch.full((2, 3), 3.0)
        )  # 1 from the first process, 2 from the second


@pytest.mark.parametrize(("smoothing", "grouped"), CASES)
def test_one_process_is_the_plain_loss(smoothing, grouped):
    image, text, log_scale = gathered.towers()
    pictures, texts, keys = gathered.joined_batch()
    loss = contrastive_over_processes(
        image(pictures),
        text(texts),
        log_scale.exp(),
        smoothing=smoothing,
        keys=keys if grouped else None,
    )
    assert_close(loss, joined(smoothing, grouped)[0])
    assert processes() == (0, 1)
    assert gather(pictures) is pictures
