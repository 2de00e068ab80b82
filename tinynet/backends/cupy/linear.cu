// The bias of a fully connected layer, and the bias's gradient. cuBLAS computes the products.

#include "device/elements.cuh"
#include "device/sums.cuh"

// y[n, o] += bias[o].
//
// bias  (outputs)
// y     (images, outputs)
// One thread: one output of one image. Moves y in and out.
template <typename T>
__device__ void add_bias(const T *bias, T *y, long long images, long long outputs) {
    long long n = MY_MAP;
    if (n >= images) return;
    FOR_MY_PIXELS(o, outputs) y[n * outputs + o] += bias[o];
}

// dbias[o] = sum over n of dy[n, o].
//
// dy     (images, outputs)
// dbias  (outputs)
// One block: blockDim.x outputs side by side. Its row y of threads adds up the images y,
// y + blockDim.y, ...; then the rows are added in pairs. Moves dy once.
template <typename T>
__device__ void sum_of_rows(const T *dy, T *dbias, long long images, long long outputs) {
    __shared__ T sums[BLOCK];  // (blockDim.y, blockDim.x)
    long long o = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    int mine = threadIdx.y * blockDim.x + threadIdx.x;
    LongSum<T> sum;
    if (o < outputs) {
        for (long long n = threadIdx.y; n < images; n += blockDim.y) sum.add(dy[n * outputs + o]);
    }
    sums[mine] = sum.value();
    __syncthreads();
    for (int rows = blockDim.y / 2; rows > 0; rows /= 2) {
        if (threadIdx.y < rows) sums[mine] += sums[mine + rows * blockDim.x];
        __syncthreads();
    }
    if (threadIdx.y == 0 && o < outputs) dbias[o] = sums[threadIdx.x];
}

#define KERNELS(T) \
    KERNEL add_bias_##T(const T *bias, T *y, long long images, long long outputs) { \
        add_bias(bias, y, images, outputs); \
    } \
    KERNEL sum_of_rows_##T(const T *dy, T *dbias, long long images, long long outputs) { \
        sum_of_rows(dy, dbias, images, outputs); \
    }

KERNELS(float)
KERNELS(double)
