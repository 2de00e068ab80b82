"""LeNet-5 learns to read digits that the program draws: python examples/lenet.py

Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition
(1998), figure 2, with softmax and cross-entropy on top.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import tinynet as tn
from tinynet import nn

random = np.random.default_rng(0)
font = ImageFont.load_default(size=18)


def draw_digits(count):
    """Digits at random places: float32 images (count, 1, 32, 32) from 0 to 1, and labels."""
    labels = random.integers(10, size=count)
    images = np.empty((count, 1, 32, 32), np.float32)
    for image, label in zip(images, labels, strict=True):
        page = Image.new("L", (32, 32))
        ImageDraw.Draw(page).text(random.uniform(6, 12, size=2), str(label), 255, font)
        image[0] = np.asarray(page) / np.float32(255)
    return images, labels


tn.seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 6, kernel=5), nn.Tanh(), nn.AvgPool2d(2),  # 32 x 32 -> 28 x 28 -> 14 x 14
    nn.Conv2d(6, 16, kernel=5), nn.Tanh(), nn.AvgPool2d(2),  # -> 10 x 10 -> 5 x 5
    nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120), nn.Tanh(),
    nn.Linear(120, 84), nn.Tanh(),
    nn.Linear(84, 10),
)  # fmt: skip
optimizer = tn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for step in range(1, 201):
    images, labels = draw_digits(64)
    loss = tn.softmax_cross_entropy(model(tn.Tensor(images)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.3f}")

images, labels = draw_digits(1000)
with tn.no_grad():
    predicted = model(tn.Tensor(images)).numpy().argmax(axis=1)
print(f"{(predicted == labels).mean():.1%} of 1,000 new digits are read correctly")
