"""Fully sharded training: every process keeps a part of each weight, and fetches the rest while it is needed.

Rajbhandari et al. 2020 (ZeRO, https://arxiv.org/abs/1910.02054), by PyTorch's `fully_shard`.
"""

from __future__ import annotations

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

ENTRANCES = ("encode_image", "encode_text")
"""Methods by which a model is called, other than `forward`."""


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shard every block of a model by itself, and what lies between the blocks together.

    Single numbers, such as a temperature, cannot be sharded: they are kept whole, and their gradients averaged here.
    """
    numbers = {parameter for parameter in model.parameters() if not parameter.ndim}
    for module in reversed(list(model.modules())):  # what is inside first
        if isinstance(module, nn.ModuleList):
            for block in module:
                fully_shard(block, mesh=mesh, ignored_params=numbers)
    fully_shard(model, mesh=mesh, ignored_params=numbers)
    for name in ENTRANCES:
        if hasattr(model, name):
            register_fsdp_forward_method(model, name)
    for number in numbers:
        if number.requires_grad:
            number.register_post_accumulate_grad_hook(_average)


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` has been at the model."""
    return isinstance(model, FSDPModule)


def clip_norm(model: nn.Module, largest: float) -> torch.Tensor:
    """Scale all gradients so that their norm over all processes is at most `largest`; return what it was.

    As `torch.nn.utils.clip_grad_norm_`, which cannot mix sharded gradients with whole ones.

    Shapes:
        returns: ()
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norms = [whole(torch.linalg.vector_norm(gradient)) for gradient in gradients]
    total = torch.linalg.vector_norm(torch.stack(norms))
    factor = (largest / (total + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        local = gradient.to_local() if isinstance(gradient, DTensor) else gradient
        local.mul_(factor.to(local.device))
    return total


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with all its parts; every process has to ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def sharded_as(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A whole tensor, in parts where `other` is."""
    if not isinstance(other, DTensor) or isinstance(tensor, DTensor):
        return tensor
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)


def make_whole(model: nn.Module) -> None:
    """End the sharding: the first process gets the whole weights, in its main memory, and can save them."""
    first = distributed.get_rank() == 0
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                value = whole(parameter.detach())
                if first:
                    module._parameters[name] = nn.Parameter(value.cpu())


def _average(parameter: torch.Tensor) -> None:
    gradient = parameter.grad
    if gradient is not None:
        distributed.all_reduce(gradient)
        gradient /= distributed.get_world_size()
