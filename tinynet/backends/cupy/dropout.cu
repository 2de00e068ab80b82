// Dropout: the mask is computed, never stored.

#include "device/elements.cuh"
#include "device/philox.cuh"

// y[n, j] = x[n, j] times kept_scale where the 32 bits of the element's number are at least
// threshold, else x[n, j] times 0. The number is first + n stride + j.
//
// x, y          (rows, row)
// threshold     floor(drop 2^32), up to 2^32
// draws_before  (1), added to draw
// One thread: the four numbers of one counter, in every gridDim.y-th row. Moves 2 rows row numbers.
template <typename T>
__device__ void dropout(const T *x, T *y, long long rows, long long row, long long first,
                        long long stride, long long threshold, T kept_scale, long long key_0,
                        long long key_1, long long draw, long long stream,
                        const long long *draws_before) {
    for (long long n = blockIdx.y; n < rows; n += gridDim.y) {
        long long start = first + n * stride;
        long long block = start / 4 + (long long)blockIdx.x * blockDim.x + threadIdx.x;
        Words counter = {{unsigned(block), unsigned(block >> 32), unsigned(draw + *draws_before),
                          unsigned(stream)}};
        Words bits = philox(counter, unsigned(key_0), unsigned(key_1));
        for (int word = 0; word < 4; word++) {
            long long j = 4 * block + word - start, i = n * row + j;
            if (0 <= j && j < row) y[i] = x[i] * (bits.at[word] >= threshold ? kept_scale : T(0));
        }
    }
}

#define KERNELS(T) \
    KERNEL dropout_##T(const T *x, T *y, long long rows, long long row, long long first, \
                       long long stride, long long threshold, T kept_scale, long long key_0, \
                       long long key_1, long long draw, long long stream, \
                       const long long *draws_before) { \
        dropout(x, y, rows, row, first, stride, threshold, kept_scale, key_0, key_1, draw, stream, \
                draws_before); \
    }

KERNELS(float)
KERNELS(double)
