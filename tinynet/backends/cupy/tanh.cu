// Hyperbolic tangent and its gradient.

#include "device/elements.cuh"

// y[i] = tanh(x[i]).
//
// x, y  count elements
// One thread: ITEMS_PER_THREAD elements, a block apart. Moves 2 count numbers.
template <typename T> __device__ void tanh_of(const T *x, T *y, long long count) {
    Elements<T> mine = load_mine(x, count);
    EACH_ITEM(i) mine.at[i] = tanh(mine.at[i]);
    store_mine(mine, y, count);
}

// dx[i] = dy[i] (1 - y[i]^2), from tanh' = 1 - tanh^2.
//
// dy, y, dx  count elements
// One thread: ITEMS_PER_THREAD elements, a block apart. Moves 3 count numbers.
template <typename T>
__device__ void tanh_backward(const T *dy, const T *y, T *dx, long long count) {
    Elements<T> mine = load_mine(dy, count), out = load_mine(y, count);
    EACH_ITEM(i) mine.at[i] *= 1 - out.at[i] * out.at[i];
    store_mine(mine, dx, count);
}

#define KERNELS(T) \
    KERNEL tanh_##T(const T *x, T *y, long long count) { tanh_of(x, y, count); } \
    KERNEL tanh_backward_##T(const T *dy, const T *y, T *dx, long long count) { \
        tanh_backward(dy, y, dx, count); \
    }

KERNELS(float)
KERNELS(double)
