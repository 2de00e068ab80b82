// Batch normalisation: each channel's sums over images and pixels, then the formula for each pixel.

#include "device/elements.cuh"
#include "device/sums.cuh"

// partial[c, i] = sum of (x - mean[c])^2 over all pixels and the images of part i.
//
// x        (images, channels, pixels)
// mean     (channels)
// partial  (channels, parts)
// One block: one partial sum. Moves x once.
template <typename T>
__device__ void partial_squares(const T *x, const T *mean, T *partial, Share s) {
    int c = blockIdx.x / s.parts, i = blockIdx.x % s.parts;
    T centre = mean[c];
    LongSum<T> mine;
    FOR_MY_SHARE(at, c, i, s) {
        T number = x[at] - centre;
        mine.add(number * number);
    }
    T sum = block_sum(mine.value());
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// y = weight (x - mean) / sqrt(variance + eps) + bias.
//
// x, y                          (images, channels, pixels)
// weight, bias, mean, variance  (channels)
// One thread: every gridDim.y * blockDim.x-th pixel of a map. Moves x and y once.
template <typename T>
__device__ void batch_norm(const T *x, const T *weight, const T *bias, const T *mean,
                           const T *variance, T eps, T *y, Share s) {
    long long map = MY_MAP;  // n channels + c
    if (map >= (long long)s.images * s.channels) return;
    int c = map % s.channels;
    T factor = weight[c] / sqrt(variance[c] + eps), centre = mean[c], added = bias[c];
    FOR_MY_PIXELS(p, s.pixels)
        y[map * s.pixels + p] = (x[map * s.pixels + p] - centre) * factor + added;
}

// partial_dbias[c, i] = sum of dy, partial_dweight[c, i] = sum of dy xhat, over the images of part
// i and all pixels, where xhat = (x - mean) / sqrt(variance + eps).
//
// dy, x           (images, channels, pixels)
// mean, variance  (channels)
// partial_...     (channels, parts)
// One block: one partial sum of each. Moves dy and x once.
template <typename T>
__device__ void partial_gradients(const T *dy, const T *x, const T *mean, const T *variance, T eps,
                                  T *partial_dweight, T *partial_dbias, Share s) {
    int c = blockIdx.x / s.parts, i = blockIdx.x % s.parts;
    T centre = mean[c];
    LongSum<T> my_sum, my_products;
    FOR_MY_SHARE(at, c, i, s) {
        my_sum.add(dy[at]);
        my_products.add(dy[at] * (x[at] - centre));
    }
    T sum = block_sum(my_sum.value()), sum_of_products = block_sum(my_products.value());
    if (threadIdx.x == 0) {
        partial_dbias[blockIdx.x] = sum;
        partial_dweight[blockIdx.x] = sum_of_products / sqrt(variance[c] + eps);
    }
}

// dx = weight / sqrt(variance + eps) * (dy - dbias / M - xhat dweight / M), M = images pixels.
//
// dy, x, dx                               (images, channels, pixels)
// weight, mean, variance, dweight, dbias  (channels)
// One thread: every gridDim.y * blockDim.x-th pixel of a map. Moves dy, x and dx once.
template <typename T>
__device__ void batch_norm_backward(const T *dy, const T *x, const T *weight, const T *mean,
                                    const T *variance, T eps, const T *dweight, const T *dbias,
                                    T *dx, Share s) {
    long long map = MY_MAP;  // n channels + c
    if (map >= (long long)s.images * s.channels) return;
    int c = map % s.channels;
    T count = T(s.images) * T(s.pixels), inverse_deviation = 1 / sqrt(variance[c] + eps);
    T factor = weight[c] * inverse_deviation, centre = mean[c];
    T through_mean = dbias[c] / count, through_variance = dweight[c] * inverse_deviation / count;
    FOR_MY_PIXELS(p, s.pixels) {
        long long at = map * s.pixels + p;
        dx[at] = factor * (dy[at] - through_mean - (x[at] - centre) * through_variance);
    }
}

// dx = weight / sqrt(variance + eps) * dy, where mean and variance do not depend on x.
//
// dy, dx            (images, channels, pixels)
// weight, variance  (channels)
// One thread: every gridDim.y * blockDim.x-th pixel of a map. Moves dy and dx once.
template <typename T>
__device__ void batch_norm_backward_frozen(const T *dy, const T *weight, const T *variance, T eps,
                                           T *dx, Share s) {
    long long map = MY_MAP;  // n channels + c
    if (map >= (long long)s.images * s.channels) return;
    int c = map % s.channels;
    T factor = weight[c] / sqrt(variance[c] + eps);
    FOR_MY_PIXELS(p, s.pixels) dx[map * s.pixels + p] = factor * dy[map * s.pixels + p];
}

#define KERNELS(T) \
    KERNEL partial_squares_##T(const T *x, const T *mean, T *partial, Share s) { \
        partial_squares(x, mean, partial, s); \
    } \
    KERNEL batch_norm_##T(const T *x, const T *weight, const T *bias, const T *mean, \
                          const T *variance, T eps, T *y, Share s) { \
        batch_norm(x, weight, bias, mean, variance, eps, y, s); \
    } \
    KERNEL partial_gradients_##T(const T *dy, const T *x, const T *mean, const T *variance, T eps, \
                                 T *partial_dweight, T *partial_dbias, Share s) { \
        partial_gradients(dy, x, mean, variance, eps, partial_dweight, partial_dbias, s); \
    } \
    KERNEL batch_norm_backward_##T(const T *dy, const T *x, const T *weight, const T *mean, \
                                   const T *variance, T eps, const T *dweight, const T *dbias, \
                                   T *dx, Share s) { \
        batch_norm_backward(dy, x, weight, mean, variance, eps, dweight, dbias, dx, s); \
    } \
    KERNEL batch_norm_backward_frozen_##T(const T *dy, const T *weight, const T *variance, T eps, \
                                          T *dx, Share s) { \
        batch_norm_backward_frozen(dy, weight, variance, eps, dx, s); \
    }

KERNELS(float)
KERNELS(double)
