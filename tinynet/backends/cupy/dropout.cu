// Dropout: the mask is computed, never stored.

#include "device/elements.cuh"
#include "device/philox.cuh"

// y[i] = x[i] times kept_scale where the 32 bits of element i are at least threshold, else x[i]
// times 0.
//
// x, y          count elements
// threshold     floor(drop 2^32), up to 2^32
// draws_before  (1), added to draw
// One thread: the four elements of one counter. Moves 2 count numbers.
template <typename T>
__device__ void dropout(const T *x, T *y, long long count, long long threshold, T kept_scale,
                        long long key_0, long long key_1, long long draw, long long stream,
                        const long long *draws_before) {
    long long quad = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    Words counter = {
        {unsigned(quad), unsigned(quad >> 32), unsigned(draw + *draws_before), unsigned(stream)}};
    Words bits = philox(counter, unsigned(key_0), unsigned(key_1));
    for (int word = 0; word < 4; word++) {
        long long i = 4 * quad + word;
        if (i < count) y[i] = x[i] * (bits.at[word] >= threshold ? kept_scale : T(0));
    }
}

#define KERNELS(T) \
    KERNEL dropout_##T(const T *x, T *y, long long count, long long threshold, T kept_scale, \
                       long long key_0, long long key_1, long long draw, long long stream, \
                       const long long *draws_before) { \
        dropout(x, y, count, threshold, kept_scale, key_0, key_1, draw, stream, draws_before); \
    }

KERNELS(float)
KERNELS(double)
