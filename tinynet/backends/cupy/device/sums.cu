// The sum of each channel over images and pixels: first over parts of the images, then over the
// parts.

#include "device/elements.cuh"
#include "device/sums.cuh"

// partial[c, i] = sum of x[n, c, p] over all pixels p and the images n of part i.
//
// x        (images, channels, pixels)
// partial  (channels, parts)
// One block: one partial sum. Moves x once.
template <typename T> __device__ void sum_of_images(const T *x, T *partial, Share s) {
    int c = blockIdx.x / s.parts, i = blockIdx.x % s.parts;
    LongSum<T> mine;
    FOR_MY_SHARE(at, c, i, s) mine.add(x[at]);
    T sum = block_sum(mine.value());
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// sums[c] = (sum over i of partial[c, i]) / divisor.
//
// partial  (channels, parts)
// sums     (channels)
// One block: one channel. Moves partial once.
template <typename T>
__device__ void sum_of_parts(const T *partial, T *sums, long long parts, long long divisor) {
    T sum = 0;
    for (long long i = threadIdx.x; i < parts; i += blockDim.x)
        sum += partial[blockIdx.x * parts + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum / T(divisor);
}

#define KERNELS(T) \
    KERNEL sum_of_images_##T(const T *x, T *partial, Share s) { sum_of_images(x, partial, s); } \
    KERNEL sum_of_parts_##T(const T *partial, T *sums, long long parts, long long divisor) { \
        sum_of_parts(partial, sums, parts, divisor); \
    }

KERNELS(float)
KERNELS(double)
