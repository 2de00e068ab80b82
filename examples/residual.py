"""A small residual network learns to tell discs from squares: python examples/residual.py

    y = relu(x + f(x))    f: convolution, batch norm, relu, convolution, batch norm

Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition (2016), figure 2.
"""

import numpy as np

import tinynet as tn
from tinynet import nn


class Residual(nn.Module):
    """x: (N, channels, H, W). Returns a tensor like x."""

    def __init__(self, channels):
        self.f = nn.Sequential(
            nn.Conv2d(channels, channels, kernel=3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel=3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return tn.relu(x + self.f(x))


random = np.random.default_rng(0)


def draw_shapes(count):
    """Discs (0) and squares (1) of equal area in noise: float32 images (count, 1, 24, 24)."""
    labels = random.integers(2, size=count)
    radius = random.uniform(5, 9, size=(count, 1, 1))
    down, right = np.abs(np.arange(24) - random.uniform(9, 15, size=(2, count, 1)))
    down, right = down[:, :, None], right[:, None, :]
    disc = np.hypot(down, right) < radius
    square = np.maximum(down, right) < radius * np.sqrt(np.pi) / 2
    shapes = np.where(labels[:, None, None] == 0, disc, square)
    return (shapes + random.normal(0, 0.3, shapes.shape)).astype(np.float32)[:, None], labels


tn.seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, kernel=3, stride=2, padding=1), nn.ReLU(),
    Residual(16),
    Residual(16),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2),
)  # fmt: skip
optimizer = tn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for step in range(1, 61):
    images, labels = draw_shapes(64)
    loss = tn.softmax_cross_entropy(model(tn.Tensor(images)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step}: loss {loss.item():.3f}")

model.eval()  # batch norm takes the running mean and variance
images, labels = draw_shapes(1000)
with tn.no_grad():
    predicted = model(tn.Tensor(images)).numpy().argmax(axis=1)
print(f"{(predicted == labels).mean():.1%} of 1,000 new shapes are named correctly")
