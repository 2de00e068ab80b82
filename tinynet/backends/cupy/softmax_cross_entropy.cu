// Softmax and the cross-entropy loss. One block has one row; a row stays in the cache while the
// block goes over it.

#include "device/elements.cuh"
#include "device/sums.cuh"

#define FOR_MY_CLASSES(c, classes) for (long long c = threadIdx.x; c < (classes); c += blockDim.x)

// The row's largest number, returned to every thread. max ignores a NaN; the sum becomes NaN later.
template <typename T> __device__ T largest_of_row(const T *row, long long classes) {
    __shared__ T numbers[BLOCK];
    T largest = row[0];
    FOR_MY_CLASSES(c, classes) largest = max(largest, row[c]);
    numbers[threadIdx.x] = largest;
    __syncthreads();
    for (int distance = blockDim.x / 2; distance > 0; distance /= 2) {
        if (threadIdx.x < distance) {
            numbers[threadIdx.x] = max(numbers[threadIdx.x], numbers[threadIdx.x + distance]);
        }
        __syncthreads();
    }
    return numbers[0];
}

// y[c] = exp(z[c] - largest) / total, where total is the sum of the numerators; returns log(total).
template <typename T> __device__ T softmax_of_row(const T *z, T *y, long long classes, T *largest) {
    *largest = largest_of_row(z, classes);
    T total = 0;
    FOR_MY_CLASSES(c, classes) total += exp(z[c] - *largest);
    total = block_sum(total);
    FOR_MY_CLASSES(c, classes) y[c] = exp(z[c] - *largest) / total;
    return log(total);
}

// y[n, c] = exp(logits[n, c]) / sum over j of exp(logits[n, j]).
//
// logits, y  (images, classes)
// One block: one row. Moves 2 images classes numbers.
template <typename T> __device__ void softmax(const T *logits, T *y, long long classes) {
    T largest;
    long long row = blockIdx.x * classes;
    softmax_of_row(logits + row, y + row, classes, &largest);
}

// dx[n, c] = y[n, c] (dy[n, c] - sum over j of dy[n, j] y[n, j]).
//
// dy, y, dx  (images, classes)
// One block: one row. Moves 3 images classes numbers.
template <typename T>
__device__ void softmax_backward(const T *dy, const T *y, T *dx, long long classes) {
    long long row = blockIdx.x * classes;
    T sum = 0;
    FOR_MY_CLASSES(c, classes) sum += dy[row + c] * y[row + c];
    sum = block_sum(sum);
    FOR_MY_CLASSES(c, classes) dx[row + c] = y[row + c] * (dy[row + c] - sum);
}

// probabilities = softmax(logits); losses[n] = log(sum over j of exp(logits[n, j])) - logits[n,
// label].
//
// logits, probabilities  (images, classes)
// labels, losses         (images)
// One block: one row. Moves 2 images classes numbers.
template <typename T>
__device__ void softmax_cross_entropy(const T *logits, const long long *labels, T *probabilities,
                                      T *losses, long long classes) {
    T largest;
    long long row = blockIdx.x * classes;
    T log_total = softmax_of_row(logits + row, probabilities + row, classes, &largest);
    if (threadIdx.x == 0) {
        losses[blockIdx.x] = log_total - (logits[row + labels[blockIdx.x]] - largest);
    }
}

// dlogits[n, c] = dloss / images * (probabilities[n, c] - (c == labels[n])).
//
// probabilities, dlogits  (images, classes)
// labels                  (images)
// dloss                   ()
// One block: one row. Moves 2 images classes numbers.
template <typename T>
__device__ void softmax_cross_entropy_backward(const T *probabilities, const long long *labels,
                                               const T *dloss, T *dlogits, long long images,
                                               long long classes) {
    long long row = blockIdx.x * classes, label = labels[blockIdx.x];
    T factor = *dloss / images;
    FOR_MY_CLASSES(c, classes) dlogits[row + c] = factor * (probabilities[row + c] - (c == label));
}

#define KERNELS(T) \
    KERNEL softmax_##T(const T *logits, T *y, long long classes) { softmax(logits, y, classes); } \
    KERNEL softmax_backward_##T(const T *dy, const T *y, T *dx, long long classes) { \
        softmax_backward(dy, y, dx, classes); \
    } \
    KERNEL softmax_cross_entropy_##T(const T *logits, const long long *labels, T *probabilities, \
                                     T *losses, long long classes) { \
        softmax_cross_entropy(logits, labels, probabilities, losses, classes); \
    } \
    KERNEL softmax_cross_entropy_backward_##T(const T *probabilities, const long long *labels, \
                                              const T *dloss, T *dlogits, long long images, \
                                              long long classes) { \
        softmax_cross_entropy_backward(probabilities, labels, dloss, dlogits, images, classes); \
    }

KERNELS(float)
KERNELS(double)
