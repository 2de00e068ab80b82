// The sum of each channel over images and pixels: first of every few images, then of those sums.

#include "elements.cuh"
#include "sums.cuh"

// partial[c, i] = sum of x[n, c, p] over all pixels p and the images n = i, i + parts, ...
//
// x        (images, channels, pixels)
// partial  (channels, parts)
// One block: one partial sum; each thread adds up every blockDim.x-th pixel of its images. Moves x
// once.
template <typename T>
__device__ void sum_of_images(const T *x, T *partial, long long images, long long channels,
                              long long pixels, long long parts) {
    long long c = blockIdx.x / parts, i = blockIdx.x % parts;
    T sum = 0;
    for (long long n = i; n < images; n += parts) {
        const T *map = x + (n * channels + c) * pixels;
        for (long long p = threadIdx.x; p < pixels; p += blockDim.x) sum += map[p];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// sums[c] = sum over i of partial[c, i].
//
// partial  (channels, parts)
// sums     (channels)
// One block: one channel.
template <typename T> __device__ void sum_of_parts(const T *partial, T *sums, long long parts) {
    T sum = 0;
    for (long long i = threadIdx.x; i < parts; i += blockDim.x)
        sum += partial[blockIdx.x * parts + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

#define KERNELS(T) \
    KERNEL sum_of_images_##T(const T *x, T *partial, long long images, long long channels, \
                             long long pixels, long long parts) { \
        sum_of_images(x, partial, images, channels, pixels, parts); \
    } \
    KERNEL sum_of_parts_##T(const T *partial, T *sums, long long parts) { \
        sum_of_parts(partial, sums, parts); \
    }

KERNELS(float)
KERNELS(double)
