"""A backbone with the layers of a head: the one module that is trained and asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from patentlab.models.backbones import counts_positions

if TYPE_CHECKING:
    from patentlab.models.heads import Head

# logits are not read: those of one token instead of all, which would take gigabytes
_OF_A_LANGUAGE_MODEL = {"output_hidden_states": True, "logits_to_keep": 1}


class Network(nn.Module):
    """A backbone, layers, and the head that says how they answer.

    Args:
        backbone: A transformer, adapter included.
        head: How it answers; None where it is only read.
        layers: The head's own weights, named ``head`` here, which have a learning rate of their own.
    """

    def __init__(self, backbone: nn.Module, head: Head | None = None, layers: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Identity() if layers is None else layers
        self.answers = head
        self.apart: tuple[str, ...] = ()  # names of adapters that stand side by side, one for each part of the head
        # Absolute positions must start at the first token, wherever the padding is; RoBERTa's family counts by itself.
        self.counts_positions = counts_positions(backbone)

    def read(self, input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Any:
        """What the backbone makes of a token batch.

        Args:
            input_ids: Shape ``(documents, tokens)``.
            attention_mask: Ones at tokens, zeros at padding; the same shape.
            **options: Anything else that it takes.

        Returns:
            Its output, with ``last_hidden_state`` or ``logits``.
        """
        if not self.counts_positions and not bool(attention_mask[:, 0].all()):  # padded on the left
            options.setdefault("position_ids", (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0))
        return self.backbone(input_ids=input_ids, attention_mask=attention_mask, **options)

    def hidden(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Hidden states of the last layer, also of a backbone that predicts tokens.

        Args:
            input_ids: As of :meth:`read`.
            attention_mask: As of :meth:`read`.

        Returns:
            Shape ``(documents, tokens, width)``.
        """
        predicts = self.answers is not None and self.answers.language_model
        output = self.read(input_ids, attention_mask, **(_OF_A_LANGUAGE_MODEL if predicts else {}))
        hidden: Tensor = output.hidden_states[-1] if predicts else output.last_hidden_state
        return hidden

    def hidden_of_parts(self, input_ids: Tensor, attention_mask: Tensor, parts: int) -> Sequence[Tensor]:
        """Hidden states for each part of a head: the same for all, or where adapters stand apart each part's own.

        Args:
            input_ids: As of :meth:`read`.
            attention_mask: As of :meth:`read`.
            parts: How many.

        Returns:
            A tensor a part, as of :meth:`hidden`.
        """
        if not self.apart:
            return [self.hidden(input_ids, attention_mask)] * parts
        names = [
            name for name in self.apart for _ in range(len(input_ids))
        ]  # one batch, which each adapter has rows of
        repeated = (tensor.repeat(len(self.apart), 1) for tensor in (input_ids, attention_mask))
        return self.read(*repeated, adapter_names=names).last_hidden_state.chunk(len(self.apart))  # type: ignore[no-any-return]

    def forward(self, labels: Tensor | None = None, **batch: Tensor) -> dict[str, Tensor]:
        """Logits of a batch of the head's; ``labels`` is accepted for the trainer, which computes the loss itself."""
        if self.answers is None:
            raise TypeError("a network without a head is only read")
        return {"logits": self.answers.logits(self, batch)}
