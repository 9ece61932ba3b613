"""Which values of a metric are better is guessed only from names that tell."""

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.best import guess
from tests.queries.conftest import MakeDataset


@pytest.mark.parametrize(
    "name",
    [
        *("accuracy/validation", "val_acc/x", "Accuracy/top1", "metrics/mAP", "metrics/val-F1"),
        *("test/rocAUC", "eval/episode_reward", "IoU/mean", "PSNR/test", "R2/x", "BLEU/dev"),
        *("precision/macro", "recall@5/x", "dice_score/1"),
    ],
)
def test_high_is_better(name: str) -> None:
    assert guess(*name.split("/")) == "highest"


@pytest.mark.parametrize(
    "name",
    [
        *("loss/train", "val_loss/x", "valLoss/x", "metrics/RMSE", "WER/test", "perplexity/dev"),
        *("train/cross_entropy", "Error Rate/x", "FID/50k", "total loss/loss"),
    ],
)
def test_low_is_better(name: str) -> None:
    assert guess(*name.split("/")) == "lowest"


@pytest.mark.parametrize(
    "name",
    [
        *("reward_loss/x", "top1_error/x", "neg_mse/x", "negative loss/x", "lr/group 0"),
        *("throughput/images", "glossary/x", "accelerator/x", "entropy/policy", "/", "weight/norm"),
        *("mapping/x", "losses_avoided_acc/x", ":monitor:gpu/gpu_0_utilization", "時間/x"),
    ],
)
def test_a_name_that_does_not_tell(name: str) -> None:
    assert guess(*name.split("/")) is None


@pytest.mark.parametrize("name", ["best", "leaderboard", "group"])
def test_python_is_told_which_argument_is_missing(written: MakeDataset, name: str) -> None:
    points = [("accuracy", "v", 0, 0.5), ("latency", "v", 0, 0.5)]
    folder = written([{"task_id": "a" * 32, "points": points}])
    with open_dataset(folder) as dataset:
        with pytest.raises(UsageError) as refused:
            dataset.query(name, metric="latency")
        assert str(refused.value) == (
            f"query {name} needs `best='max'` or `best='min'`: latency/v does not say whether high "
            "or low values are better"
        )
        for best in ("max", "highest", None):
            assert dataset.query(name, metric="accuracy", best=best).fetchall()
        with pytest.raises(
            UsageError, match="no `best` 'up'; there are 'highest', 'lowest', 'max', 'min'"
        ):
            dataset.query(name, metric="accuracy", best="up")
