"""torchvision: items of med_mat.torch are tv_tensors that transforms flip together; a detector computes its losses."""

import sys
from pathlib import Path

import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

import med_mat
from med_mat.torch import Detection, Segmentation, collate

mat = med_mat.open(Path(sys.argv[2]))
chosen = mat.where("*/*/Diseases Detection")
plain = Detection(mat, chosen, masks=True)
flipped = Detection(mat, chosen, masks=True, transforms=v2.RandomHorizontalFlip(1.0))
boxes = 0
for number in range(len(plain)):
    (image, target), (other, turned) = plain[number], flipped[number]
    assert isinstance(image, tv_tensors.Image)
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert isinstance(target["masks"], tv_tensors.Mask)
    assert torch.equal(other, image.flip(-1))
    assert torch.equal(turned["masks"], target["masks"].flip(-1))
    assert torch.equal(turned["boxes"][:, 0], image.shape[-1] - target["boxes"][:, 2])
    boxes += len(target["boxes"])
masks = Segmentation(mat, chosen, transforms=v2.Resize((32, 32)))
assert all(mask.shape == (len(masks.classes), 32, 32) for _, mask in (masks[n] for n in range(len(masks))))
torch.manual_seed(0)
model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
    weights=None, weights_backbone=None, num_classes=len(plain.classes) + 1
)
loader = DataLoader(Detection(mat, chosen), batch_size=4, num_workers=2, collate_fn=collate)
images, targets = next(iter(loader))
losses = model(list(images), targets)
assert all(torch.isfinite(loss) for loss in losses.values()), losses
total = float(sum(losses.values()))
print(f"torchvision {torchvision.__version__}: {len(plain)} images, {boxes} boxes flipped with masks; loss {total:.2f}")
