// Rectified linear unit: y = max(x, 0), and its gradient.

#include "device/elements.cuh"

// y[i] = max(x[i], 0); NaN stays NaN.
//
// x, y  count elements
// One thread: ITEMS_PER_THREAD elements, a block apart. Moves 2 count numbers.
template <typename T> __device__ void relu(const T *x, T *y, long long count) {
    Elements<T> mine = load_mine(x, count);
    EACH_ITEM(i) mine.at[i] = mine.at[i] <= 0 ? T(0) : mine.at[i];
    store_mine(mine, y, count);
}

// dx[i] = dy[i] where y[i] > 0, else 0. The test is y <= 0, so that a NaN in y lets dy through.
//
// dy, y, dx  count elements
// One thread: ITEMS_PER_THREAD elements, a block apart. Moves 3 count numbers.
template <typename T>
__device__ void relu_backward(const T *dy, const T *y, T *dx, long long count) {
    Elements<T> mine = load_mine(dy, count), out = load_mine(y, count);
    EACH_ITEM(i) mine.at[i] = out.at[i] <= 0 ? T(0) : mine.at[i];
    store_mine(mine, dx, count);
}

#define KERNELS(T) \
    KERNEL relu_##T(const T *x, T *y, long long count) { relu(x, y, count); } \
    KERNEL relu_backward_##T(const T *dy, const T *y, T *dx, long long count) { \
        relu_backward(dy, y, dx, count); \
    }

KERNELS(float)
KERNELS(double)
