"""Learning from the network one had before."""
from torch import Tensor
from torch.nn import functional as F


def distillation_loss(scores: Tensor, labels: Tensor, teacher_scores: Tensor, weight: float = 0.5,
                      temperature: float = 1.0) -> Tensor:
    """(1 - weight) CE(scores, labels) + weight T^2 KL(softmax(teacher / T) || softmax(scores / T)), a mean over the batch.

    scores, teacher_scores: [B, classes]; labels: [B]. Hinton, Vinyals, Dean, arXiv 1503.02531; T^2 keeps the gradient's size.
    """
    soft = F.kl_div(F.log_softmax(scores / temperature, -1), F.log_softmax(teacher_scores.detach() / temperature, -1),
                    reduction="batchmean", log_target=True)
    return (1 - weight) * F.cross_entropy(scores, labels) + weight * temperature**2 * soft
