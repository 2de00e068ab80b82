"""Confusions of classes, and the images that are most wrong."""

import numpy as np

from alexnet.evaluation.mistakes import confusion, most_confused, most_wrong

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0, 2, 0])


def test_a_confusion_counts_images_of_a_class_by_the_class_they_were_taken_for():
    assert confusion(LABELS, PREDICTED, 4).tolist() == [
        [1, 2, 0, 0],
        [0, 1, 1, 0],
        [2, 0, 1, 0],
        [0, 0, 0, 0],
    ]


def test_the_most_confused_classes_come_first_and_correct_images_are_no_confusion():
    matrix = confusion(LABELS, PREDICTED, 4)
    assert most_confused(matrix, 10) == [(0, 1, 2), (2, 0, 2), (1, 2, 1)]
    assert most_confused(matrix, 1) == [(0, 1, 2)]
    assert most_confused(np.diag([5, 5]), 10) == []
    assert matrix[0, 0] == 1  # unchanged


def test_the_most_wrong_images_are_those_of_the_largest_confidence():
    confidence = np.array([0.99, 0.5, 0.7, 0.99, 0.7, 0.9, 0.99, 0.2], np.float32)
    assert most_wrong(LABELS, PREDICTED, confidence, 10) == [5, 2, 4, 1, 7]
    assert most_wrong(LABELS, PREDICTED, confidence, 2) == [5, 2]
    assert most_wrong(LABELS, LABELS, confidence, 2) == []
